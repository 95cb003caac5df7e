"""A part of a Flipout step, alone: Adam, as Keras updates."""

from benchmarks.step_parts import adam_update
from benchmarks.work import Images, Labels, Run, Work

TITLE = "Adam, as Keras updates"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the part; a run does it once a step."""
    del images, labels
    work.only_dense()
    return adam_update(work, as_trainer=False)
