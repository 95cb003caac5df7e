"""The activation of a network's last layer, and whether outputs are probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

HAND_ON = (  # what their values are, the layer before says
    tf_keras.layers.Reshape,
    tf_keras.layers.Flatten,
    tf_keras.layers.Permute,
    tf_keras.layers.RepeatVector,
    tf_keras.layers.Dropout,
    tf_keras.layers.ActivityRegularization,
)


def last_activation(network: Any) -> str:
    """Return the name of the activation that made the outputs, "" for another, or unknown.

    Models, wrappers and layers that only hand values on are looked through; "linear" says that
    there is none.
    """
    source = _source(network)
    if source is network:
        return activation_name(network)
    return "" if source is None else last_activation(source)


def activation_of_head(network: Any, index: int, number: int) -> str:
    """Return the activation of one of several outputs, "" where it is not known."""
    producers = getattr(network, "_output_layers", None)
    if not producers or len(producers) != number:
        return ""
    return last_activation(producers[index])


def _source(layer: Any) -> Any:
    """Return the layer whose values a layer hands on, itself if it makes them, None if unknown."""
    if isinstance(layer, tf_keras.layers.TimeDistributed):
        return layer.layer
    if isinstance(layer, tf_keras.Sequential):
        makers = [inner for inner in layer.layers if not isinstance(inner, HAND_ON)]
        return makers[-1] if makers else None
    if isinstance(layer, HAND_ON):
        before = [node.inbound_layers for node in layer.inbound_nodes]
        return before[0] if len(before) == 1 and not isinstance(before[0], list) else None
    producers = getattr(layer, "_output_layers", None)
    return producers[0] if producers and len(producers) == 1 else layer


def activation_name(layer: Any) -> str:
    """Return "softmax", "sigmoid", "linear" or another name; "" for a layer without any."""
    if isinstance(layer, tf_keras.layers.Softmax):
        return "softmax"
    name = getattr(getattr(layer, "activation", None), "__name__", "")
    return {"softmax_v2": "softmax", "<lambda>": ""}.get(name, name)


def are_probabilities(array: Any) -> bool:
    """Whether the last axis, of two or more, holds shares that sum to 1."""
    if array.ndim < 2 or array.shape[-1] < 2:
        return False
    return bool(np.all(array >= 0) and np.allclose(array.sum(axis=-1), 1, atol=1e-3))
