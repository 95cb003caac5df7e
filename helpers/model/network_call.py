"""A network called on a few examples: the types that it takes, and what to pass where it fails."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf
import tf_keras

from .checks import check_stateless
from .finite_draws import finite_draws
from .inputs import as_tensors, tensor_type
from .kept_logits import operations_noted
from .untouched import state_kept


def call_network(network: Any, inputs: Any) -> tuple[Any, list[tf.DType]]:
    """Call a network on a few examples; return its outputs and the types that it takes.

    Whole numbers reach it as they are; if it takes none, as floating numbers.

    Parameters
    ----------
    network
        A ``tf_keras`` model; it is built if it is not yet.
    inputs
        A structure of arrays.

    Raises
    ------
    ValueError
        If it has no ``call``; if it does not run on them: what it raises, and what to pass; if it
        is stateful.
    """
    check_callable(network)
    check_stateless(network)
    failure: Exception
    kinds = [tensor_type(leaf) for leaf in tf.nest.flatten(inputs)]
    floats = [tf.as_dtype(tf_keras.backend.floatx()) if k.is_integer else k for k in kinds]
    kinds, floats = ([_declared(network, i, k) for i, k in enumerate(x)] for x in (kinds, floats))
    for wanted in [kinds] if floats == kinds else [kinds, floats]:
        try:
            with operations_noted(), state_kept(network), finite_draws():
                outputs = network(as_tensors(inputs, wanted))
        except Exception as error:  # noqa: BLE001 (whatever layers raise that take no such inputs)
            failure = error
        else:
            if said := word_on_a_list_of_one(network, inputs, outputs):
                raise ValueError(said)
            return outputs, wanted
    said = word_on_a_list_of_one(network, inputs)
    raise ValueError(said or _does_not_run(inputs, failure)) from failure


def can_be_called(network: Any) -> bool:
    """Whether a network has a ``call``: a model with a ``train_step`` of its own needs none."""
    return not isinstance(network, tf_keras.Model) or type(network).call is not tf_keras.Model.call


def check_callable(network: Any) -> None:
    """Raise if a network has no ``call``.

    Raises
    ------
    ValueError
        If it is a model whose class only trains its parts: what to write.
    """
    if not can_be_called(network):
        raise ValueError(
            f"{type(network).__name__} has a train_step, but no call, so it puts nothing out. Give "
            "it def call(self, inputs), which returns what its last part puts out, such as "
            "self.decoder(self.encoder(inputs)), or pass that part."
        )


def word_on_a_list_of_one(network: Any, inputs: Any, outputs: Any = None) -> str:
    """Return what to pass in place of a list or tuple of one array, or "" if nothing is wrong.

    Keras hands a model's own ``call`` the list as it is. Most layers make one tensor of it, with an
    axis of length 1 before the examples, or fail.

    Parameters
    ----------
    network, inputs
        What does not run together, or gives outputs of one row.
    outputs
        What it gives; ``None`` if it fails.
    """
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 1 or tf.nest.is_nested(inputs[0]):
        return ""
    (inside,) = inputs
    number = len(inside)
    if number == 1 or (outputs is not None and _num_rows(outputs) != 1):
        return ""
    try:
        alone = network(as_tensors(inside))
    except Exception:  # noqa: BLE001 (it does not take the array either)
        return ""
    if _num_rows(alone) != number:
        return ""
    return (
        "Inputs are a list or tuple of one array, and this model gets it as it is, as in fit: "
        f"its layers see the shape {(1, *inside.shape)}. Pass the array itself; the batches of a "
        "dataset then are (x, y) in place of ((x,), y)."
    )


def _num_rows(outputs: Any) -> int | None:
    """Return the length of the first axis of the first output, if it has one."""
    shape = getattr(tf.nest.flatten(outputs)[0], "shape", None)
    return shape[0] if shape is not None and len(shape) else None


def _does_not_run(inputs: Any, error: Exception) -> str:
    """Return a sentence on inputs on which a network failed, and what to write."""
    leaves = tf.nest.flatten(inputs)
    shapes = ", ".join(str(tuple(leaf.shape)) for leaf in leaves)
    start = f"The network does not take inputs of shape {shapes}"
    if any(len(leaf.shape) == 1 for leaf in leaves):
        return (
            f"{start}: the first axis must count the examples. A single example is inputs[:1], a "
            "single column inputs[:, None]."
        )
    if any(tensor_type(leaf) == tf.string for leaf in leaves):
        return (
            f"{start} that hold words: make them numbers, or begin the network with an Input of "
            "dtype tf.string and a StringLookup or TextVectorization layer."
        )
    return (
        f"{start}. It raises {type(error).__name__}: {_plain_text(error)}. Pass what its own call "
        "takes, as in network(inputs[:2])."
    )


def _plain_text(error: Exception) -> str:
    """Return what an error says, without what Keras and TensorFlow put around it."""
    text = " ".join(str(error).split()).partition(" Call arguments received by")[0]
    text = re.sub(r"Exception encountered when calling \S+ '\S*' \(type \w+\)\. ", "", text)
    text = re.sub(r"\{\{.*?\}\} | \[Op:\w+\]( name: ?\S*)?", "", text)
    return (text if len(text) <= 300 else f"{text[:300]} …").rstrip(". ")


def _declared(network: Any, index: int, kind: tf.DType) -> tf.DType:
    """Return the type that the network's own Input declares, as Keras casts to it."""
    inputs = getattr(network, "inputs", None) or []
    if index >= len(inputs) or tf.string in (kind, inputs[index].dtype):
        return kind
    return tf.as_dtype(inputs[index].dtype)
