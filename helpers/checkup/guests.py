"""Entries of ``losses`` that are no KL of weights, or that the check-up does not know."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from .case import Case
from .gradients import scale_variables
from .report import Finding
from .watch import Added, watching

CURE = "Scale inside kernel_divergence_fn, or add up the KLs by name (losses_by_layer)."


def check_regularisers(case: Case) -> list[Finding]:
    """Return notes on penalties in ``losses``, and on entries that may be penalties."""
    if not case.bayesian_layers:
        return []
    penalties = [name for name, callables in _callables(case) if any(map(_is_penalty, callables))]
    unknown = [name for name, callables in _callables(case) if _any_unknown(case, callables)]
    added = case.evaluations[0].watch.added
    penalties += [x.layer.name for x in added if x.of_activity and not _is_activation_kl(x.layer)]
    unknown += [x.layer.name for x in _strangers(case)]
    return [*_mixed(penalties), *_unknown([name for name in unknown if name not in penalties])]


def _mixed(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "losses also holds penalties that are no KL (a regularizer). Whatever divides the sum of "
        "losses by N divides them too, and sum(losses) is not the KL."
    )
    layers = ", ".join(dict.fromkeys(names))
    return [Finding("regularisers-mixed-in", "look", text, layers, cure=CURE)]


def _unknown(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "losses also holds entries that the check-up does not know: a penalty, or a KL of your "
        "own. Whatever divides the sum of losses by N divides them too: right for a KL of weights, "
        "wrong for a penalty and for a KL of each example."
    )
    layers = ", ".join(dict.fromkeys(names))
    cure = f"See what they are. If penalties: {CURE[0].lower()}{CURE[1:]}"
    return [Finding("regularisers-mixed-in", "look", text, layers, None, None, "possible", cure)]


def _callables(case: Case) -> list[tuple[str, list[Any]]]:
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
    scales = _scales(case)
    with tf.GradientTape() as tape:
        tape.watch(scales)
        value = function()
    return any(slope is not None for slope in tape.gradient(value, scales))


def _strangers(case: Case) -> list[Added]:
    """Return what neither a Bayesian layer, nor TFP, nor a regularizer added, and no KL is."""
    known = {id(posterior.layer) for posterior in case.posteriors}
    added = case.evaluations[0].watch.added
    if not any(_may_be_strange(item, known) for item in added):
        return []
    inputs, scales = _floating(case.batch.inputs), _scales(case)
    with tf.GradientTape(persistent=True) as tape, watching(tape) as watch:
        tape.watch([*inputs, *scales])
        case.objective.evaluate(case.batch)
    strange = [item for item in watch.added if _may_be_strange(item, known)]
    return [item for item in strange if not _is_weight_kl(tape, item.value, inputs, scales)]


def _may_be_strange(item: Added, known: set[int]) -> bool:
    return (
        id(item.layer) not in known and not item.of_activity and not _is_activation_kl(item.layer)
    )


def _is_weight_kl(tape: tf.GradientTape, value: Any, inputs: list[Any], scales: list[Any]) -> bool:
    """Whether an entry depends on the scales of the posteriors, but not on the inputs."""
    slopes = tape.gradient(value, [*inputs, *scales])
    by_inputs, by_scales = slopes[: len(inputs)], slopes[len(inputs) :]
    return all(s is None for s in by_inputs) and any(s is not None for s in by_scales)


def _scales(case: Case) -> list[Any]:
    random = [posterior for posterior in case.posteriors if posterior.is_random]
    found = [variable for posterior in random for variable in scale_variables(posterior)]
    return list({id(variable): variable for variable in found}.values())


def _floating(inputs: Any) -> list[Any]:
    return [x for x in tf.nest.flatten(inputs) if x.dtype.is_floating]


def _is_activation_kl(layer: Any) -> bool:
    regulariser = getattr(layer, "activity_regularizer", None)
    kinds = (tfp.layers.KLDivergenceRegularizer,)
    return isinstance(layer, tfp.layers.KLDivergenceAddLoss) or isinstance(regulariser, kinds)
