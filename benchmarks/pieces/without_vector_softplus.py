"""The book's trainer without this piece: softplus for vectors."""

from benchmarks.without import prepare_without
from benchmarks.work import Images, Labels, Run, Work

TITLE = "without softplus for vectors"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_without("softplus for vectors", work, images, labels)
