"""The factor of a drawn KL, from the log-densities that were taken of one draw: no chance is left.

A Monte Carlo entry is log q(w) − log p(w) times a number. Where both are ``log_prob`` of TFP, the
two are seen while the network is called, and their difference gives the number exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from .recorded_distribution import recording_log_probs

SEEDS = (41, 42, 43)
MOST = 60  # log-densities in one call: of more, the pairs are too many to try


def recorded_factor(call: Callable[[int], float], about: float) -> float | None:
    """Return the factor of an entry, ``None`` where it is not seen.

    Parameters
    ----------
    call
        Calls the network at a seed, and returns the entry.
    about
        The factor as it was estimated.
    """
    rows = []
    values = []
    for seed in SEEDS:
        with recording_log_probs() as calls:
            values.append(call(seed))
        logs_seen = [one.logs for one in calls if not tf.is_symbolic_tensor(one.logs)]
        rows.append([float(tf.reduce_sum(log)) for log in logs_seen])
    sizes = {len(row) for row in rows}
    if len(sizes) != 1 or not 2 <= len(rows[0]) <= MOST:
        return None
    logs, entries = np.array(rows), np.array(values)
    for q, p in itertools.permutations(range(logs.shape[1]), 2):
        nats = logs[:, q] - logs[:, p]
        if np.ptp(nats) == 0 or not np.all(nats):
            continue
        factors = entries / nats
        if np.allclose(factors, factors[0], rtol=1e-4) and abs(factors[0] / about - 1) < 0.05:
            return float(np.median(factors))
    return None
