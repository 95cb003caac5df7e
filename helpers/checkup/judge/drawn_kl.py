"""A KL that is drawn although it has a closed form."""

import numpy as np
import tensorflow_probability as tfp

from ...model.weight_posteriors import Posterior
from ..measure.case import Case
from ..report import Finding

tfd = tfp.distributions


def check_monte_carlo(case: Case) -> list[Finding]:
    """Return a note where a KL is drawn although it has a closed form."""
    posteriors = [factor.posterior for factor in case.factors if not factor.counted]
    names = [p.name for p in posteriors if is_drawn(case, p) and _has_closed_form(p)]
    if not names:
        return []
    text = (
        "The KL in losses is a Monte Carlo estimate, different at each call and at times negative, "
        "though these distributions have a closed form."
    )
    return [
        Finding(
            kind="monte-carlo-kl",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            cure="DenseVariational: kl_use_exact=True. Else tfd.kl_divergence(q, p).",
        )
    ]


def is_drawn(case: Case, posterior: Posterior) -> bool:
    """Whether the layer's entries differ between two evaluations."""
    first, second = (case.entries_of(posterior.layer, evaluation) for evaluation in (0, 1))
    if not first.size or len(first) != len(second):
        return False
    return not np.allclose(first, second, rtol=1e-5)


def _has_closed_form(posterior: Posterior) -> bool:
    if posterior.make is None or posterior.prior() is None:
        return False
    try:
        tfd.kl_divergence(posterior.make(), posterior.prior())
    except Exception:  # noqa: BLE001 (NotImplementedError, or shapes that do not fit)
        return False
    return True
