"""The book's trainer without this piece: squares in the KL."""

from benchmarks.without import prepare_without
from benchmarks.work import Images, Labels, Run, Work

TITLE = "without squares in the KL"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_without("squares in the KL", work, images, labels)
