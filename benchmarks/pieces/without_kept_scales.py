"""The book's trainer without this piece: scales kept. It tells under DenseReparameterization."""

import tensorflow_probability as tfp

from benchmarks.without import prepare_without
from benchmarks.work import Images, Labels, Run, Work

TITLE = "without scales kept (DenseReparameterization)"
ENVIRONMENT = "book"
KIND = "book"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up the trainer; each run goes on where the one before ended."""
    return prepare_without(
        "scales kept", work, images, labels, layer_class=tfp.layers.DenseReparameterization
    )
