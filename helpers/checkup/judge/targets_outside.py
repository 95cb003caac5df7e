"""Targets that the likelihood cannot give: one among thousands is enough to make the loss NaN."""

from typing import Any

import numpy as np
import tensorflow as tf

from ...model.heads import arrange_targets
from ...model.keras_losses import LIKELIHOODS, loss_name
from ...model.outputs import find_likelihood
from ...model.targets import check_targets
from ..measure.case import Case
from ..measure.head_losses import losses_of_heads
from ..measure.objective import evaluate
from ..measure.outside_support import outside_support
from ..report import Finding

CURE = (
    "Look at that target: leave it out, or take a likelihood that can give it (a Normal for "
    "numbers below 0, one unit more for one class more)."
)


def check_all_targets(case: Case) -> list[Finding]:
    """Return an alarm for targets that are not what the likelihood describes."""
    if case.objective.kind not in ("fit", "data term") or case.setup.targets is None:
        return []
    said = said_by_kind(case) or outside_support(case) or _said_by_value(case)
    if not said:
        return []
    return [
        Finding(kind="targets-outside", verdict="wrong", message=said, sure="measured", cure=CURE)
    ]


def said_by_kind(case: Case) -> str:
    """Return what is wrong with some target of classes, of yes or no, of counts; "" if nothing."""
    names = {loss_name(loss) for loss in losses_of_heads(case, case.data.heads)}
    if not case.data.is_identified and not (names and names <= LIKELIHOODS):
        return ""  # other checks say what stands beside the outputs
    given = case.setup.loss if case.objective.kind == "data term" else None
    try:
        outputs = case.network(case.batch.inputs)
        likelihood = case.setup.likelihood or find_likelihood(case.network, outputs, given=given)
        targets = arrange_targets(case.network, case.setup.targets, outputs)
    except (TypeError, ValueError):  # other checks say what it is
        return ""
    try:
        check_targets(likelihood, [np.asarray(part) for part in targets], outputs)
    except ValueError as error:
        return str(error)
    return ""


def _said_by_value(case: Case) -> str:
    """Return that the loss of the most extreme targets is not finite; "" if it is."""
    extremes = case.setup.extremes
    if extremes is None or not np.isfinite(case.evaluations[0].value):
        return ""
    # Among other rows, since a loss of the whole batch may need them.
    value = evaluate(case.objective, case.batch.led_by(extremes)).value
    if np.isfinite(value):
        return ""
    ends = [_number(part) for part in tf.nest.flatten(extremes.targets)]
    return (
        f"What is minimised is {value} for the examples with the smallest and the largest targets "
        f"({'; '.join(ends)}), and finite for others: the output distribution cannot give them."
    )


def _number(targets: Any) -> str:
    array = np.asarray(targets)
    return f"{array.min():.4g} and {array.max():.4g}"
