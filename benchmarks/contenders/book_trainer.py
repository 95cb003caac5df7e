"""The book's trainer, ``helpers.training.train``, on ``DenseFlipout`` layers."""

from benchmarks.book_training import prepare_trainer
from benchmarks.work import Images, Labels, Run, Work

TITLE = "the book's trainer"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_trainer(work, images, labels)
