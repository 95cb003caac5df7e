"""The entries of ``neural_net.losses``, in order, each with the layer that added it.

Introduced in chapters/14-life-of-losses.md, "L2 penalties in `losses`".
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from tf_keras.src.saving.legacy.saved_model import load as saved_model

REGULARISER = "weight regulariser"
ACTIVITY = "activity regulariser"
ADDED = "added loss"


FROM_SAVED_MODEL = (
    "it was loaded from a SavedModel, which keeps variables and calls, but no posterior and no "
    "prior: build the network from its code, and give it the weights with "
    "network.set_weights(loaded.get_weights())"
)


class LossEntry(NamedTuple):
    """One entry of ``losses``: the layer that added it, what it is the KL of, and its value."""

    layer: tf_keras.layers.Layer
    part: str
    value: tf.Tensor


def loss_entries(neural_net: tf_keras.layers.Layer) -> list[LossEntry]:
    """Return every entry of ``neural_net.losses``, in order, with its layer and part."""
    entries: list[LossEntry] = []
    # Keras' own walk: it is the order in which `losses` lists the entries.
    for layer in neural_net._flatten_layers():
        entries.extend(_own_entries(layer))
    if len(entries) != len(neural_net.losses):
        raise RuntimeError(
            f"Found the owners of {len(entries)} of the {len(neural_net.losses)} losses: "
            "this version of tf_keras collects losses in another way."
        )
    return entries


def is_of_saved_model(layer: Any) -> bool:
    """Whether a layer was loaded from a SavedModel without the class that it was made by."""
    return isinstance(layer, saved_model.RevivedLayer | saved_model.RevivedNetwork)


def check_entries(entries: list[LossEntry]) -> None:
    """Raise unless there are entries, and all hold numbers.

    Raises
    ------
    ValueError
        If ``losses`` is empty, or holds the graph tensors that ``fit`` leaves behind.
    """
    if not entries:
        raise ValueError(
            "losses is empty. It is filled by a call, not by build: call the network on a batch, "
            "neural_net(images[:1]). If it stays so, no layer has both a prior and a divergence, "
            "or they add their KL in training alone, neural_net(images[:1], training=True)."
        )
    if any(tf.is_symbolic_tensor(entry.value) for entry in entries):
        raise ValueError(
            "losses holds graph tensors without a value, as fit, evaluate and tf.function leave "
            "behind. Call the network once on a batch, neural_net(images[:1]), and read it again."
        )


def _own_entries(layer: tf_keras.layers.Layer) -> Iterator[LossEntry]:
    """Yield what the layer itself put into ``losses``, as ``Layer.losses`` collects it."""
    parts = _parts(layer)
    for index, value in enumerate(layer._eager_losses or layer._losses):
        yield LossEntry(layer, parts[index % len(parts)], value)
    for function in layer._callable_losses:
        if (value := function()) is not None:
            yield LossEntry(layer, REGULARISER if _is_penalty(function) else ADDED, value)


def _parts(layer: tf_keras.layers.Layer) -> list[str]:
    """Say what the entries are that one call of the layer adds, in their order."""
    if isinstance(layer, tfp.layers.DenseVariational):
        parts = ["kernel and bias" if layer.use_bias else "kernel"]
    else:
        parts = [
            part
            for part in ("kernel", "bias")
            if getattr(layer, f"{part}_prior", None) is not None
            and getattr(layer, f"{part}_divergence_fn", None) is not None
        ]
    if layer.activity_regularizer is not None:
        parts.append(ACTIVITY)
    return parts or [ADDED]


def _is_penalty(function: object) -> bool:
    """Whether Keras made the function, of a regularizer and a variable."""
    kept = next(iter(getattr(function, "args", ())), function)
    return getattr(getattr(kept, "func", kept), "__name__", "") == "_loss_for_variable"
