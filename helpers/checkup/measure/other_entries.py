"""Entries of ``losses`` that are no KL of weights: penalties, and entries of an unknown kind."""

from typing import Any

import tensorflow as tf

from ...model.watch import Added, watching
from .case import Case
from .encoder_kl import is_encoder_kl
from .scale_variables import all_scale_variables


def layers_with_penalties(case: Case) -> list[str]:
    """Return the names of the layers whose regularizers add to ``losses``."""
    kept = [name for name, functions in _functions(case) if any(map(_is_penalty, functions))]
    of_activity = [x.layer for x in case.added if x.of_activity and not is_encoder_kl(x.layer)]
    return [*kept, *(layer.name for layer in of_activity)]


def layers_with_unknown_entries(case: Case) -> list[str]:
    """Return the names of the layers that add what is no penalty of Keras and no KL of weights."""
    kept = [name for name, functions in _functions(case) if _any_unknown(case, functions)]
    return [*kept, *(item.layer.name for item in _unknown_entries(case))]


def _functions(case: Case) -> list[tuple[str, list[Any]]]:
    """Return the functions that layers keep, whose values Keras puts into ``losses``."""
    layers = case.network._flatten_layers()
    return [(layer.name, list(getattr(layer, "_callable_losses", []))) for layer in layers]


def _is_penalty(function: Any) -> bool:
    """Whether Keras made the function, of a regularizer and a variable."""
    kept = next(iter(getattr(function, "args", ())), function)
    return getattr(getattr(kept, "func", kept), "__name__", "") == "_loss_for_variable"


def _any_unknown(case: Case, functions: list[Any]) -> bool:
    return any(not _is_penalty(f) and not _feels_scales(case, f) for f in functions)


def _feels_scales(case: Case, function: Any) -> bool:
    """Whether the function depends on the scale of a posterior: then it is a KL."""
    scales = all_scale_variables(case)
    with tf.GradientTape() as tape:
        tape.watch(scales)
        value = function()
    return any(slope is not None for slope in tape.gradient(value, scales))


def _unknown_entries(case: Case) -> list[Added]:
    """Return what neither a Bayesian layer, nor TFP, nor a regularizer added, and no KL is."""
    known = {id(posterior.layer) for posterior in case.posteriors}
    if not any(_may_be_unknown(item, known) for item in case.added):
        return []
    inputs, scales = _floating(case.batch.inputs), all_scale_variables(case)
    with tf.GradientTape(persistent=True) as tape, watching(tape) as watch:
        tape.watch([*inputs, *scales])
        case.objective.evaluate(case.batch)
    unknown = [item for item in watch.added if _may_be_unknown(item, known)]
    return [item for item in unknown if not _is_weight_kl(tape, item.value, inputs, scales)]


def _may_be_unknown(item: Added, known: set[int]) -> bool:
    return id(item.layer) not in known and not item.of_activity and not is_encoder_kl(item.layer)


def _is_weight_kl(tape: tf.GradientTape, value: Any, inputs: list[Any], scales: list[Any]) -> bool:
    """Whether an entry depends on the scales of the posteriors, but not on the inputs."""
    slopes = tape.gradient(value, [*inputs, *scales])
    by_inputs, by_scales = slopes[: len(inputs)], slopes[len(inputs) :]
    return all(s is None for s in by_inputs) and any(s is not None for s in by_scales)


def _floating(inputs: Any) -> list[Any]:
    return [x for x in tf.nest.flatten(inputs) if x.dtype.is_floating]
