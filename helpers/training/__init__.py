"""Training by the ELBO: the loop as a page, and the fast and resumable one."""

from .train import train_by_elbo

__all__ = ["train_by_elbo"]
