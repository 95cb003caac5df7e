"""What is to be said of the KL of each layer's weights: its shape first, then its factor."""

import dataclasses
from typing import Any

import numpy as np

from ...model.entry_units import differ_in_shape
from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..measure.kl_schedule import Schedule
from ..measure.scale_variables import reaches_outputs, scale_variables
from ..report import Finding
from .kl_beside_data import beside_data_term
from .kl_frozen import check_traced
from .kl_in_losses import judge_entries
from .kl_linear import check_linear
from .kl_missing import is_blurred, is_zero, missing, not_called
from .kl_warm_up import at_the_end, beside_variable, from_call_to_call, halving, without_end
from .not_a_kl import check_entries, is_no_kl, without_plateau
from .wrong_shape import CURE as SHAPE_CURE
from .wrong_shape import check_shapes

SAME = 3e-3  # factors that differ by less are the same


def check_shapes_and_weights(case: Case) -> list[Finding]:
    """Return what is to be said of each KL: its shape first, then its factor."""
    before = [*check_shapes(case), *check_traced(case), *check_linear(case)]
    judged = {name for finding in before for name in (finding.layer or "").split(", ")}
    left = [f for f in case.factors if f.posterior.name not in judged]
    left = [factor for factor in left if not is_no_kl(factor, case)]
    return [*before, *check_entries(case), *_grouped(left, case)]


def _grouped(factors: list[KLFactor], case: Case) -> list[Finding]:
    """Return one finding for each different fate of a KL, naming the layers that share it."""
    groups: dict[Finding, list[str]] = {}
    for factor in _snapped(factors):
        if np.isfinite(factor.value) and not _without_scale(factor, case):
            groups.setdefault(_judge(factor, case), []).append(factor.posterior.name)
    return [
        dataclasses.replace(finding, layer=", ".join(dict.fromkeys(names)))
        for finding, names in groups.items()
    ]


def _snapped(factors: list[KLFactor]) -> list[KLFactor]:
    """Give factors that differ by rounding errors only the same digits."""
    seen: list[float] = []
    snapped = []
    for factor in factors:
        near = [value for value in seen if abs(factor.value - value) < SAME * abs(value)]
        value = near[0] if near else factor.value
        seen.append(value)
        snapped.append(dataclasses.replace(factor, value=value))
    return snapped


def _without_scale(factor: KLFactor, case: Case) -> bool:
    """Whether the KL is felt, but not through a scale that any data could shape."""
    felt = any(factor.shares) and is_zero(factor, case)
    return felt and not reaches_outputs(case, scale_variables(factor.posterior))


def _judge(factor: KLFactor, case: Case) -> Finding:
    """Return what one factor means, in the words of its part and its shape."""
    schedule = case.schedules.get(id(factor.posterior))
    if factor.changes:
        return from_call_to_call(factor, case, schedule)
    if is_blurred(factor, case):
        return _blurred(factor, case)
    if not factor.has_plateau:
        return without_plateau(factor)
    if schedule is not None:
        return _of_part(_followed(factor, schedule, case), factor)
    found = _of_part(_of_factor(factor, case), factor)
    weight = case.variables_of_weight.get(id(factor.posterior))
    if weight is not None:
        found = beside_variable(found, weight, is_trained=_is_trained(weight.variable, case))
    if found.verdict == "wrong" and factor.entries and differ_in_shape(factor.posterior):
        return _of_shape(found)
    return found


def _followed(factor: KLFactor, schedule: Schedule, case: Case) -> Finding:
    """Return what a weight means that follows a counter: it counts what it is at the end."""
    now = _of_factor(factor, case)
    if schedule.end is None:
        return without_end(now, schedule)
    final = _of_factor(schedule.end, case)
    return at_the_end(now, final, case.variables_of_weight[id(factor.posterior)])


def _is_trained(variable: Any, case: Case) -> bool:
    return any(one is variable for one in case.network.trainable_variables)


def _blurred(factor: KLFactor, case: Case) -> Finding:
    """Return that a weight could not be told, since draws blur it."""
    low, high = factor.value - factor.error, factor.value + factor.error
    n = case.setup.num_examples
    text = (
        f"The weight of the KL could not be told: it lies between {low * n:.3g} and {high * n:.3g} "
        "times 1/N. Its entries are drawn, and a floor under the standard deviations keeps the "
        "draws from standing still."
    )
    return Finding(
        kind="not-checked",
        verdict="unknown",
        message=text,
        sure="possible",
        cure="Take the closed form (DenseVariational: kl_use_exact=True), at least for the check.",
    )


def _of_factor(factor: KLFactor, case: Case) -> Finding:
    """Return what the factor of one posterior's KL means."""
    if case.objective.kind == "losses":
        return judge_entries(factor, case)
    if is_zero(factor, case):
        return missing(factor, case) if factor.calls else not_called(case)
    found = beside_data_term(factor, case)
    if found.kind in ("kl-wrong-count", "kl-not-scaled") and found.verdict == "wrong":
        return halving(factor, case) or found
    return found


def _of_part(found: Finding, factor: KLFactor) -> Finding:
    """Say in the words of the bias what concerns a bias."""
    if factor.posterior.part != "bias" or found.verdict == "right":
        return found
    cure = found.cure.replace("kernel_divergence_fn", "bias_divergence_fn")
    text = f"This is about the bias. {found.message}"
    if found.kind == "kl-missing" and factor.posterior.prior() is None:
        text = "The bias has a posterior but no prior, so it has no KL and nothing holds it."
        cure = "Give bias_prior_fn too, for instance tfp.layers.default_multivariate_normal_fn."
    return dataclasses.replace(found, message=text, cure=cure)


def _of_shape(found: Finding) -> Finding:
    """Give a wrong factor its cause where posterior and prior differ in shape."""
    text = (
        "Posterior and prior have different shapes, so their densities are broadcast. "
        + found.message
    )
    return dataclasses.replace(
        found, kind="wrong-shape", message=text, sure="measured", cure=SHAPE_CURE
    )
