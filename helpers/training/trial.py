"""A few examples under fixed noise: what a network makes of them tells whether it is the same one.

Layers and variables do not show everything: a divergence, the rate of a dropout or an activation
may have changed since a training was saved. What the loss is under the same noise shows it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from ..draws.noise import Draw, draw_one
from ..draws.replay import replay, trace
from ..model.inputs import Examples
from ..model.untouched import snapshot, variables_of
from .negative_elbo import NegativeElbo

SEED = 7_340_033  # of the noise; any number that stays
SAME = 1e-3  # relative; another order of the same sums differs by less


class Trial:
    """The terms of the loss on a few examples, under the same noise whenever it is asked.

    Parameters
    ----------
    neural_net
        Of ``tf_keras``; built.
    objective
        What is minimised.
    few
        A few examples, as tensors.
    """

    def __init__(self, neural_net: tf_keras.Model, objective: NegativeElbo, few: Examples) -> None:
        self.neural_net, self.objective, self.few = neural_net, objective, few
        self._compiled: Callable[..., tf.Tensor] | None = None

    def terms(self) -> list[float] | None:
        """Return the terms [1 + terms] of the loss; ``None`` on several devices.

        The weights stay as they are, those that a call moves (of batch normalisation) too.
        """
        if self.neural_net.distribute_strategy.num_replicas_in_sync > 1:
            return None
        if self._compiled is None:
            self._compiled = self._compile()
        put_back = snapshot(variables_of(self.neural_net))
        try:
            found = self._compiled(*self.few.leaves()).numpy()
        finally:
            put_back()
        return [float(x) for x in found]

    def check(self, saved: list[float] | None) -> None:
        """Raise unless the terms are what they were when they were saved.

        Raises
        ------
        ValueError
            If they are not: the network computes something else.
        """
        now = self.terms() if saved is not None else None
        if saved is None or now is None or np.allclose(now, saved, rtol=SAME, atol=1e-6):
            return
        raise ValueError(
            "The folder holds a checkpoint of another network: with the saved weights, under the "
            f"same noise, its loss has the terms {_short(saved)}, this network's {_short(now)}. "
            "Layers and variables are the same, so a divergence, an activation, the rate of a "
            "dropout or the like was changed: build it as it was, or pass another folder."
        )

    def _compile(self) -> Callable[..., tf.Tensor]:
        """Return leaves of the examples ↦ terms, under noise that is always the same."""
        specs = [tf.TensorSpec(leaf.shape, leaf.dtype) for leaf in self.few.leaves()]
        traced, seed = trace(self._terms, *specs), tf.constant(SEED, tf.int64)

        def noise(place: int, draw: Draw) -> tf.Tensor:
            """Return the noise of one operation, which depends on its place alone."""
            return draw_one(draw, seed, tf.constant(place, tf.int64))

        run = tf.function(lambda *leaves: replay(traced, leaves, noise)[0], autograph=False)
        compiled: Callable[..., tf.Tensor] = run.get_concrete_function(*specs)
        return compiled

    def _terms(self, *leaves: tf.Tensor) -> tf.Tensor:
        batch = self.few.like(list(leaves))
        return self.objective.of_batch(self.neural_net, batch, 1.0, 1.0)[0]


def _short(terms: list[float]) -> str:
    return ", ".join(f"{term:.5g}" for term in terms)
