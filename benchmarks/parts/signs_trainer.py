"""A part of a Flipout step, alone: signs, as the trainer draws them."""

from benchmarks.step_parts import drawn_by_trainer
from benchmarks.work import Images, Labels, Run, Work

TITLE = "signs, as the trainer draws them"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the part; a run does it once a step."""
    del images, labels
    work.only_dense()
    return drawn_by_trainer(work, "signs")
