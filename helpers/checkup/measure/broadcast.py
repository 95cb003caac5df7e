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


def broadcast_kl(case: Case, factor: KLFactor) -> BroadcastKL | None:
    """Return what a layer's entries are worth beside its KL, None if they agree.

    Ask it of a posterior and a prior whose shapes differ, so that densities may be broadcast.
    """
    assert factor.posterior.make is not None
    q, p = factor.posterior.make(), factor.posterior.prior()
    entries = case.entries_of(factor.posterior.layer)
    unit = factor.value / max(sum(factor.shares), 1e-12) if sum(factor.shares) else 1.0
    entry = float(entries.sum()) / (unit * len(entries)) if unit else float("nan")
    kls = [_drawn_kl(q, p)]
    if len(entries) == 1:  # which may hold the KLs of the layer's other weights too
        kls += [_drawn_kl(*both) for both in _others(case, factor.posterior)]
    kl, error = sum(nats for nats, _ in kls), float(np.hypot.reduce([e for _, e in kls]))
    if not np.isfinite(entry) or abs(entry - kl) < 3.5 * error + 0.05 * abs(kl):
        return None
    return BroadcastKL(q, p, entry, kl)


def _others(case: Case, posterior: Posterior) -> list[tuple[Any, Any]]:
    """Return posterior and prior of the other weights of a layer, as far as they are known."""
    same = [f.posterior for f in case.factors if f.posterior.layer is posterior.layer]
    pairs = [(one.make(), one.prior()) for one in same if one is not posterior and one.make]
    return [(q, p) for q, p in pairs if p is not None]


def _drawn_kl(q: Any, p: Any) -> tuple[float, float]:
    """Return the KL over all weights and the spread of one draw of it, in nats."""
    w = q.sample(DRAWS)
    log_q, log_p = (_total(d.log_prob(w)) for d in (q, p))
    ratio = log_q - log_p
    return float(ratio.mean()), float(ratio.std())


def _total(log_prob: Any) -> Any:
    return log_prob.numpy().astype(float).reshape(DRAWS, -1).sum(axis=1)
