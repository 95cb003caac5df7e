"""A factor of the KL that changes: with a variable, as in a warm-up, or from call to call.

What is wrong now may be right later, and what is right on average over an epoch is right.
"""

import dataclasses

import numpy as np

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..measure.kl_schedule import Schedule
from ..measure.weight_variable import WeightVariable
from ..report import Finding
from .kl_right import right_factor

FIXED = {"layer-lost", "kl-counted-twice", "kl-wrong-sign", "wrong-shape", "not-a-kl"}
ABOVE = 1.01  # times the right weight; less is rounding
MOST_BATCHES = 60  # beyond, 2^M - 1 is 2^M in the precision of floating numbers
FROM_BELOW = (
    "Let the weight go up to the value with which the KL weighs 1/N beside a mean NLL, and no "
    "further."
)
AT_EVERY_STEP = "Add KL/N at every step; at every k-th step alone it must be k times as much."
HALVING = "2^(M-i) / (2^M - 1) for batch i of M"


def beside_variable(finding: Finding, weight: WeightVariable, *, is_trained: bool) -> Finding:
    """Turn an alarm on the factor into a note: it is a variable, so it will change.

    Parameters
    ----------
    finding
        What is to be said of the factor as it is now.
    weight
        The variable that this KL is multiplied by.
    is_trained
        Whether the optimizer moves it: then no value is right, since it will not stay.
    """
    if finding.kind in FIXED:
        return finding
    if is_trained:
        return _trained(finding, weight)
    if finding.verdict == "right":
        return finding
    if finding.verdict == "wrong" and _is_above(finding):
        return _too_high(finding, weight)
    now = _as_it_stands(finding)
    text = (
        f"The KL is multiplied by a variable, now {weight.value:.4g}: a warm-up, or a weight for "
        f"each batch. A warm-up must end at the right value{_end(finding, weight)}; weights of "
        f"batches, such as {HALVING}, must be right on average. As it stands: {now}"
    )
    cure = (
        "Let a callback assign the final value before training ends, such that the KL weighs 1/N "
        "beside a mean NLL, and check the trained network again."
    )
    return dataclasses.replace(
        finding,
        kind="kl-weight-variable",
        verdict="look",
        message=text,
        sure="measured",
        cure=cure,
    )


def _as_it_stands(finding: Finding) -> str:
    return "the KL has no weight." if finding.kind == "kl-missing" else finding.message


def _is_above(finding: Finding) -> bool:
    """Whether a weight is larger than the right one, which no warm-up passes."""
    if finding.value is None or not finding.expected:
        return False
    return finding.value > ABOVE * finding.expected > 0


def _too_high(finding: Finding, weight: WeightVariable) -> Finding:
    """Return the alarm for a variable whose weight is above the right one."""
    text = (
        f"{finding.message} It is multiplied by a variable, now {weight.value:.4g}; a warm-up must "
        f"end at the right value{_end(finding, weight)} and come from below."
    )
    return dataclasses.replace(finding, message=text, cure=FROM_BELOW)


def _trained(finding: Finding, weight: WeightVariable) -> Finding:
    """Return the alarm for a weight that makes the loss smaller by becoming smaller itself."""
    text = (
        f"The KL is multiplied by a variable that is trained, {weight.variable.name}, now "
        f"{weight.value:.4g}: the loss falls as it falls, so the optimizer moves it below 0, where "
        "the KL is rewarded."
    )
    return Finding(
        kind="kl-weight-variable",
        verdict="wrong",
        message=text,
        value=finding.value,
        expected=finding.expected,
        sure="measured",
        cure="Keep it out of the training: tf.Variable(1 / N, trainable=False).",
    )


def _end(finding: Finding, weight: WeightVariable) -> str:
    if not np.isfinite(weight.slope) or not finding.expected or weight.slope == 0:
        return ""
    return f" (the KL weighs 1/N where it holds {finding.expected / weight.slope:.3g})"


def at_the_end(now: Finding, final: Finding, weight: WeightVariable) -> Finding:
    """Return the finding on a weight that follows a counter.

    Parameters
    ----------
    now, final
        What is to be said of the weight where the counter stands, and where it is far on.
    weight
        The counter.
    """
    if final.verdict == "right" and now.verdict == "right":
        return final
    if final.verdict == "right" and _is_above(now):
        text = f"{now.message} It follows a counter and ends at the right value, but from above."
        return dataclasses.replace(now, message=text, cure=FROM_BELOW)
    if final.verdict == "right":
        text = (
            f"The weight of the KL follows a counter, now {weight.value:.4g}, as in a warm-up. Far "
            f"on, where it has come to its end, it is right{_end(now, weight)}. As it stands: "
            f"{_as_it_stands(now)}"
        )
        return dataclasses.replace(
            now, kind="kl-weight-variable", verdict="look", message=text, sure="measured", cure=""
        )
    text = (
        f"The weight of the KL follows a counter, now {weight.value:.4g}. Far on, where it has "
        f"come to its end: {final.message}"
    )
    cure = f"Let it end at the right value. {final.cure}" if final.cure else ""
    return dataclasses.replace(final, message=text, cure=cure)


def without_end(now: Finding, schedule: Schedule) -> Finding:
    """Return the finding on a weight that follows a counter and never stands still."""
    if schedule.course == "grows":
        text = "The weight of the KL grows with a counter, without an end, beyond the right value."
        cure = "Cut it off: tf.minimum(1.0, steps / steps_of_the_warm_up) times the right weight."
        return dataclasses.replace(
            now,
            kind="kl-wrong-count",
            verdict="wrong",
            message=text,
            sure="measured",
            cure=cure,
        )
    text = (
        "The weight of the KL follows a counter and differs from step to step, far on too; what it "
        "is on average was not measured."
    )
    return dataclasses.replace(
        now, kind="kl-weight-variable", verdict="unknown", message=text, cure=AT_EVERY_STEP
    )


def from_call_to_call(factor: KLFactor, case: Case, schedule: Schedule | None) -> Finding:
    """Return the finding on a factor that is another number in every evaluation."""
    numbers = ", ".join(f"{value:.3g}" for value in factor.by_call[:4])
    if schedule is not None and schedule.course == "frozen":
        return _frozen(numbers, right_factor(case))
    ratios = [b / a for a, b in zip(factor.by_call, factor.by_call[1:], strict=False) if a]
    text = f"The weight of the KL changes from call to call: {numbers}."
    if not all(factor.by_call):
        return _at_some_steps(text, right_factor(case))
    if schedule is not None and schedule.course == "differs":
        return _at_random(text, right_factor(case))
    if any(abs(ratio - 0.5) < 0.01 for ratio in ratios):
        text += (
            f" It halves, as the weights {HALVING} do, which add up to 1 over an epoch: right "
            "beside a sum over the batch if they are these."
        )
    elif _passes(factor, case):
        return Finding(
            kind="kl-wrong-count",
            verdict="wrong",
            message=f"{text} It is above the right value, {right_factor(case):.3g}, already.",
            value=max(factor.by_call),
            expected=right_factor(case),
            sure="measured",
            cure=FROM_BELOW,
        )
    else:
        text += (
            " A warm-up by a counter of Python does that; it must end at the right value, "
            f"{right_factor(case):.3g} beside a mean, and whether it does was not measured."
        )
    return Finding(
        kind="kl-weight-variable",
        verdict="look",
        message=text,
        expected=right_factor(case),
        sure="likely",
        cure="See that the weights are right on average over an epoch, or at the end.",
    )


def _passes(factor: KLFactor, case: Case) -> bool:
    """Whether a factor that changes from call to call passes the right one, beside a mean."""
    is_mean = case.data.is_identified and not case.data.is_sum
    slope = case.data.slope if is_mean else float("nan")
    return bool(max(factor.by_call) > ABOVE * abs(slope) * right_factor(case))


def _frozen(numbers: str, right: float) -> Finding:
    text = (
        f"Python changes the weight of the KL from call to call ({numbers}), but the step is "
        "compiled: TensorFlow runs this code once, when it traces the step, and the weight stays "
        "what it was then."
    )
    return Finding(
        kind="kl-frozen-at-trace",
        verdict="wrong",
        message=text,
        expected=right,
        sure="measured",
        cure=(
            "Keep what counts in a tf.Variable, such as optimizer.iterations, and compute the "
            "weight from it with TensorFlow's functions."
        ),
    )


def _at_random(text: str, right: float) -> Finding:
    text += " Random numbers do that, and what it weighs on average was not measured."
    return Finding(
        kind="kl-weight-variable",
        verdict="unknown",
        message=text,
        expected=right,
        cure=AT_EVERY_STEP,
    )


def _at_some_steps(text: str, right: float) -> Finding:
    """Return that a KL which some steps leave out has an average that is not known here."""
    text += " Some steps leave it out, and what it weighs on average was not measured."
    return Finding(
        kind="kl-weight-variable",
        verdict="unknown",
        message=text,
        expected=right,
        cure=AT_EVERY_STEP,
    )


def halving(factor: KLFactor, case: Case) -> Finding | None:
    """Return that a number may be one of the weights that halve from batch to batch; None if not.

    One evaluation cannot know whether it does halve: the number may stand still, as in ``fit`` it
    does. A plain power of 1/2 is more often a batch size that divides the KL.
    """
    if case.objective.kind == "fit":
        return None
    batch, n = case.setup.batch_size, case.setup.num_examples
    value = factor.value
    if not case.data.is_sum:
        if not batch or abs(factor.value_twice / value - 1) > 0.01:
            value *= case.batch.size if abs(factor.value_twice / value - 0.5) < 0.01 else np.nan
        else:
            value *= batch
    elif abs(factor.value_twice / factor.value - 1) > 0.01:
        return None
    sizes = [round(n / batch)] if batch else range(2, min(max(3, n // 2), MOST_BATCHES))
    place = next((found for m in sizes if (found := _place(value, m)) is not None), None)
    if place is None:
        return None
    i, batches = place
    text = (
        f"The KL weighs {value:.4g} beside the sum over a batch. That is {HALVING} at i = {i}, M = "
        f"{batches:,}: right if the weight halves from batch to batch so that the weights of an "
        "epoch add up to 1, wrong if it stays what it is."
    )
    return Finding(
        kind="kl-weight-variable",
        verdict="unknown",
        message=text,
        value=float(f"{factor.value:.4g}"),
        sure="possible",
        cure=(
            "If it stays, weigh the KL by 1/M beside the sum over a batch. If it halves, keep it "
            "in a tf.Variable, trainable=False."
        ),
    )


def _place(value: float, batches: int) -> tuple[int, int] | None:
    """Return (i, M) if a number is 2^(M-i) / (2^M - 1), None if not."""
    if batches < 2 or not value > 0:
        return None
    i = round(-np.log2(value) - np.log2(1 - 2.0**-batches))
    wanted = 2.0**-i / (1 - 2.0**-batches)
    is_plain = abs(value * 2.0**i - 1) < 1e-3
    fits = 1 <= i <= batches and abs(value / wanted - 1) < 1e-3
    return (i, batches) if fits and not is_plain else None
