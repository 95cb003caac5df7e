"""A loss that stops being finite within a few small steps."""

import numpy as np
import tensorflow_probability as tfp

from ...model.untouched import snapshot
from ..measure.case import Case
from ..measure.objective import evaluate
from ..measure.outside_support import outside_support
from ..report import Finding

STEPS, SIZE = 2, 1e-3
CURE = "Look for NaN in the data, log(0), and scales that reach 0."


def check_steps(case: Case) -> list[Finding]:
    """Take a few small steps on the variables, and return an alarm if the loss stops being finite.

    The steps go against the sign of the gradient; the variables are put back afterwards.
    """
    if outside_support(case):
        return []
    trained = [v for v in case.variables if v.trainable and case.gradient(v) is not None]
    put_back = snapshot(case.variables)
    try:
        value, gradients = case.evaluations[0].value, [case.gradient(v) for v in trained]
        for step in range(STEPS + 1):
            if not np.isfinite(value):
                return [_not_finite(case, value, step)]
            if step == STEPS:
                break
            for variable, gradient in zip(trained, gradients, strict=True):
                variable.assign_sub(SIZE * np.sign(gradient).astype(gradient.dtype))
            run = evaluate(case.objective, case.batch, trained, seed=21 + step)
            value, gradients = run.value, run.gradients
    finally:
        put_back()
    return []


def _not_finite(case: Case, value: float, steps: int) -> Finding:
    """Return the alarm, with the layer that is known to cause it if there is one."""
    after = "1 small step" if steps == 1 else f"{steps} small steps"
    text = f"What is minimised is {value} after {after}."
    kind = tfp.layers.DenseLocalReparameterization
    names = dict.fromkeys(layer.name for layer, _ in case.called if isinstance(layer, kind))
    if names and steps > 0:
        return _local_reparameterization(text, ", ".join(names), value)
    return Finding(kind="not-finite", verdict="wrong", message=text, value=value, cure=CURE)


def _local_reparameterization(text: str, layers: str, value: float) -> Finding:
    text += (
        " DenseLocalReparameterization does that where a row of its inputs is all zeros, as after "
        "ReLU: the variance of its outputs is 0 there, and the square root of 0 has an infinite "
        "gradient."
    )
    cure = f"Take Flipout in its place, or tanh or elu before it. Else {CURE[0].lower()}{CURE[1:]}"
    return Finding(
        kind="not-finite",
        verdict="wrong",
        message=text,
        layer=layers,
        value=value,
        sure="likely",
        cure=cure,
    )
