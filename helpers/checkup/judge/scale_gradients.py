"""Scales of posteriors that no gradient of the data term can shape."""

import numpy as np

from ...model.weight_posteriors import Posterior, has_fixed_scale
from ..measure.case import Case
from ..measure.scale_variables import reaches_outputs, scale_variables
from ..report import Finding


def check_scale_gradients(case: Case) -> list[Finding]:
    """Return an alarm for each layer whose outputs do not depend on its posterior's scales."""
    random = [p for p in case.posteriors if p.is_random and case.is_inside(p)]
    still = [p for p in random if not reaches_outputs(case, scale_variables(p))]
    fixed = [p for p in still if has_fixed_scale(p)]
    lost = [p.name for p in still if p not in fixed]
    passed_over = [p.name for p in random if p not in still and _is_passed_over(p, case)]
    return [*_of_constants(fixed), *_of_lost(lost), *_of_passed_over(passed_over)]


def _is_passed_over(posterior: Posterior, case: Case) -> bool:
    """Whether a step differentiates by the means of a posterior, but not by its scales."""
    taken = case.evaluations[0].watch.differentiated
    scales = {id(variable) for variable in scale_variables(posterior)}
    others = {id(variable) for variable in posterior.variables} - scales
    return bool(scales and others & taken) and not scales & taken


def _of_constants(found: list[Posterior]) -> list[Finding]:
    """Return the note on standard deviations that are constants, without a variable beside them."""
    if not found:
        return []
    made = [posterior.make() for posterior in found if posterior.make is not None]
    values = sorted({float(f"{np.max(q.stddev()):.3g}") for q in made})
    text = (
        f"The standard deviations are constants ({', '.join(map(str, values))}): only the means "
        "are learnt. That is right if you chose them so."
    )
    cure = (
        "For standard deviations that are learnt too, take "
        "tfp.layers.default_mean_field_normal_fn()."
    )
    return [
        Finding(
            kind="no-scale-gradient",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(p.name for p in found)),
            sure="measured",
            cure=cure,
        )
    ]


def _of_passed_over(names: list[str]) -> list[Finding]:
    """Return the alarm for standard deviations that a step leaves where they started."""
    if not names:
        return []
    text = (
        "The step takes the gradient by the posterior means, but not by the variables of the "
        "standard deviations, so these stay where they started."
    )
    cure = (
        "Differentiate by network.trainable_variables, all of them, and hand the gradients to "
        "optimizer.apply_gradients."
    )
    return [_alarm(names, text, cure)]


def _of_lost(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "No variable of the posterior's scale reaches the outputs, so no gradient of the data term "
        "can shape the standard deviations."
    )
    cure = (
        "Draw the weights in every call (kernel_posterior_tensor_fn=lambda d: d.sample()), and "
        "compute the scale from its variable inside the call, or with "
        "tfp.util.TransformedVariable."
    )
    return [_alarm(names, text, cure)]


def _alarm(names: list[str], text: str, cure: str) -> Finding:
    return Finding(
        kind="no-scale-gradient",
        verdict="wrong",
        message=text,
        layer=", ".join(dict.fromkeys(names)),
        value=0.0,
        sure="measured",
        cure=cure,
    )
