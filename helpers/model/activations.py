"""The activation of a network's last layer, and whether outputs are probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras


def last_activation(network: Any) -> str:
    """Return the name of the activation of the last layer, "" for another, or unknown."""
    layer = network
    while isinstance(layer, tf_keras.Sequential) and layer.layers:
        layer = layer.layers[-1]
    producers = getattr(layer, "_output_layers", None)
    if producers and len(producers) == 1 and producers[0] is not layer:
        return last_activation(producers[0])
    return activation_name(layer)


def activation_of_head(network: Any, index: int, number: int) -> str:
    """Return the activation of one of several outputs, "" where it is not known."""
    producers = getattr(network, "_output_layers", None)
    if not producers or len(producers) != number:
        return ""
    return last_activation(producers[index])


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
