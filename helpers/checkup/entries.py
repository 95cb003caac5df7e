"""The entries of ``losses``: drawn or exact, KLs or other penalties, of the right size."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .case import Case
from .kl_weight import KLWeight
from .posteriors import Posterior
from .report import Finding

tfd = tfp.distributions
DRAWS = 50
SHAPE_CURE = "Make each one event: tfd.Independent(..., reinterpreted_batch_ndims=len(shape))."


def check_monte_carlo(case: Case) -> list[Finding]:
    """Return a note where a KL is drawn although it has a closed form."""
    names = []
    for weight in case.weights:
        values = [_entries(case, weight.posterior.layer, i) for i in (0, 1)]
        drawn = len(values[0]) == len(values[1]) and not np.allclose(
            values[0], values[1], rtol=1e-5
        )
        if values[0].size and drawn and _has_closed_form(weight):
            names.append(weight.posterior.name)
    if not names:
        return []
    text = (
        "The KL in losses is a Monte Carlo estimate, different at each call and at times negative, "
        "though these distributions have a closed form."
    )
    cure = "DenseVariational: kl_use_exact=True. Else tfd.kl_divergence(q, p)."
    return [Finding("monte-carlo-kl", "look", text, ", ".join(dict.fromkeys(names)), cure=cure)]


def _entries(case: Case, layer: Any, index: int) -> Any:
    added = case.evaluations[index].watch.added
    own = [item for item in added if item.layer is layer and not item.of_activity]
    return np.array([float(tf.reduce_sum(item.value)) for item in own])


def _has_closed_form(weight: KLWeight) -> bool:
    posterior = weight.posterior
    if posterior.make is None or posterior.prior() is None:
        return False
    try:
        tfd.kl_divergence(posterior.make(), posterior.prior())
    except Exception:  # noqa: BLE001 (NotImplementedError, or shapes that do not fit)
        return False
    return True


def check_shapes(case: Case) -> list[Finding]:
    """Return an alarm where posterior and prior differ in shape, so that a KL is broadcast."""
    findings = []
    for weight in case.weights:
        posterior = weight.posterior
        if posterior.make is None or posterior.prior() is None or not weight.entries:
            continue
        if not differing_shapes(posterior):
            continue
        found = _broadcast(case, weight, posterior.make(), posterior.prior())
        findings += [] if found is None else [found]
    return findings


def differing_shapes(posterior: Posterior) -> bool:
    """Whether posterior and prior are not the same number of events of the same shape."""
    if posterior.make is None or posterior.prior() is None:
        return False
    q, p = posterior.make(), posterior.prior()
    return bool(q.batch_shape != p.batch_shape or q.event_shape != p.event_shape)


def _broadcast(case: Case, weight: KLWeight, q: Any, p: Any) -> Finding | None:
    """Compare the layer's entry with the KL over all its weights, where the shapes differ."""
    entries = _entries(case, weight.posterior.layer, 0)
    unit = weight.weight / max(sum(weight.shares), 1e-12) if sum(weight.shares) else 1.0
    entry = float(entries.sum()) / (unit * len(entries)) if unit else float("nan")
    kl, error = _drawn_kl(q, p)
    if not np.isfinite(entry) or abs(entry - kl) < 3.5 * error + 0.05 * abs(kl):
        return None
    text = (
        f"Posterior and prior have different shapes: batch {q.batch_shape} and event "
        f"{q.event_shape} against {p.batch_shape} and {p.event_shape}. The densities are "
        f"broadcast: the entry in losses is worth {entry:,.1f} nats where the KL over all weights "
        f"is about {kl:,.1f}."
    )
    name = weight.posterior.name
    return Finding("wrong-shape", "wrong", text, name, entry, kl, "measured", SHAPE_CURE)


def _drawn_kl(q: Any, p: Any) -> tuple[float, float]:
    """Return the KL over all weights and the spread of one draw of it, in nats."""
    w = q.sample(DRAWS)
    log_q, log_p = (_total(d.log_prob(w)) for d in (q, p))
    ratio = log_q - log_p
    return float(ratio.mean()), float(ratio.std())


def _total(log_prob: Any) -> Any:
    return log_prob.numpy().astype(float).reshape(DRAWS, -1).sum(axis=1)


def check_trainable_priors(case: Case) -> list[Finding]:
    """Return a note on priors that training moves."""
    random = [posterior for posterior in case.posteriors if posterior.is_random]
    names = [p.name for p in random if _depends(p.prior, p.variables)]
    if not names:
        return []
    text = (
        "The prior has trainable parameters of its own, so it follows the posterior, and the KL "
        "holds back less than a fixed prior would (empirical Bayes)."
    )
    cure = "Keep the prior fixed, or train one scale for all weights at most."
    return [Finding("trainable-prior", "look", text, ", ".join(dict.fromkeys(names)), cure=cure)]


def _depends(make: Any, variables: list[Any]) -> bool:
    """Whether the distribution changes with a trainable variable."""
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        distribution = make()
        if distribution is None:
            return False
        shape = distribution.batch_shape.concatenate(distribution.event_shape)
        total = tf.reduce_sum(
            distribution.log_prob(tf.fill(shape, tf.cast(0.3, distribution.dtype)))
        )
    gradients = tape.gradient(total, variables)
    pairs = zip(variables, gradients, strict=True)
    return any(v.trainable and g is not None for v, g in pairs)
