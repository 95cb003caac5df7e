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

# Values of ρ, or of log σ where the variable is σ; the lowest KL lies between two of them.
RANGE = (-20.0, -10.0, -5.0, 0.0, 5.0, 20.0, 200.0, 2000.0)
DIRECT = tuple(np.log([1e-6, 1e-4, 1e-2, 1.0, 50.0]))
HALVINGS = 15  # of what lies between: the KL at its end is below 1e-6 nats for each weight


class Pair(NamedTuple):
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
    made = {place: pairs_of_entry(place, several, call) for place, several in entries.items()}
    chosen = {place: pairs for place, pairs in made.items() if pairs}
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


def pairs_of_entry(
    place: int, posteriors: list[Posterior], call: Callable[[], list[Any]]
) -> list[Pair]:
    """Return means and scales of an entry; none where a posterior's means are not found.

    Parameters
    ----------
    place, posteriors
        Of the entry: its place in ``losses``, and whose weights it is about.
    call
        Calls the network and returns the values of all entries.
    """
    found: list[Pair] = []
    for posterior in posteriors:
        if not isinstance(posterior, MeasuredPosterior):
            return []
        means = list(posterior.means)
        used = _used(place, means, call)
        taken = {id(pair.mean) for pair in found}
        free = [v for v in used if id(v) not in taken]
        if not free:
            return []
        found.append(Pair(free[0], posterior.variables[0], posterior.is_direct))
    return found


def _used(place: int, variables: list[Any], call: Callable[[], list[Any]]) -> list[Any]:
    """Return the variables that an entry depends on, though its slope may be 0 where they are."""
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        value = tf.reduce_sum(call()[place])
    gradients = tape.gradient(value, variables)
    return [v for v, g in zip(variables, gradients, strict=True) if g is not None]


def _move_means(chosen: dict[int, list[Pair]], call: Callable[[], list[Any]]) -> list[int]:
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


def _move_scales(chosen: dict[int, list[Pair]], call: Callable[[], list[Any]]) -> None:
    """Set all scales to where their entry is lowest, by halving each weight's range.

    Where σ is clipped there is no slope, on either side: the lowest place is above the last value
    at which the entry still falls.
    """
    pairs = [pair for several in chosen.values() for pair in several]

    def falls(values: list[Array]) -> list[npt.NDArray[np.bool_]]:
        """Return for each weight whether its entry falls with the scale there."""
        for pair, value in zip(pairs, values, strict=True):
            value = np.exp(value) if pair.is_direct else value
            pair.scale.assign(value.astype(pair.scale.dtype.as_numpy_dtype))
        gradients = _gradients(list(chosen), [pair.scale for pair in pairs], call)
        return [gradient < 0 for gradient in gradients]

    ends = [DIRECT if pair.is_direct else RANGE for pair in pairs]
    low = [np.full(pair.scale.shape, end[0]) for pair, end in zip(pairs, ends, strict=True)]
    high = [np.full(pair.scale.shape, end[1]) for pair, end in zip(pairs, ends, strict=True)]
    has_fallen = False
    for step in range(1, max(map(len, ends)) - 1):
        places = [end[min(step, len(end) - 2) :][:2] for end in ends]
        fallen = falls([np.full(a.shape, p[0]) for a, p in zip(low, places, strict=True)])
        if has_fallen and not any(map(np.any, fallen)):
            break
        has_fallen = has_fallen or any(map(np.any, fallen))
        for index, fell in enumerate(fallen):
            low[index] = np.where(fell, places[index][0], low[index])
            high[index] = np.where(fell, places[index][1], high[index])
    for _ in range(HALVINGS):
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        fallen = falls(middle)
        low = [np.where(fell, m, a) for fell, m, a in zip(fallen, middle, low, strict=True)]
        high = [np.where(fell, b, m) for fell, m, b in zip(fallen, middle, high, strict=True)]


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
