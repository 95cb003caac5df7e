"""Layers of readers' own that draw random numbers, though no posterior is known of them."""

from typing import Any

import numpy as np
import tensorflow as tf

from ...model.untouched import use_seed
from .case import Case

LIBRARIES = ("tf_keras", "keras", "tensorflow", "tensorflow_probability")


def unknown_random_layers(case: Case) -> list[str]:
    """Return the names of layers with variables of their own whose outputs are random."""
    known = {id(part) for p in case.posteriors for part in p.layer._flatten_layers()}
    around = {id(layer) for layer in case.network._flatten_layers() if _holds(layer, known)}
    found: dict[str, bool] = {}
    for layer, given in case.evaluations[0].watch.inputs:
        own = id(layer) not in known | around and _is_own(layer)
        if own and layer.name not in found and len(layer.trainable_variables) > 1:
            found[layer.name] = _is_random(layer, given)
    return [name for name, random in found.items() if random]


def _holds(layer: Any, known: set[int]) -> bool:
    return any(id(part) in known for part in layer._flatten_layers())


def _is_own(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] not in LIBRARIES


def _is_random(layer: Any, given: tuple[Any, dict[str, Any]]) -> bool:
    """Whether two calls on the same inputs differ."""
    arguments, options = given
    outputs = []
    for seed in (1, 2):
        use_seed(seed, repeatable=True)
        try:
            outputs.append(tf.nest.flatten(layer(*arguments, **options)))
        except Exception:  # noqa: BLE001 (a layer that runs inside its network only)
            return False
    pairs = zip(*outputs, strict=True)
    return any(_differ(a, b) for a, b in pairs if tf.is_tensor(a) and a.dtype.is_floating)


def _differ(one: Any, other: Any) -> bool:
    return not np.allclose(np.asarray(one), np.asarray(other), rtol=1e-6, atol=0)
