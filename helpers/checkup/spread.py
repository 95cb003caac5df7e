"""Posteriors that have become the prior, and posteriors without any spread left."""

import numpy as np
import tensorflow_probability as tfp
import tf_keras

from .case import Case
from .posteriors import Posterior
from .reachable import reachable
from .report import Finding, Verdict

tfd = tfp.distributions
COLLAPSED = 2e-3  # nats per weight
SHRUNK = 1e-3  # of the prior's standard deviation


def check_spread(case: Case) -> list[Finding]:
    """Return findings on trained layers at the prior, or with σ near 0."""
    collapsed: dict[str, float] = {}
    shrunk: dict[str, float] = {}
    for posterior in case.posteriors:
        measured = _measure(posterior)
        if measured is None:
            continue
        nats, ratio = measured
        if nats < COLLAPSED:
            collapsed[posterior.name] = nats
        elif ratio < SHRUNK:
            shrunk[posterior.name] = ratio
    verdict: Verdict = "wrong" if _was_trained(case) else "look"
    return [*_collapsed(collapsed, case, verdict), *_shrunk(shrunk, verdict)]


def _measure(posterior: Posterior) -> tuple[float, float] | None:
    """Return KL per weight in nats and the median of σ over the prior's σ."""
    if not posterior.is_random or posterior.make is None or posterior.prior() is None:
        return None
    q, p = posterior.make(), posterior.prior()
    try:
        kl = float(np.sum(tfd.kl_divergence(q, p))) / posterior.num_weights
        ratio = float(np.median(q.stddev() / p.stddev()))
    except Exception:  # noqa: BLE001 (no closed form for this pair)
        return None
    return kl, ratio


def _was_trained(case: Case) -> bool:
    owners = (tf_keras.optimizers.Optimizer, tf_keras.optimizers.legacy.Optimizer)
    found = [x for x in reachable(case.network, case.patient.loss) if isinstance(x, owners)]
    return any(int(optimizer.iterations) > 0 for optimizer in found)


def _collapsed(found: dict[str, float], case: Case, verdict: Verdict) -> list[Finding]:
    everywhere = len(found) == len({p.name for p in case.posteriors if p.is_random})
    if not found or verdict == "look":
        return []
    value = max(found.values())
    text = (
        f"The posterior is the prior: the KL is at most {value:.1g} nats per weight, so these "
        "weights have learnt nothing from the data."
    )
    cure = "Divide the KL by N. A prior that is trained, or a very wide layer, does it too."
    if not everywhere:
        verdict = "look"
    layers = ", ".join(found)
    return [Finding("collapsed-onto-prior", verdict, text, layers, value, None, "likely", cure)]


def _shrunk(found: dict[str, float], verdict: Verdict) -> list[Finding]:
    if not found:
        return []
    value = max(found.values())
    text = (
        f"The standard deviations have shrunk to {value:.1g} of the prior's: these weights are "
        "point estimates in all but name."
    )
    cure = "Give the KL its weight 1/N, and check the likelihood's noise."
    layers = ", ".join(found)
    return [Finding("scale-shrunk", verdict, text, layers, value, None, "likely", cure)]
