"""Outputs that cannot reach the targets, or that no training moves."""

import numpy as np

from ..measure.case import Case
from ..measure.other_entries import layers_with_unknown_entries
from ..measure.outside_support import outside_support
from ..measure.reach import Reach, reaches
from ..measure.seen_outputs import seen_outputs
from ..measure.still_outputs import is_unused, still_columns
from ..report import Finding, Verdict

FAR = 0.25  # standard deviations of the targets; a gap below it may be noise
CLASS_GAP = 0.02  # of a probability


def check_reach(case: Case) -> list[Finding]:
    """Return alarms for means out of reach of the targets, and for a noise with a bound."""
    if not case.bayesian_layers or case.objective.kind == "losses":
        return []
    if outside_support(case):  # what cuts the mean off is the distribution, not an activation
        return []
    found = []
    for reach in reaches(case):
        found += [*_of_means(reach), *_of_noise(reach)]
    return found


def check_still(case: Case) -> list[Finding]:
    """Return an alarm for outputs of which no weight feels the data."""
    if not case.bayesian_layers or case.objective.kind == "losses":
        return []
    seen = seen_outputs(case)
    columns = still_columns(case)
    if not columns or (any(out.is_drawn for out in seen) and not case.data.is_identified):
        return []
    if columns == [-1] and layers_with_unknown_entries(case):
        return []  # the data term may stand among them, by add_loss
    if any(head.role == "misread" for head in case.data.heads):
        return []  # logits below 0 stand still because they are cut off as probabilities
    if columns == [-1] and _is_number_of_python(case):
        text = "What your function returns has no gradient, so that nothing is trained."
        cure = "Return the tensor itself, without float(), .numpy() and NumPy's functions."
        return [Finding(kind="outputs-cut-off", verdict="wrong", message=text, cure=cure)]
    text = (
        f"Output {', '.join(map(str, columns))} of the last layer (counted from 0) cannot move: "
        "for no row of the batch does the data term change with it, so its gradient is 0."
        if columns != [-1]
        else "No weight feels the data: the gradient of the data term is exactly 0."
    )
    cure = (
        "Take the activation off the last layer (a ReLU gives 0 on the left, and no way back); "
        "keep what must be positive positive by tf.nn.softplus inside the distribution."
    )
    if columns != [-1] and is_unused(case):
        cure = (
            "No activation cuts it off, so the loss does not use it: leave the unit out, or take "
            "it up in the distribution."
        )
    return [Finding(kind="outputs-cut-off", verdict="wrong", message=text, cure=cure)]


def _is_number_of_python(case: Case) -> bool:
    """Whether a reader's own objective is felt by no variable at all, the KL included."""
    return case.objective.kind == "own" and not any(
        case.gradient(variable) is not None for variable in case.variables if variable.trainable
    )


def _of_means(reach: Reach) -> list[Finding]:
    """Judge a mean, or a probability, that cannot come near some targets."""
    mean, targets = reach.mean, reach.targets
    classes = np.isin(targets, (0.0, 1.0)).all() and 0 <= mean.low <= mean.high <= 1
    limit = CLASS_GAP if classes else FAR * float(targets.std())
    below = mean.ends_low and mean.low - targets.min() > limit
    above = mean.ends_high and targets.max() - mean.high > limit
    bounds = []
    if below:
        bounds.append(f"below {_number(mean.low)}, while targets go down to {targets.min():.4g}")
    if above:
        bounds.append(f"above {_number(mean.high)}, while targets go up to {targets.max():.4g}")
    if not bounds:
        return []
    out = (targets < mean.low) & mean.ends_low | (targets > mean.high) & mean.ends_high
    name = reach.output.activation
    by = "" if name in ("", "linear") else f" by {name}"
    text = (
        f"The {'probability' if classes else 'mean'} that the network puts out{_as(reach)} is cut "
        f"off{by}: "
        f"whatever the weights are, it never comes {' and never '.join(bounds)} "
        f"({np.mean(out):.0%} of the targets are out of reach)."
    )
    cure = (
        "Take the activation off the layer that puts out the mean (or the logits); only a noise "
        "must be positive: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:]))."
    )
    return [
        Finding(
            kind="outputs-cut-off",
            verdict="wrong",
            message=text,
            value=mean.low if below else mean.high,
            expected=float(targets.min() if below else targets.max()),
            sure="measured",
            cure=cure,
        )
    ]


def _of_noise(reach: Reach) -> list[Finding]:
    """Judge a noise that is learned, but has a bound of the size of the targets' spread."""
    noise, spread = reach.noise, float(reach.targets.std())
    if noise is None or not spread:
        return []
    too_high = noise.ends_low and noise.low > 0.3 * spread
    if not too_high and not (noise.ends_high and noise.high < 10 * spread):
        return []
    verdict: Verdict = "wrong" if too_high else "look"
    side, bound = ("below", noise.low) if too_high else ("above", noise.high)
    text = (
        f"The noise that the network puts out{_as(reach)} cannot go {side} {_number(bound)}, "
        f"whatever the weights are; the targets' standard deviation is {spread:.4g}."
    )
    cure = (
        "Take the activation off the layer before the distribution, and make the noise positive "
        "once: 1e-3 + tf.nn.softplus(t[..., 1:]). Where that stands already, train on targets in "
        "another unit, (targets - targets.mean()) / targets.std()."
    )
    return [
        Finding(
            kind="outputs-cut-off",
            verdict=verdict,
            message=text,
            value=bound,
            sure="measured",
            cure=cure,
        )
    ]


def _as(reach: Reach) -> str:
    return f" as {reach.output.name}" if reach.output.name else ""


def _number(value: float) -> str:
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}"
