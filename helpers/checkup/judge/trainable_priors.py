"""Priors that training moves."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from ..measure.case import Case
from ..report import Finding


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
    return [
        Finding(
            kind="trainable-prior",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            cure="Keep the prior fixed, or train one scale for all weights at most.",
        )
    ]


def _depends(make: Callable[[], Any], variables: list[Any]) -> bool:
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
