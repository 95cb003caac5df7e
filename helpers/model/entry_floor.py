"""How low an entry can get: a KL that can reach its prior goes down to 0, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .measured_scales import MeasuredPosterior
from .untouched import snapshot
from .weight_posteriors import Posterior

Array = npt.NDArray[np.float64]

HALVINGS = 16  # of the range of ρ, 40: the KL at its end is below 1e-6 nats for each weight
RANGE = (-20.0, 20.0)
DIRECT = (np.log(1e-6), np.log(50.0))  # of log σ, where the variable is σ


class _Pair(NamedTuple):
    """The variables of means and scales of some weights."""

    mean: Any
    scale: Any
    is_direct: bool


def lowest_values(
    entries: dict[int, list[Posterior]], call: Callable[[], list[Any]]
) -> dict[int, float]:
    """Return the lowest value of each entry, over means and scales, each weight on its own.

    Left out are entries whose slope in the means is not that of a Gaussian prior, or whose means
    are not found.

    Parameters
    ----------
    entries
        Posteriors of each entry, by its place.
    call
        Calls the network and returns the values of all entries.
    """
    chosen = {place: pairs for place, ps in entries.items() if (pairs := _pairs(place, ps, call))}
    if not chosen:
        return {}
    pairs = [pair for several in chosen.values() for pair in several]
    put_back = snapshot([v for pair in pairs for v in (pair.mean, pair.scale)])
    try:
        gaussian = _move_means(chosen, call)
        _move_scales(chosen, call)
        values = call()
        return {place: float(tf.reduce_sum(values[place])) for place in gaussian}
    finally:
        put_back()


def _pairs(place: int, posteriors: list[Posterior], call: Callable[[], list[Any]]) -> list[_Pair]:
    """Return means and scales of an entry; none where a posterior's means are not found."""
    found: list[_Pair] = []
    for posterior in posteriors:
        if not isinstance(posterior, MeasuredPosterior):
            return []
        means = list(posterior.means)
        gradients = _gradients([place], means, call)
        used = [v for v, g in zip(means, gradients, strict=True) if np.any(g)]
        taken = {id(pair.mean) for pair in found}
        free = [v for v in used if id(v) not in taken]
        if not free:
            return []
        found.append(_Pair(free[0], posterior.variables[0], posterior.is_direct))
    return found


def _move_means(chosen: dict[int, list[_Pair]], call: Callable[[], list[Any]]) -> list[int]:
    """Set all means to where their entry is lowest; return the places where that is a parabola."""
    pairs = [pair for several in chosen.values() for pair in several]
    means = [pair.mean for pair in pairs]
    slopes = []
    for value in (0.0, 1.0):
        for mean in means:
            mean.assign(tf.fill(mean.shape, tf.cast(value, mean.dtype)))
        slopes.append(_gradients(list(chosen), means, call))
    for mean, at_zero, at_one in zip(means, *slopes, strict=True):
        bend = at_one - at_zero
        lowest = np.where(bend > 0, -at_zero / np.where(bend > 0, bend, 1.0), 0.0)
        mean.assign(lowest.astype(mean.dtype.as_numpy_dtype))
    left = _gradients(list(chosen), means, call)
    flat = {
        id(mean): bool(np.all(np.abs(g) <= 1e-3 * np.abs(one - zero) + 1e-12))
        for mean, g, zero, one in zip(means, left, *slopes, strict=True)
    }
    return [place for place, several in chosen.items() if all(flat[id(p.mean)] for p in several)]


def _move_scales(chosen: dict[int, list[_Pair]], call: Callable[[], list[Any]]) -> None:
    """Set all scales to where their entry is lowest, by halving each weight's range."""
    pairs = [pair for several in chosen.values() for pair in several]
    ends = [DIRECT if pair.is_direct else RANGE for pair in pairs]
    low = [np.full(pair.scale.shape, a) for pair, (a, _) in zip(pairs, ends, strict=True)]
    high = [np.full(pair.scale.shape, b) for pair, (_, b) in zip(pairs, ends, strict=True)]
    for _ in range(HALVINGS):
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        for pair, value in zip(pairs, middle, strict=True):
            value = np.exp(value) if pair.is_direct else value
            pair.scale.assign(value.astype(pair.scale.dtype.as_numpy_dtype))
        gradients = _gradients(list(chosen), [pair.scale for pair in pairs], call)
        low = [np.where(g < 0, m, a) for g, m, a in zip(gradients, middle, low, strict=True)]
        high = [np.where(g < 0, b, m) for g, m, b in zip(gradients, middle, high, strict=True)]


def _gradients(
    places: list[int], variables: list[Any], call: Callable[[], list[Any]]
) -> list[Array]:
    """Return the gradient of the sum of some entries by each variable, 0 where it has none."""
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        values = call()
        total = tf.add_n([tf.cast(tf.reduce_sum(values[place]), tf.float64) for place in places])
    gradients = tape.gradient(total, variables)
    dense = [None if g is None else tf.convert_to_tensor(g) for g in gradients]
    return [
        np.zeros(v.shape) if g is None else np.asarray(g, np.float64)
        for v, g in zip(variables, dense, strict=True)
    ]
