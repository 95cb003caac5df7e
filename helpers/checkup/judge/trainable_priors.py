"""Priors that training moves."""

from ..measure.case import Case
from ..measure.prior_variables import is_trained_prior
from ..report import Finding


def check_trainable_priors(case: Case) -> list[Finding]:
    """Return a note on priors that training moves."""
    names = [p.name for p in case.posteriors if p.is_random and is_trained_prior(p)]
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
