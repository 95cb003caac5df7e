"""The logits from which probabilities were made, as Keras' losses take them.

A cross-entropy of Keras computes with what went into the last softmax or sigmoid, not with the
probabilities, whatever ``from_logits`` says. Its own activations note the logits on what they
return. Those of ``tf.nn`` note nothing: Keras looks at the operation, which exists only in a graph
and so in ``fit``. :func:`operations_noted` lets an eager call be read as that graph is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal
from unittest import mock

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import gen_math_ops, gen_nn_ops
from tf_keras.src import backend

Squash = Literal["softmax", "sigmoid"]

# The name of the operation, and where TensorFlow's functions look it up when they are called.
_MADE_BY = {"Softmax": (gen_nn_ops, "softmax"), "Sigmoid": (gen_math_ops, "sigmoid")}


def kept_logits(probabilities: Any) -> tf.Tensor | None:
    """Return the logits that Keras' losses take in place of these probabilities, if any."""
    noted = getattr(probabilities, "_keras_logits", None)
    if noted is not None:
        return noted
    if tf.is_symbolic_tensor(probabilities):
        operation = probabilities.op
        return operation.inputs[0] if operation.type in _MADE_BY else None
    return getattr(probabilities, "_input_of_squash", {}).get("logits")


def squash_of(outputs: Any) -> Squash | None:
    """Return what made probabilities from the logits that are kept with them, ``None`` if none are.

    Parameters
    ----------
    outputs
        Of a few examples, with values.
    """
    logits = kept_logits(outputs)
    if logits is None:
        return None
    made = np.asarray(outputs)
    is_softmax = np.allclose(np.asarray(tf.nn.softmax(logits)), made, atol=1e-6)
    return "softmax" if is_softmax and made.shape[-1] > 1 else "sigmoid"


@contextlib.contextmanager
def operations_noted(*, when: bool = True) -> Iterator[None]:
    """Let losses find the logits of ``tf.nn``'s functions in eager calls too, as in ``fit``.

    Parameters
    ----------
    when
        Whether to; without it the block runs as it stands.
    """
    with contextlib.ExitStack() as stack:
        if when:
            for kind, (module, name) in _MADE_BY.items():
                noting = _noting(kind, getattr(module, name))
                stack.enter_context(mock.patch.object(module, name, noting))
            getter = _looking_at_notes(backend._get_logits)
            stack.enter_context(mock.patch.object(backend, "_get_logits", getter))
        yield


def _noting(kind: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def operation(logits: Any, name: str | None = None) -> Any:
        """Compute as ever; note on an eager result what it was made from."""
        made = original(logits, name)
        if not tf.is_symbolic_tensor(made):
            made._input_of_squash = {"kind": kind, "logits": tf.convert_to_tensor(logits)}
        return made

    return operation


def _looking_at_notes(original: Callable[..., Any]) -> Callable[..., Any]:
    def _get_logits(output: Any, from_logits: bool, op_type: str, fn_name: str) -> Any:
        """Return the logits and whether they are some, as Keras finds them in a graph."""
        note = getattr(output, "_input_of_squash", {})
        if note.get("kind") == op_type and not hasattr(output, "_keras_logits"):
            return note["logits"], True
        return original(output, from_logits, op_type, fn_name)

    return _get_logits
