"""A part of a Flipout step, alone: input pipeline, as the trainer copies."""

from benchmarks.step_parts import input_by_portions
from benchmarks.work import Images, Labels, Run, Work

TITLE = "input pipeline, as the trainer copies"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the part; a run does it once a step."""
    work.only_dense()
    return input_by_portions(work, images, labels)
