"""The book's trainer without this piece: fused Adam."""

from benchmarks.without import prepare_without
from benchmarks.work import Images, Labels, Run, Work

TITLE = "without fused Adam"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_without("fused Adam", work, images, labels)
