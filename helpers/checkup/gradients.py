"""Whether the parameters of the posteriors feel what is minimised."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .case import Case
from .objective import evaluate
from .posteriors import Posterior
from .report import Finding
from .state import snapshot

STEPS, SIZE = 2, 1e-3


def check_scale_gradients(case: Case) -> list[Finding]:
    """Return an alarm for each layer whose outputs do not depend on its posterior's scales."""
    stuck = []
    for posterior in case.posteriors:
        if posterior.is_random:
            scales = scale_variables(posterior)
            if not scales or not reaches_outputs(case, scales):
                stuck.append(posterior.name)
    return _stuck(stuck)


def _stuck(names: list[str]) -> list[Finding]:
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
    layers = ", ".join(dict.fromkeys(names))
    return [Finding("no-scale-gradient", "wrong", text, layers, 0.0, None, "measured", cure)]


def scale_variables(posterior: Posterior) -> list[Any]:
    """Return the variables that the entropy of the posterior depends on."""
    _, slopes = posterior.entropy_gradients()
    pairs = zip(posterior.variables, slopes, strict=True)
    return [variable for variable, slope in pairs if np.any(slope)]


def reaches_outputs(case: Case, scales: list[Any]) -> bool:
    """Whether the network's outputs depend on any of the variables."""
    if not scales:
        return False
    with tf.GradientTape() as tape:
        for variable in scales:
            tape.watch(variable)
        outputs = case.network(case.batch.inputs, training=True)
        parts = [outputs] if hasattr(outputs, "log_prob") else tf.nest.flatten(outputs)
        total = tf.add_n([_sum(part) for part in parts])
    return any(gradient is not None for gradient in tape.gradient(total, scales))


def _sum(output: Any) -> Any:
    """Return a number that depends on all that a tensor or a distribution holds."""
    if not hasattr(output, "log_prob"):
        return tf.reduce_sum(tf.cast(output, tf.float32))
    try:
        value = tf.convert_to_tensor(output)
    except (TypeError, ValueError):  # a distribution that is no tensor as well
        value = output.sample()
    log_prob = tf.reduce_sum(output.log_prob(tf.stop_gradient(value)))
    return tf.cast(log_prob, tf.float32) + tf.reduce_sum(tf.cast(value, tf.float32))


def check_frozen(case: Case) -> list[Finding]:
    """Return a note on layers that are not trained and still pay for their KL."""
    names = []
    trained = {id(v) for v in getattr(case.network, "trainable_variables", ())}
    for weight in case.weights:
        posterior = weight.posterior
        scales = scale_variables(posterior)
        if scales and weight.weight > 0 and not any(id(v) in trained for v in scales):
            names.append(posterior.name)
    if not names:
        return []
    text = (
        "The posterior is not among the trainable variables, yet its KL is still in what is "
        "minimised: a constant that training cannot lower."
    )
    return [Finding("frozen-layer", "look", text, ", ".join(dict.fromkeys(names)))]


def check_steps(case: Case) -> list[Finding]:
    """Take a few small steps on the variables, and return an alarm if the loss stops being finite.

    The steps go against the sign of the gradient; the variables are put back afterwards.
    """
    trained = [v for v in case.variables if v.trainable and case.gradient(v) is not None]
    put_back = snapshot(case.variables)
    try:
        for step in range(STEPS + 1):
            run = evaluate(case.objective, case.batch, trained, seed=20 + step)
            if not np.isfinite(run.value):
                return [_not_finite(case, run.value, step)]
            for variable, gradient in zip(trained, run.gradients, strict=True):
                variable.assign_sub(SIZE * np.sign(gradient).astype(gradient.dtype))
    finally:
        put_back()
    return []


def _not_finite(case: Case, value: float, steps: int) -> Finding:
    """Return the alarm, with the layer that is known to cause it if there is one."""
    after = "1 small step" if steps == 1 else f"{steps} small steps"
    text = f"What is minimised is {value} after {after}."
    cure = "Look for NaN in the data, log(0), and scales that reach 0."
    called = [layer for layer, _ in case.evaluations[0].watch.called]
    kind = tfp.layers.DenseLocalReparameterization
    names = list(dict.fromkeys(layer.name for layer in called if isinstance(layer, kind)))
    if not names or steps == 0:
        return Finding("not-finite", "wrong", text, None, value, cure=cure)
    text += (
        " DenseLocalReparameterization does that where a row of its inputs is all zeros, as after "
        "ReLU: the variance of its outputs is 0 there, and the square root of 0 has an infinite "
        "gradient."
    )
    cure = f"Take Flipout in its place, or tanh or elu before it. Else {cure[0].lower()}{cure[1:]}"
    return Finding("not-finite", "wrong", text, ", ".join(names), value, None, "likely", cure)
