"""How well a network predicts held-out data, at the end of an epoch: by draws of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..draws.noise import draw_one
from ..draws.replay import random_operations, replay, trace
from .data import Batches
from .negative_elbo import NegativeElbo

Array = npt.NDArray[np.float64]

NUM_DRAWS = 16
APART = 2**33  # added to the seed, so that no draw of training is drawn again


class Validation:
    """Measures the log-likelihood of held-out data under draws of the weights.

    Parameters
    ----------
    neural_net
        Of ``tf_keras``; built.
    objective
        Its likelihood is measured.
    batches
        The held-out data.
    seed
        Of the draws, which depend on it and on the epoch alone.
    """

    def __init__(
        self, neural_net: tf_keras.Model, objective: NegativeElbo, batches: Batches, seed: int
    ) -> None:
        self.batches, self.seed = batches, seed + APART

        def nats_of(*leaves: tf.Tensor) -> tf.Tensor:
            """Return −log p of each example of a batch under one draw: nats, float64 [batch]."""
            batch = batches.spec(None).like(list(leaves))
            return tf.cast(objective.of_examples(neural_net, batch), tf.float64)

        self._nats_of = nats_of
        self._compiled: dict[Any, Any] = {}

    def measure(self, epoch: int) -> tuple[float, float]:
        """Return the mean over examples of −log p under a draw, and of the log of the mean of p.

        Both in nats per example: ``val_negative_log_likelihood`` is the mean over the draws, too;
        ``val_log_predictive_density`` scores what the draws predict together.
        """
        parts = [self._nats(leaves, epoch) for leaves in self._pass(epoch)]
        nats = np.concatenate(parts, axis=1)
        highest = (-nats).max(axis=0)
        density = highest + np.log(np.exp(-nats - highest).mean(axis=0))
        return float(nats.mean()), float(density.mean())

    def _pass(self, epoch: int) -> Iterator[list[tf.Tensor]]:
        steps = self.batches.order.steps_per_epoch
        first = epoch * steps
        while first < (epoch + 1) * steps:
            leaves = self.batches.take(first, steps)
            for index in range(int(leaves[0].shape[0])):
                yield [leaf[index] for leaf in leaves]
            first += int(leaves[0].shape[0])

    def _nats(self, leaves: list[tf.Tensor], epoch: int) -> Array:
        """Return the negative log-likelihoods [draws, batch] of one batch."""
        specs = tuple(tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in leaves)
        if specs not in self._compiled:
            self._compiled[specs] = self._compile(specs)
        found: Array = self._compiled[specs](*leaves, tf.constant(epoch, tf.int64)).numpy()
        return found

    def _compile(self, specs: tuple[tf.TensorSpec, ...]) -> Any:
        traced = trace(self._nats_of, *specs)
        number_of_draws = max(1, len(random_operations(traced)))
        key = tf.constant(self.seed, tf.int64)

        def of_draws(*leaves_and_epoch: tf.Tensor) -> tf.Tensor:
            """Return −log p under each draw of an epoch: nats, float64 [draws, batch]."""
            *leaves, epoch = leaves_and_epoch

            def one(number: tf.Tensor) -> tf.Tensor:
                """Return −log p of each example under the draw of this number: nats [batch]."""
                first = number * number_of_draws
                return replay(traced, leaves, lambda i, draw: draw_one(draw, key, first + i))[0]

            numbers = epoch * NUM_DRAWS + tf.range(NUM_DRAWS, dtype=tf.int64)
            return tf.map_fn(one, numbers, fn_output_signature=tf.float64, parallel_iterations=1)

        compiled = tf.function(of_draws, autograph=False)
        return compiled.get_concrete_function(*specs, tf.TensorSpec([], tf.int64))
