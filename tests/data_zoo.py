"""Networks for the tests of the check-up's view of the data term, and the cure of each.

Every sick one has a function `mend` that does what its report says, as a reader would: the report
of the mended network must be clean.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers

N = 210
random = np.random.default_rng(0)
INPUTS = random.normal(size=(N, 5)).astype("float32")
COLUMN = (INPUTS @ [[1.0], [2.0], [-1.0], [0.5], [0.0]] + 0.1 * random.normal(size=(N, 1))).astype(
    "float32"
)
LABELS = (INPUTS[:, 0] > 0).astype("int32") + (INPUTS[:, 1] > 0).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
YES = (INPUTS[:, :1] > 0).astype("float32")
IMAGES = random.normal(size=(N, 6, 5, 2)).astype("float32")
PIXELS = (IMAGES[..., 0] > 0).astype("int32") + (IMAGES[..., 1] > 1).astype("int32")
STEPS = random.normal(size=(N, 7, 4)).astype("float32")
STEP_LABELS = (STEPS[..., 0] > 0).astype("int32")
SPARSE = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BINARY = tf_keras.losses.BinaryCrossentropy(from_logits=True)


def minus_log_prob(y, rv):
    """The loss of a network that puts out a distribution."""
    return -rv.log_prob(y)


def divided(by):
    """The closed form divided by a number."""
    return lambda q, p, _: tfd.kl_divergence(q, p) / by


def flipout(units, activation=None, by=N, kind=tfpl.DenseFlipout, **options):
    """A Bayesian layer with the KL divided by `by`."""
    return kind(units, activation=activation, kernel_divergence_fn=divided(by), **options)


@dataclass
class Patient:
    """What is handed to `checkup`."""

    network: Any
    inputs: Any
    targets: Any = None
    loss: Any = None
    batch_size: int | None = None
    num_examples: int | None = N


def compiled(network, loss, **options):
    """Compile with a learning rate of its own."""
    network.compile(tf_keras.optimizers.Adam(0.005), loss, **options)
    return network


def network_of(*parts, loss=None, **options):
    """A compiled Sequential."""
    return compiled(tf_keras.Sequential(list(parts)), loss, **options)
