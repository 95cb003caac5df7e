"""How an entry bends with the means and with the scales: under a Gaussian prior, in the same way.

KL(N(μ, σ²) ‖ N(m, s²)) = (σ² + (μ − m)²) / 2s² − log(σ / s) − 1/2. The squares of μ and of σ have
one factor, whatever m and s are. A penalty of the means beside the KL changes that of μ alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.special
import tensorflow as tf

from .entry_floor import Pair
from .untouched import snapshot

Array = npt.NDArray[np.float64]

GRID = (-3.0, -1.0, 0.0, 1.0, 2.0)  # values of ρ
DIRECT = (0.1, 0.4, 1.0, 2.0, 3.0)  # of a variable that is σ itself, or σ²
EXACT = 1e-3  # of the range of an entry: what a right function σ(ρ) may miss
FLOORS = (0.0, 1e-3, 1e-2, 0.1)  # what is added to it
EXPONENTIAL: tuple[Callable[[Array], Array], ...] = (
    lambda rho: np.logaddexp(0.0, rho),
    np.exp,
    lambda rho: np.exp(rho / 2),
    scipy.special.expit,
)
POWERS: tuple[Callable[[Array], Array], ...] = (lambda value: value, np.sqrt)


def bends_of_means_and_scales(
    entries: dict[int, list[Pair]], call: Callable[[], list[Any]]
) -> dict[int, tuple[float, float]]:
    """Return the factors of μ² and of σ², a weight, of each entry; none where they are not known.

    That of σ² is known where σ is a usual function of its variable, and the prior is Gaussian.

    Parameters
    ----------
    entries
        The variables of means and scales of an entry in nats, by its place.
    call
        Calls the network and returns the values of all entries, in nats.
    """
    chosen = {i: ps for i, ps in entries.items() if len({pair.is_direct for pair in ps}) == 1}
    if not chosen:
        return {}
    pairs = [pair for several in chosen.values() for pair in several]
    put_back = snapshot([v for pair in pairs for v in (pair.mean, pair.scale)])

    def at(mean: float, place: int) -> Array:
        """Return the entries where all means are one number, all scales at one of the grid."""
        for pair in pairs:
            scale = (DIRECT if pair.is_direct else GRID)[place]
            for variable, value in ((pair.mean, mean), (pair.scale, scale)):
                variable.assign(tf.fill(variable.shape, tf.cast(value, variable.dtype)))
        return np.array([float(tf.reduce_sum(value)) for value in call()])

    try:
        by_scale = np.array([at(0.0, place) for place in range(len(GRID))])
        by_mean = at(1.0, 2) + at(-1.0, 2) - 2 * at(0.0, 2)
    finally:
        put_back()
    found = {}
    for place, several in chosen.items():
        size = sum(int(np.prod(pair.scale.shape)) for pair in several)
        factor = _factor_of_squares(by_scale[:, place], size, is_direct=several[0].is_direct)
        if factor is not None:
            found[place] = float(by_mean[place]) / (2 * size), factor
    return found


def _factor_of_squares(nats: Array, size: int, *, is_direct: bool) -> float | None:
    """Return b of b σ² − log σ + constant, a weight, for the σ(ρ) that fits; ``None`` if none."""
    values = np.array(DIRECT if is_direct else GRID)
    for scale, floor in itertools.product(POWERS if is_direct else EXPONENTIAL, FLOORS):
        sigma = scale(values) + floor
        terms = np.stack([sigma**2, np.ones_like(sigma)], axis=1)
        wanted = nats / size + np.log(sigma)
        solved, *_ = np.linalg.lstsq(terms, wanted, rcond=None)
        if np.abs(terms @ solved - wanted).max() < EXACT * max(np.ptp(wanted), 1e-3):
            return float(solved[0])
    return None
