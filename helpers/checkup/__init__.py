"""A check-up for the reader's own network: ``from helpers.checkup import checkup``.

``run`` evaluates the network, ``measure`` holds all that is measured on it, ``judge`` the checks
that turn measurements into findings, ``report`` the findings and ``kinds`` what kinds there are.
Imports go one way: from run to judge to measure, and from judge to report.
"""

from .report import Finding, Report
from .run import checkup

__all__ = ["Finding", "Report", "checkup"]
