"""A part of a Flipout step, alone: KL and its gradient, as the trainer computes it."""

from benchmarks.step_parts import kl_with_gradient
from benchmarks.work import Images, Labels, Run, Work

TITLE = "KL and its gradient, as the trainer computes it"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the part; a run does it once a step."""
    del images, labels
    work.only_dense()
    return kl_with_gradient(work, as_trainer=True)
