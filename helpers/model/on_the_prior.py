"""Moving posteriors onto their priors for a moment: there a KL is next to nothing."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.optimize

from .untouched import read, snapshot
from .weight_posteriors import Posterior

LOWEST, HIGHEST = -30.0, 10.0
CLOSE = 1e-6  # to the value that gives the spread of the prior
MANY = 10_000  # weights whose median is that of more
LEAST = 1e-9  # of a ratio: 0 has no logarithm


@contextlib.contextmanager
def on_the_prior(posteriors: list[Posterior]) -> Iterator[None]:
    """Give posteriors the mean of their prior and about its spread, where that can be done.

    A posterior whose mean or scale is no variable of its own stays where it is.
    """
    put_back = snapshot({id(v): v for p in posteriors for v in p.variables}.values())
    try:
        for posterior in posteriors:
            if posterior.is_random and posterior.make is not None and posterior.prior() is not None:
                with contextlib.suppress(NotImplementedError, ValueError):
                    _move(posterior)
        yield
    finally:
        put_back()


def _move(posterior: Posterior) -> None:
    make = posterior.make
    assert make is not None
    _, slopes = posterior.entropy_gradients()
    moved = posterior.moves_mean()
    scales = [(slope != 0) & ~own for slope, own in zip(slopes, moved, strict=True)]
    prior = posterior.prior()
    shape = make().mean().shape
    mean, wanted = (np.broadcast_to(np.asarray(x), shape) for x in (prior.mean(), prior.stddev()))
    _shift(posterior, moved, mean - np.asarray(make().mean()))

    apart = 1 + wanted.size // MANY

    def log_ratio(value: float) -> float:
        """Return the log of the median σ over that of the prior, with the scales at a value."""
        _fill(posterior, scales, value)
        ratio = np.median(np.ravel(np.asarray(make().stddev()) / wanted)[::apart])
        return float(np.log(np.clip(ratio, LEAST, 1 / LEAST)))

    _fill(posterior, scales, _root(log_ratio))


def _root(rising: Callable[[float], float]) -> float:
    """Return where a function is 0; the end where it is nearest to 0 if it is 0 nowhere."""
    if rising(LOWEST) > 0:
        return LOWEST
    if rising(HIGHEST) < 0:
        return HIGHEST
    return float(scipy.optimize.brentq(rising, LOWEST, HIGHEST, xtol=CLOSE))


def _shift(posterior: Posterior, places: list[Any], change: Any) -> None:
    """Add to the numbers that are the means, in the order of the weights."""
    if sum(int(place.sum()) for place in places) != change.size:
        return
    rest = np.ravel(change)
    for variable, place in zip(posterior.variables, places, strict=True):
        if place.any():
            value = read(variable).copy()
            own, rest = rest[: place.sum()], rest[place.sum() :]
            value[place] += own
            variable.assign(value)


def _fill(posterior: Posterior, places: list[Any], value: float) -> None:
    for variable, place in zip(posterior.variables, places, strict=True):
        if place.any():
            now = read(variable)
            variable.assign(np.where(place, value, now).astype(now.dtype))
