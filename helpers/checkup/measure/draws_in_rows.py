"""Several draws in one call: a batch whose rows stand in it as often as there are draws.

Flipout and local reparameterization draw anew for each row, so ``network(tf.repeat(inputs, 4, 0))``
and ``network(tf.tile(inputs, [4, 1]))`` give four draws for each example.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .known_losses import KnownLoss, Mean

tfd = tfp.distributions


class DrawsInRows(NamedTuple):
    """How the rows of one call belong to the rows of the batch.

    Notes
    -----
    draws
        How often each row of the batch stands in the call.
    each
        Whether the draws of an example follow each other, as after ``tf.repeat``; else those of
        the whole batch do, as after ``tf.tile``.
    rows
        Of the batch.
    """

    draws: int
    each: bool
    rows: int

    def repeated(self, array: Any) -> Any:
        """Return an array [rows, …] as [draws · rows, …], None as it is."""
        if array is None:
            return None
        array = tf.convert_to_tensor(array)
        if self.each:
            return tf.repeat(array, self.draws, axis=0)
        return tf.concat([array] * self.draws, axis=0)

    def of_loss(self, loss: KnownLoss) -> KnownLoss:
        """Return a loss of such outputs that takes the targets of the batch itself."""

        def beside(mean: Mean) -> Mean:
            """Return the mean, in nats, that repeats targets and weights as the rows are."""
            return lambda targets, outputs, weights: mean(
                self.repeated(targets), outputs, self.repeated(weights)
            )

        return replace(
            loss,
            mean=beside(loss.mean),
            predictions=lambda targets, outputs: loss.predictions(self.repeated(targets), outputs),
            even=None if loss.even is None else beside(loss.even),
        )

    def hold(self, array: Any) -> bool:
        """Whether an array has a row for each draw of each row of the batch."""
        return bool(array.shape.rank and array.shape[0] == self.draws * self.rows)

    def filled(self, outputs: Any, contents: Sequence[int]) -> Any:
        """Return outputs [draws · rows, …] whose draw number s is that with number contents[s]."""
        numbers = np.arange(len(tf.nest.flatten(outputs)[0]))
        rows = len(numbers) // self.draws
        draw = numbers % self.draws if self.each else numbers // rows
        apart = 1 if self.each else rows  # how far the draws of an example stand apart
        taken = numbers + (np.asarray(contents)[draw] - draw) * apart
        return tf.nest.map_structure(lambda part: tf.gather(part, taken), outputs)

    def are_repeated(self, array: Any) -> bool:
        """Whether an array [draws · rows, …] has the same values in all draws of a row."""
        return _is_same(self.filled(array, [0] * self.draws), array)


class DrawsInAxis(NamedTuple):
    """Draws that have the first axis of what layers put out [draws, rows, …].

    Notes
    -----
    draws, rows
        How many draws there are, and rows of the batch.
    """

    draws: int
    rows: int

    def hold(self, array: Any) -> bool:
        """Whether an array has these two axes."""
        return bool(array.shape[:2] == [self.draws, self.rows])

    def filled(self, outputs: Any, contents: Sequence[int]) -> Any:
        """Return outputs whose draw number s is that with number contents[s]."""
        return tf.gather(outputs, list(contents))


def draws_in_rows(arguments: Any, outputs: Any, rows: int) -> DrawsInRows | None:
    """Return how the rows of a call belong to those of the batch; None if they are as many.

    Parameters
    ----------
    arguments, outputs
        Of the call. A distribution is not taken apart: for it, None is returned.
    rows
        Of the batch.
    """
    made = tf.nest.flatten(outputs)
    given = [leaf for leaf in tf.nest.flatten(arguments) if tf.is_tensor(leaf) and leaf.shape.rank]
    if any(isinstance(part, tfd.Distribution) or not part.shape.rank for part in made):
        return None
    counts = {int(part.shape[0]) for part in [*made, *given]}
    count = counts.pop() if len(counts) == 1 else 0
    if not given or count <= rows or count % rows:
        return None
    draws = count // rows
    for each in (True, False):
        found = DrawsInRows(draws, each, rows)
        if all(map(found.are_repeated, given)):
            return found
    return None


def _is_same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
