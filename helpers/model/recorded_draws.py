"""The factor of a drawn KL, from the log-densities that were taken of one draw: no chance is left.

A Monte Carlo entry is log q(w) − log p(w) times a number. Where both are ``log_prob`` of TFP, the
two are seen while the network is called, and their difference gives the number exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from .recorded_distribution import LogProb, recording_log_probs

SEEDS = (41, 42, 43)
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
    entries, found = np.array(values), []
    logs = np.array([[float(tf.reduce_sum(one.logs)) for one in row] for row in rows])
    for q, p in itertools.permutations(range(logs.shape[1]), 2):
        nats = logs[:, q] - logs[:, p]
        if np.ptp(nats) == 0 or not np.all(nats) or not _of_one_draw(rows[0][q], rows[0][p]):
            continue
        if not all(is_posterior(row[q]) for row in rows):
            continue
        factors = entries / nats
        spread = float(np.ptp(factors) / abs(factors[0]))
        if spread < 1e-4 and (about is None or abs(factors[0] / about - 1) < 0.5):
            found.append((spread, float(np.median(factors))))
    return min(found)[1] if found else None


def _of_one_draw(one: LogProb, other: LogProb) -> bool:
    """Whether both densities are of the same weights: those of two equal layers look alike."""
    if one.value is other.value:
        return True
    first, second = (np.asarray(it.value, np.float64).ravel() for it in (one, other))
    return np.array_equal(first, second)
