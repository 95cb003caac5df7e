"""Moving the weights at random, so that outputs depend on the inputs, whatever the start was.

Posterior means that start at 0 make every output the same: which loss is minimised, and which
target belongs to which output, cannot be seen there. Elsewhere it can.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...model.small_scales import SmallScale
from ...model.untouched import snapshot


@contextlib.contextmanager
def moved_weights(
    variables: list[Any], small: list[SmallScale], seed: int, size: float
) -> Iterator[None]:
    """Add random numbers to all trained weights inside the block, the scales of posteriors aside.

    Parameters
    ----------
    variables
        Of all layers.
    small
        The posteriors, whose scales are tiny and stay so.
    seed
        Of the random numbers.
    size
        Of the change that a layer's outputs feel, in the unit of its inputs.
    """
    random = np.random.default_rng(seed)
    scales = _scales(small)
    trained = [v for v in variables if v.trainable]
    put_back = snapshot(trained)
    try:
        for variable in trained:
            old = np.asarray(variable)
            fan_in = np.prod(old.shape[:-1]) if old.ndim > 1 else 1.0
            move = random.standard_normal(old.shape, np.float32) * size / np.sqrt(max(fan_in, 1.0))
            kept = scales.get(id(variable), np.zeros(old.shape, bool))
            variable.assign(np.where(kept, old, old + move).astype(old.dtype))
        yield
    finally:
        put_back()


def _scales(small: list[SmallScale]) -> dict[int, Any]:
    """Return, by variable, which of its numbers are scales of a posterior."""
    found: dict[int, Any] = {}
    for one in small:
        for variable, slope in zip(one.posterior.variables, one.slopes, strict=True):
            mask = np.asarray(slope) != 0
            found[id(variable)] = found.get(id(variable), False) | mask
    return found
