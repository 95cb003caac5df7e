"""A check-up for the reader's own network: ``from helpers.checkup import checkup``."""

from .report import Finding, Report
from .run import checkup

__all__ = ["Finding", "Report", "checkup"]
