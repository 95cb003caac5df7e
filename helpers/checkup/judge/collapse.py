"""Posteriors that have become the prior, and posteriors without any spread left.

These verdicts need to know where a posterior started and how long it was trained, and their causes
and cures follow from what else was found: the weight of the KL above all.
"""

from typing import NamedTuple

import numpy as np

from ...model.weight_posteriors import Posterior
from ..measure.case import Case
from ..measure.optimizers import steps_taken
from ..measure.prior_variables import is_trained_prior
from ..measure.pull import Pull, pulls
from ..measure.spread import Spread, measure_spread
from ..measure.start import Start, start_of
from ..report import Finding, Verdict

COLLAPSED = 2e-3  # nats per weight
SHRUNK = 1e-3  # of the prior's standard deviation
STUCK = 1e-3  # of d log σ / dρ, which is about 1 for exp and softplus
FEW_STEPS = 100
MANY_STEPS = 1000
TOO_LIGHT = {"kl-missing", "kl-stale", "layer-lost", "kl-wrong-sign", "kl-frozen-at-trace"}
NATURE = {"not-a-kl"}


class Known(NamedTuple):
    """What is known of one posterior and its training."""

    posterior: Posterior
    spread: Spread
    start: Start | None
    steps: int


def check_spread(case: Case, findings: list[Finding]) -> list[Finding]:
    """Return findings on layers at the prior, and on layers with σ near 0 or that cannot move.

    Parameters
    ----------
    case
        What was measured.
    findings
        All that was found otherwise.
    """
    steps = steps_taken(case)
    every = [Known(p, spread, None, steps) for p in case.posteriors if (spread := _spread(p))]
    odd = [known for known in every if _is_odd(known)]
    odd = [known._replace(start=start_of(known.posterior)) for known in odd]
    stuck = [known for known in odd if _is_stuck(known)]
    shrunk = [k for k in odd if k not in stuck and k.spread.of_prior < SHRUNK]
    collapsed = [k for k in odd if k not in stuck and k not in shrunk and steps > 0]
    pull = pulls(case, [known.posterior for known in shrunk])
    return [
        *_stuck(stuck),
        *_shrunk(shrunk, pull, findings),
        *_collapsed(collapsed, len(every), findings),
    ]


def _spread(posterior: Posterior) -> Spread | None:
    return measure_spread(posterior) if posterior.is_random else None


def _is_odd(known: Known) -> bool:
    spread = known.spread
    return _is_stuck(known) or spread.of_prior < SHRUNK or _is_at_prior(known)


def _is_stuck(known: Known) -> bool:
    """Whether σ has a variable, but not one that moves it; without any another check tells so."""
    return 0 < known.spread.slope < STUCK


def _is_at_prior(known: Known) -> bool:
    """Whether a posterior is a prior that training does not move along."""
    nats = known.spread.nats_per_weight + 5 * known.spread.error
    return nats < COLLAPSED and not is_trained_prior(known.posterior)


def _stuck(found: list[Known]) -> list[Finding]:
    """Judge standard deviations that no step of an optimizer can change."""
    if not found:
        return []
    value = max(known.spread.stddev for known in found)
    slope = max(known.spread.slope for known in found)
    narrow = any(known.spread.of_prior < SHRUNK for known in found)
    fell = [k for k in found if k.start is not None and k.spread.stddev < 0.5 * k.start.stddev]
    where = "They have fallen there" if fell else "They stand there since their start"
    if any(known.start is None for known in found):
        where = "They stand there"
    text = (
        f"The standard deviations, {value:.3g}, cannot move: log σ changes by {slope:.1g} when the "
        f"variable of the scale changes by 1. {where}, and no training, whatever its loss, will "
        "change them."
    )
    cure = (
        "Start the variable of the scale where its transform has a slope, for instance at -3 "
        "before softplus, and look for a constant that is added twice or a floor that is too high."
    )
    return [
        Finding(
            kind="scale-stuck",
            verdict="wrong" if narrow else "look",
            message=text,
            layer=_names(found),
            value=slope,
            expected=1.0,
            cure=cure,
        )
    ]


def _shrunk(found: list[Known], pull: dict[int, Pull], findings: list[Finding]) -> list[Finding]:
    on_their_way = [known for known in found if _is_near_start(known, pull)]
    fallen = [known for known in found if known not in on_their_way]
    held = [] if _too_light(fallen, findings) else [k for k in fallen if _is_held(k, pull)]
    rest = [known for known in fallen if known not in held]
    return [*_narrow(on_their_way), *_held_by_data(held), *_fallen(rest, findings)]


def _is_held(known: Known, pull: dict[int, Pull]) -> bool:
    """Whether the data keep σ where it is, against a KL that would raise it."""
    found = pull.get(id(known.posterior))
    return found is not None and not found.is_up and found.by_kl > 0


def _held_by_data(found: list[Known]) -> list[Finding]:
    if not found:
        return []
    value = max(known.spread.of_prior for known in found)
    text = (
        f"The standard deviations are {value:.1g} of the prior's, and the data hold them there "
        "against the KL: under a vague prior, or from precise data, they are. A noise that is too "
        "small does that too."
    )
    return [
        Finding(
            kind="scale-shrunk",
            verdict="look",
            message=text,
            layer=_names(found),
            value=value,
            sure="possible",
            cure="See whether the noise of the likelihood is that of the data, in their unit.",
        )
    ]


def _is_near_start(known: Known, pull: dict[int, Pull]) -> bool:
    """Whether σ is small because it began so: untrained, hardly moved, or still growing."""
    if known.steps == 0:
        return True
    if known.start is not None:
        return known.spread.stddev > 0.5 * known.start.stddev
    found = pull.get(id(known.posterior))
    return found is not None and found.is_up


def _narrow(found: list[Known]) -> list[Finding]:
    if not found:
        return []
    value, steps = max(known.spread.of_prior for known in found), found[0].steps
    when = f"After {steps:,} steps" if steps else "Before any training"
    text = (
        f"A narrow start: {when} the standard deviations are {value:.1g} of the prior's, as they "
        "began, or still growing from there. As long as they are, these weights are point "
        "estimates in all but name."
    )
    return [
        Finding(
            kind="narrow-start",
            verdict="look",
            message=text,
            layer=_names(found),
            value=value,
            sure="likely",
            cure="Start wider (TFP's default σ is 0.05), or train until they stand still.",
        )
    ]


def _fallen(found: list[Known], findings: list[Finding]) -> list[Finding]:
    if not found:
        return []
    value, names = max(known.spread.of_prior for known in found), _names(found)
    text = (
        f"The standard deviations have shrunk to {value:.1g} of the prior's: these weights are "
        "point estimates in all but name."
    )
    if light := _too_light(found, findings):
        text += f" That is what the finding {light} does: nothing, or too little, holds them."
        cure = f"The cure of {light}, then train again."
    else:
        text += " The weight of the KL does not explain it."
        cure = (
            "Look at the likelihood: a noise that is too small, or a data term in the wrong unit, "
            "leaves the weights no freedom. If it is right, the data are that precise."
        )
    return [
        Finding(
            kind="scale-shrunk",
            verdict="wrong",
            message=text,
            layer=names,
            value=value,
            sure="likely",
            cure=cure,
        )
    ]


def _too_light(found: list[Known], findings: list[Finding]) -> str | None:
    """Return the kind of a finding by which the KL of these layers weighs too little."""
    for finding in findings:
        if finding.verdict != "wrong" or not _concerns(finding, found):
            continue
        if finding.kind in TOO_LIGHT | NATURE:
            return finding.kind
        light = finding.expected and finding.value is not None
        if finding.kind == "kl-wrong-count" and light and _ratio(finding) < 0.5:
            return finding.kind
    return None


def _too_heavy(found: list[Known], findings: list[Finding]) -> str | None:
    """Return the kind of a finding by which the KL of these layers weighs too much."""
    for finding in findings:
        if finding.kind in ("kl-not-scaled", "kl-wrong-count", "kl-counted-twice") and (
            _concerns(finding, found) and _ratio(finding) > 1.5
        ):
            return finding.kind
    return None


def _ratio(finding: Finding) -> float:
    if finding.value is None or not finding.expected:
        return float("nan")
    return finding.value / finding.expected


def _concerns(finding: Finding, found: list[Known]) -> bool:
    named = set((finding.layer or "").split(", "))
    return finding.layer is None or any(known.posterior.name in named for known in found)


def _collapsed(found: list[Known], number: int, findings: list[Finding]) -> list[Finding]:
    """Judge trained posteriors that are their prior: wrong if it is all of them."""
    still = [known for known in found if _may_be_start(known)]
    moved = [known for known in found if known not in still]
    return [*_at_start(still), *_became_prior(moved, number, findings)]


def _may_be_start(known: Known) -> bool:
    """Whether a posterior is at its prior because it began there, as far as can be known."""
    if known.start is None or not np.isfinite(known.start.nats_per_weight):
        return known.steps < FEW_STEPS
    return known.start.nats_per_weight < 2 * COLLAPSED and known.steps < MANY_STEPS


def _at_start(found: list[Known]) -> list[Finding]:
    if not found:
        return []
    steps = found[0].steps
    text = (
        f"The posterior is the prior, as it was at the start: after {steps:,} "
        f"{'step' if steps == 1 else 'steps'} that says nothing yet."
    )
    return [
        Finding(
            kind="collapsed-onto-prior",
            verdict="look",
            message=text,
            layer=_names(found),
            value=_largest(found),
            sure="possible",
            cure="Train on, and check again.",
        )
    ]


def _became_prior(found: list[Known], number: int, findings: list[Finding]) -> list[Finding]:
    if not found:
        return []
    verdict: Verdict = "wrong" if len(found) == number else "look"
    value, steps = _largest(found), found[0].steps
    text = (
        f"After {steps:,} steps the posterior is the prior: the KL is at most {value:.1g} nats per "
        "weight, so these weights have learnt nothing from the data."
    )
    if heavy := _too_heavy(found, findings):
        text += f" That is what the finding {heavy} does."
        cure = f"The cure of {heavy}, then train again from the start."
    else:
        text += " The weight of the KL does not explain it."
        cure = (
            "See whether the data say anything about these weights: a noise that is too large, a "
            "very wide layer, units that are off, or targets without a pattern all do this."
        )
    return [
        Finding(
            kind="collapsed-onto-prior",
            verdict=verdict,
            message=text,
            layer=_names(found),
            value=value,
            sure="likely",
            cure=cure,
        )
    ]


def _largest(found: list[Known]) -> float:
    return max(known.spread.nats_per_weight for known in found)


def _names(found: list[Known]) -> str:
    return ", ".join(dict.fromkeys(known.posterior.name for known in found))
