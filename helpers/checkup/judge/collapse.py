"""Posteriors that have become the prior, and posteriors without any spread left."""

from ..measure.case import Case
from ..measure.optimizers import was_trained
from ..measure.spread import kl_and_spread
from ..report import Finding, Verdict

COLLAPSED = 2e-3  # nats per weight
SHRUNK = 1e-3  # of the prior's standard deviation


def check_spread(case: Case) -> list[Finding]:
    """Return findings on trained layers at the prior, or with σ near 0."""
    collapsed: dict[str, float] = {}
    shrunk: dict[str, float] = {}
    for posterior in case.posteriors:
        measured = kl_and_spread(posterior)
        if measured is None:
            continue
        nats, ratio = measured
        if nats < COLLAPSED:
            collapsed[posterior.name] = nats
        elif ratio < SHRUNK:
            shrunk[posterior.name] = ratio
    trained = was_trained(case)
    return [*(_collapsed(collapsed, case) if trained else []), *_shrunk(shrunk, trained=trained)]


def _collapsed(found: dict[str, float], case: Case) -> list[Finding]:
    """Judge trained posteriors that are their prior: wrong if it is all of them."""
    if not found:
        return []
    everywhere = len(found) == len({p.name for p in case.posteriors if p.is_random})
    verdict: Verdict = "wrong" if everywhere else "look"
    value = max(found.values())
    text = (
        f"The posterior is the prior: the KL is at most {value:.1g} nats per weight, so these "
        "weights have learnt nothing from the data."
    )
    return [
        Finding(
            kind="collapsed-onto-prior",
            verdict=verdict,
            message=text,
            layer=", ".join(found),
            value=value,
            sure="likely",
            cure="Divide the KL by N. A prior that is trained, or a very wide layer, does it too.",
        )
    ]


def _shrunk(found: dict[str, float], *, trained: bool) -> list[Finding]:
    if not found:
        return []
    value = max(found.values())
    text = (
        f"The standard deviations have shrunk to {value:.1g} of the prior's: these weights are "
        "point estimates in all but name."
    )
    return [
        Finding(
            kind="scale-shrunk",
            verdict="wrong" if trained else "look",
            message=text,
            layer=", ".join(found),
            value=value,
            sure="likely",
            cure="Give the KL its weight 1/N, and check the likelihood's noise.",
        )
    ]
