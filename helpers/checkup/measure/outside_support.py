"""Targets that the output distribution cannot give, since they lie outside of its support."""

import numpy as np
import tensorflow as tf

from ...model.likelihood import beside_distribution, plain_distribution
from .case import Case
from .seen_outputs import seen_outputs


def outside_support(case: Case) -> str:
    """Return which target of the batch has no finite log-density, and under what; "" if none.

    That a distribution gives its own draws a finite one tells such a target from parameters that
    are not finite.
    """
    if np.isfinite(case.evaluations[0].value) or case.batch.targets is None:
        return ""
    outputs, targets = seen_outputs(case), tf.nest.flatten(case.batch.targets)
    if len(outputs) != len(targets):
        return ""
    pairs = zip(outputs, targets, strict=True)
    for out, target in ((out, target) for out, target in pairs if out.is_distribution):
        try:
            beside = beside_distribution(target, out.outputs)
            logs = np.asarray(out.outputs.log_prob(beside), float)
            own = np.asarray(out.outputs.log_prob(out.outputs.sample(seed=(1, 2))), float)
        except Exception:  # noqa: BLE001 (other checks say what does not fit)
            continue
        bad = np.argwhere(~np.isfinite(logs))
        if bad.size and np.isfinite(own).all():
            row, where = int(bad[0][0]), tuple(bad[0])
            value = np.asarray(beside)[where]
            return (
                f"The log-density of the target of example {row}, {np.ravel(value)[0]:.4g}, is "
                f"{logs[where]}: {plain_distribution(out.outputs).name} cannot give it."
            )
    return ""
