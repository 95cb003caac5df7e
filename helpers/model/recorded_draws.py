"""The factor of a drawn KL, from the log-densities that were taken of one draw: no chance is left.

A Monte Carlo entry is log q(w) − log p(w) times a number. Where both are ``log_prob`` of TFP, the
two are seen while the network is called, and their difference gives the number exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .recorded_distribution import LogProb, recording_log_probs

Array = npt.NDArray[np.float64]
SEEDS = (41, 42, 43)
MOST_PAIRS = 7  # of densities, whose sums are tried: 3 to this power
MOST = 60  # log-densities in one call: of more, the pairs are too many to try


def recorded_factor(
    call: Callable[[int], float],
    about: float | None = None,
    is_posterior: Callable[[LogProb], bool] = lambda _: True,
) -> float | None:
    """Return the factor of an entry, ``None`` where it is not seen.

    Parameters
    ----------
    call
        Calls the network at a seed, and returns the entry.
    about
        The factor as it was estimated, if it was.
    is_posterior
        Whether a log-density is that of the posterior; without an estimate the sign hangs on it.
    """
    rows: list[list[LogProb]] = []
    values = []
    for seed in SEEDS:
        with recording_log_probs() as calls:
            values.append(call(seed))
        rows.append([one for one in calls if not tf.is_symbolic_tensor(one.logs)])
    sizes = {len(row) for row in rows}
    if len(sizes) != 1 or not 2 <= len(rows[0]) <= MOST:
        return None
    entries = np.array(values)
    found: list[tuple[float, float]] = []
    logs = np.array([[float(tf.reduce_sum(one.logs)) for one in row] for row in rows])
    for q, p in itertools.permutations(range(logs.shape[1]), 2):
        nats = logs[:, q] - logs[:, p]
        if np.ptp(nats) == 0 or not np.all(nats) or not _of_one_draw(rows[0][q], rows[0][p]):
            continue
        if not all(is_posterior(row[q]) for row in rows):
            continue
        found += _if_constant(entries / nats, about)
    if not found and about is not None:
        for nats in _sums(rows[0], logs):
            found += _if_constant(entries / nats, about)
    return min(found)[1] if found else None


def _if_constant(factors: Array, about: float | None) -> list[tuple[float, float]]:
    """Return the spread of factors and their median, if all draws give one that is likely."""
    spread = float(np.ptp(factors) / abs(factors[0]))
    likely = about is None or abs(factors[0] / about - 1) < 0.5
    return [(spread, float(np.median(factors)))] if spread < 1e-4 and likely else []


def _sums(row: list[LogProb], logs: Array) -> Array:
    """Return what an entry may hold that is the KLs of several weights together [sum, draw].

    Each draw must have two densities; which of them is the posterior's is not known.
    """
    every = itertools.combinations(range(len(row)), 2)
    pairs = [(q, p) for q, p in every if _of_one_draw(row[q], row[p])]
    places = [place for pair in pairs for place in pair]
    if not 2 <= len(pairs) <= MOST_PAIRS or len(set(places)) != len(places):
        return np.empty((0, len(logs)))
    differences = np.array([logs[:, q] - logs[:, p] for q, p in pairs])
    signs = np.array(list(itertools.product((1.0, -1.0, 0.0), repeat=len(pairs))))
    sums = signs[np.count_nonzero(signs, axis=1) > 1] @ differences
    return sums[np.all(sums, axis=1) & (np.ptp(sums, axis=1) > 0)]


def _of_one_draw(one: LogProb, other: LogProb) -> bool:
    """Whether both densities are of the same weights: those of two equal layers look alike."""
    if one.value is other.value:
        return True
    first, second = (np.asarray(it.value, np.float64).ravel() for it in (one, other))
    return np.array_equal(first, second)
