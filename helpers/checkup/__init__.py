"""A check-up for the reader's own network: ``from helpers.checkup import checkup``."""

from helpers.checkup.report import Finding, Report
from helpers.checkup.run import checkup

__all__ = ["Finding", "Report", "checkup"]
