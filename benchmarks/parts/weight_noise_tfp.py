"""A part of a Flipout step, alone: weight noise, as TFP draws it."""

from benchmarks.step_parts import drawn_by_tensorflow
from benchmarks.work import Images, Labels, Run, Work

TITLE = "weight noise, as TFP draws it"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the part; a run does it once a step."""
    del images, labels
    work.only_dense()
    return drawn_by_tensorflow(work, "weights")
