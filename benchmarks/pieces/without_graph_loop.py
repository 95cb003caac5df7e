"""The book's trainer without this piece: loop in the graph."""

from benchmarks.without import prepare_without
from benchmarks.work import Images, Labels, Run, Work

TITLE = "without loop in the graph"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_without("loop in the graph", work, images, labels)
