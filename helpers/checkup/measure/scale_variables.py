"""The variables of a posterior's scale, and whether the network's outputs depend on them."""

from typing import Any

import numpy as np
import tensorflow as tf

from ...model.network_call import can_be_called
from ...model.weight_posteriors import Posterior
from .case import Case
from .objective import evaluate


def scale_variables(posterior: Posterior) -> list[Any]:
    """Return the variables that the entropy of the posterior depends on."""
    _, slopes = posterior.entropy_gradients()
    pairs = zip(posterior.variables, slopes, strict=True)
    return [variable for variable, slope in pairs if np.any(slope)]


def all_scale_variables(case: Case) -> list[Any]:
    """Return the variables of the scales of all posteriors, each once."""
    random = [posterior for posterior in case.posteriors if posterior.is_random]
    found = [variable for posterior in random for variable in scale_variables(posterior)]
    return list({id(variable): variable for variable in found}.values())


def reaches_outputs(case: Case, scales: list[Any]) -> bool:
    """Whether the network's outputs depend on any of the variables, each the scale of a weight."""
    reached = case.once("scales_that_reach_outputs", lambda: _that_reach_outputs(case))
    return any(id(variable) in reached for variable in scales)


def _that_reach_outputs(case: Case) -> set[int]:
    """Return the ``id`` of the variables of scales on which the network's outputs depend.

    Of a network that only trains its parts, those on which what it minimises depends.
    """
    scales = all_scale_variables(case)
    if not can_be_called(case.network):
        slopes = evaluate(case.objective, case.batch, scales, factor=0.0).gradients
        pairs = zip(scales, slopes, strict=True)
        return {id(variable) for variable, slope in pairs if slope is not None}
    with tf.GradientTape() as tape:
        for variable in scales:
            tape.watch(variable)
        outputs = case.network(case.batch.inputs, training=True)
        parts = [outputs] if hasattr(outputs, "log_prob") else tf.nest.flatten(outputs)
        total = tf.add_n([_sum(part) for part in parts])
    pairs = zip(scales, tape.gradient(total, scales), strict=True)
    return {id(variable) for variable, gradient in pairs if gradient is not None}


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
