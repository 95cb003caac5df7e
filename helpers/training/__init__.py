"""Training by the ELBO: the loop as a page, and the fast and resumable one."""

from .elbo_monitor import ElboMonitor
from .train import train_by_elbo

__all__ = ["ElboMonitor", "train_by_elbo"]
