"""A KL that stands in the objective within a function that bends, in place of times a number."""

import numpy as np

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..measure.smaller_kl import shares_of_smaller
from ..report import Finding
from .kl_right import divisor, right_factor

SAME = 0.01  # of the larger share


def check_linear(case: Case) -> list[Finding]:
    """Return alarms on KLs of ``losses`` that weigh less, or more, where they are smaller.

    Maxima (free bits), absolute differences (a capacity), roots (some PAC-Bayes bounds) and weights
    that are computed from the KL itself do that; an ELBO does not.
    """
    felt = [f for f in case.factors if any(f.shares) and not f.changes]
    if case.objective.kind not in ("own", "step") or not felt:
        return []
    now, smaller = shares_of_smaller(case)
    if len(now) != len(smaller):
        return []
    bent = np.abs(now - smaller) > SAME * np.maximum(np.abs(now), np.abs(smaller))
    groups: dict[tuple[float, float], list[KLFactor]] = {}
    for factor in felt:
        for place in _places(factor, case)[:1]:
            if bent[place]:
                key = float(f"{now[place]:.4g}"), float(f"{smaller[place]:.4g}")
                groups.setdefault(key, []).append(factor)
    return [_bends(factors, *shares, case) for shares, factors in groups.items()]


def _places(factor: KLFactor, case: Case) -> list[int]:
    """Return which entries the layer of a posterior adds."""
    return [i for i, item in enumerate(case.added) if item.layer is factor.posterior.layer]


def _bends(factors: list[KLFactor], now: float, smaller: float, case: Case) -> Finding:
    """Return the alarm, with the share of an entry now and where all are a hundredth."""
    text = (
        "The KL does not stand in the objective times a number. Its entry in losses counts "
        f"{now:.4g} times, and {smaller:.4g} times where all entries are a hundredth of what they "
        "are: a maximum (free bits), an absolute difference, a root or a power of the KL, or a "
        "weight that is computed from it. Such an objective is no ELBO."
    )
    return Finding(
        kind="not-a-kl",
        verdict="wrong",
        message=text,
        layer=", ".join(dict.fromkeys(factor.posterior.name for factor in factors)),
        value=factors[0].value,
        expected=right_factor(case),
        sure="measured",
        cure=f"Add each entry as it is, so that the KL weighs 1/{divisor(case):.6g}, no more.",
    )
