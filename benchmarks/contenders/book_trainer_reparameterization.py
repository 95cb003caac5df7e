"""The book's trainer on ``DenseReparameterization``: one weight draw for the whole batch."""

import tensorflow_probability as tfp

from benchmarks.book_training import prepare_trainer
from benchmarks.work import Images, Labels, Run, Work

TITLE = "the book's trainer, DenseReparameterization"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_trainer(work, images, labels, layer_class=tfp.layers.DenseReparameterization)
