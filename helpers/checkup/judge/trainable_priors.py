"""Priors that training moves."""

from ...model.measured_scales import MeasuredPosterior
from ...model.weight_posteriors import Posterior
from ..measure.case import Case
from ..measure.prior_variables import is_trained_prior, moves_entry_alone
from ..report import Finding


def _is_trained(case: Case, posterior: Posterior) -> bool:
    """Whether training moves the prior of some weights, seen or told by what its layer adds."""
    if posterior.prior() is not None:
        return is_trained_prior(posterior)
    if not isinstance(posterior, MeasuredPosterior):
        return False
    weights = {id(weight.variable) for weight in case.variables_of_weight.values()}
    return moves_entry_alone(case.network, case.batch.inputs, posterior.layer, weights)


def check_trainable_priors(case: Case) -> list[Finding]:
    """Return a note on priors that training moves."""
    names = [p.name for p in case.posteriors if p.is_random and _is_trained(case, p)]
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
