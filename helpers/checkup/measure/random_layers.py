"""Layers of readers' own that draw random numbers, though no posterior is known of them."""

from typing import Any

from ...model.layer_calls import LayerCall
from ...model.likelihood import flatten_heads
from .case import Case

LIBRARIES = ("tf_keras", "keras", "tensorflow", "tensorflow_probability")


def unknown_random_layers(case: Case) -> list[str]:
    """Return the names of layers with variables of their own whose outputs are random."""
    known = {id(part) for p in case.posteriors for part in p.layer._flatten_layers()}
    around = {id(layer) for layer in case.network._flatten_layers() if _holds(layer, known)}
    found: dict[str, bool] = {}
    watch = case.evaluations[0].watch
    for (layer, (arguments, options)), (_, made) in zip(watch.inputs, watch.called, strict=True):
        own = id(layer) not in known | around and _is_own(layer)
        if (
            own
            and not _is_distribution(made)
            and layer.name not in found
            and len(layer.trainable_variables) > 1
        ):
            found[layer.name] = LayerCall.of(layer, arguments, options, []).draws
    return [name for name, random in found.items() if random]


def _holds(layer: Any, known: set[int]) -> bool:
    return any(id(part) in known for part in layer._flatten_layers())


def _is_distribution(outputs: Any) -> bool:
    """Whether an output is one, which draws by itself when it is taken for a tensor."""
    return any(hasattr(leaf, "log_prob") for leaf in flatten_heads(outputs))


def _is_own(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] not in LIBRARIES
