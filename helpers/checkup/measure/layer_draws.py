"""The weights that a layer draws, beside draws of its posterior."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ...model.weight_posteriors import Posterior

DRAWS = 24
FEWEST = 2
MOST_NUMBERS = 500_000  # so many tell a spread to 1 %, and time is short
SURE = 5.0  # standard errors


class LayerDraws(NamedTuple):
    """The draws of one layer.

    Notes
    -----
    posterior
        Whose.
    spread
        Their standard deviation over that of the posterior's own draws.
    error
        What of its distance from 1 means nothing.
    shift
        Distance of their mean from that of the posterior's own draws, in standard errors.
    """

    posterior: Posterior
    spread: float
    error: float
    shift: float

    @property
    def differ(self) -> bool:
        """Whether the layer draws from something else than its posterior."""
        return abs(self.spread - 1) > self.error or self.shift > 2.0


def layer_draws(posterior: Posterior) -> LayerDraws | None:
    """Draw from a layer and from its posterior, None where the layer's own way is not known."""
    pair = _drawers(posterior)
    if pair is None or not posterior.is_random:
        return None
    count = int(np.clip(MOST_NUMBERS // max(posterior.num_weights, 1), FEWEST, DRAWS))
    own, plain = (np.stack([_array(draw()) for _ in range(count)]) for draw in pair)
    if own.shape != plain.shape:
        return None
    variances = own.var(axis=0, ddof=1), plain.var(axis=0, ddof=1)
    total = float(variances[1].sum())
    if total == 0:
        return None
    spread = float(np.sqrt(variances[0].sum() / total))
    # Weights with a large variance count most, so that fewer numbers than weights tell it.
    numbers = total**2 / float((variances[1] ** 2).sum())
    error = SURE * float(np.sqrt(1.0 / (count * numbers))) + 0.03
    distance = (own.mean(axis=0) - plain.mean(axis=0)) ** 2
    expected = (variances[0] + variances[1]).sum() / count
    noise = 1 + SURE * float(np.sqrt(2 / numbers))
    return LayerDraws(posterior, spread, error, float(distance.sum() / expected) / noise)


def _drawers(posterior: Posterior) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    """Return a function that draws as the layer does, and one that draws from the posterior."""
    layer = posterior.layer
    if isinstance(layer, tfp.layers.DenseVariational) and posterior.make is not None:
        probe = tf.zeros([1, layer.input_spec.axes[-1]])
        made = posterior.make()
        return lambda: tf.convert_to_tensor(layer._posterior(probe)), lambda: made.sample()
    draw = getattr(layer, f"{posterior.part}_posterior_tensor_fn", None)
    if draw is None or posterior.make is None:
        return None
    centred = getattr(layer, f"{posterior.part}_posterior_affine", None)
    given: Any = getattr(layer, f"{posterior.part}_posterior")
    if "Flipout" in type(layer).__name__ and centred is not None:
        given = centred  # its draws have mean 0: the layer adds the mean to the outputs
    return lambda: draw(given), lambda: given.sample()


def _array(weights: Any) -> Any:
    return np.asarray(tf.convert_to_tensor(weights))
