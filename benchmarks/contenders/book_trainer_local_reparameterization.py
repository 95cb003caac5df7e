"""The book's trainer on ``DenseLocalReparameterization``: noise per activation, not per weight."""

import tensorflow_probability as tfp

from benchmarks.book_training import prepare_trainer
from benchmarks.work import Images, Labels, Run, Work

TITLE = "the book's trainer, DenseLocalReparameterization"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_trainer(
        work, images, labels, layer_class=tfp.layers.DenseLocalReparameterization
    )
