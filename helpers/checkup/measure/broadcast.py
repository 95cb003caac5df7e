"""A posterior and a prior of different shapes, and what broadcasting makes of their KL."""

from typing import Any, NamedTuple

import numpy as np

from ...model.weight_posteriors import Posterior
from .case import Case
from .kl_factor import KLFactor

DRAWS = 50


class BroadcastKL(NamedTuple):
    """A posterior and a prior of different shapes, the entry that they make and their KL, in nats.

    The entry is taken without the factor that it has in the objective.
    """

    posterior: Any
    prior: Any
    entry: float
    kl: float


def differing_shapes(posterior: Posterior) -> bool:
    """Whether posterior and prior are not the same number of events of the same shape."""
    if posterior.make is None or posterior.prior() is None:
        return False
    q, p = posterior.make(), posterior.prior()
    return bool(q.batch_shape != p.batch_shape or q.event_shape != p.event_shape)


def broadcast_kl(case: Case, factor: KLFactor) -> BroadcastKL | None:
    """Return what a layer's entries are worth beside its KL, None if they agree.

    Ask it of a posterior and a prior whose shapes differ, so that densities may be broadcast.
    """
    assert factor.posterior.make is not None
    q, p = factor.posterior.make(), factor.posterior.prior()
    entries = case.entries_of(factor.posterior.layer)
    unit = factor.value / max(sum(factor.shares), 1e-12) if sum(factor.shares) else 1.0
    entry = float(entries.sum()) / (unit * len(entries)) if unit else float("nan")
    kl, error = _drawn_kl(q, p)
    if not np.isfinite(entry) or abs(entry - kl) < 3.5 * error + 0.05 * abs(kl):
        return None
    return BroadcastKL(q, p, entry, kl)


def _drawn_kl(q: Any, p: Any) -> tuple[float, float]:
    """Return the KL over all weights and the spread of one draw of it, in nats."""
    w = q.sample(DRAWS)
    log_q, log_p = (_total(d.log_prob(w)) for d in (q, p))
    ratio = log_q - log_p
    return float(ratio.mean()), float(ratio.std())


def _total(log_prob: Any) -> Any:
    return log_prob.numpy().astype(float).reshape(DRAWS, -1).sum(axis=1)
