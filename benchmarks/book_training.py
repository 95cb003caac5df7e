"""The book's trainer as a contender: layers as a reader writes them, steps of the trainer."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.tfp_networks import network, shaped
from benchmarks.work import Batches, Images, Labels, NotOfferedError, Run, Work
from helpers.training import make_training_step


def prepare_trainer(
    work: Work,
    images: Images,
    labels: Labels,
    *,
    layer_class: type = tfp.layers.DenseFlipout,
    jit_compile: bool | None = None,
) -> Run:
    """Return a run of the book's trainer on a network of one class of layers.

    ``jit_compile`` is the trainer's: ``None`` leaves the choice to it.
    """
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = network(work, layer_class)
    images = shaped(images, work)
    return _continued_training(neural_net, images, labels, work, jit_compile)


def _continued_training(
    neural_net: tf_keras.Model, images: Any, labels: Labels, work: Work, jit_compile: bool | None
) -> Run:
    """Return a run that takes so many more steps: the one place that knows the trainer's inside."""
    if work.num_draws > 1:
        raise NotOfferedError("the trainer takes one draw per step")
    del jit_compile  # the trainer's step is not compiled by XLA
    optimizer = tf_keras.optimizers.Adam(work.learning_rate)
    step = make_training_step(neural_net, optimizer, kl_weight=1 / len(images))
    batches = Batches(len(images), work)

    def run(num_steps: int) -> float:
        for rows in batches.take(num_steps):
            nll, kls = step(tf.constant(images[rows]), tf.constant(labels[rows]))
            last = float(nll), kls.numpy()
        return last[0] + float(last[1].sum()) / len(images)

    return run
