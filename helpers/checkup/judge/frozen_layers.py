"""Layers that are not trained and still pay for their KL."""

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..measure.scale_variables import scale_variables
from ..report import Finding
from .kl_missing import is_zero


def check_frozen(case: Case) -> list[Finding]:
    """Return a note on layers that are not trained and still pay for their KL."""
    trained = {id(v) for v in getattr(case.network, "trainable_variables", ())}
    outside = [posterior for posterior in case.posteriors if not case.is_inside(posterior)]
    trained |= {id(v) for posterior in outside for v in posterior.layer.trainable_variables}
    if taken := case.evaluations[0].watch.differentiated:
        trained &= taken
    names = [
        f.posterior.name
        for f in case.factors
        if not is_zero(f, case) and _pays_untrained(f, trained)
    ]
    if not names:
        return []
    text = (
        "The posterior is not among the variables that are trained, yet its KL is still in what "
        "is minimised: a constant that training cannot lower."
    )
    return [
        Finding(
            kind="frozen-layer",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
        )
    ]


def _pays_untrained(factor: KLFactor, trained: set[int]) -> bool:
    has_scale = bool(scale_variables(factor.posterior))
    is_still = not any(id(variable) in trained for variable in factor.posterior.variables)
    return has_scale and factor.value > 0 and is_still
