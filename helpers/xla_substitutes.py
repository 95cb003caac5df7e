"""Operations that cost XLA on a CPU more than they need to, and the same results for less."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

Value = Callable[[tf.Tensor], tf.Tensor]  # tensor of the old graph ↦ its twin in the new one
Substitute = Callable[[tf.Operation, Value], "tf.Tensor | None"]


def softplus(x: tf.Tensor) -> tf.Tensor:
    """Return log(1 + eˣ), within 3e-7 of the exact value (relative, float32).

    XLA computes its log1p one number at a time. Here log(1 + e) = 2 artanh(s) with s = e / (2 + e)
    ≤ 1/3 is a series in s², whose loop runs over vectors. The division stands last: XLA keeps the
    result of a division, where it would work out a sum again for each of its readers.
    """
    if x.dtype != tf.float32:
        return tf.nn.softplus(x)
    e = tf.exp(-tf.abs(x))
    below = 1 + e / 2
    square = (e / 2 / below) ** 2
    series = tf.ones_like(x) / 13
    for power in (11, 9, 7, 5, 3, 1):
        series = series * square + 1 / power
    return (tf.nn.relu(x) * below + e * series) / below


def ratio_squared(exponential: tf.Operation, value: Value) -> tf.Tensor | None:
    """Return (a / b)² for an operation that computes exp(2 (log a − log b)), else ``None``.

    TFP's KL of two Gaussians holds this exponential of a logarithm, with a and b their scales, and
    so does its gradient: four passes over the weights where a square is one.
    """
    factors = [tensor.op for tensor in exponential.inputs[0].op.inputs]
    doubled = exponential.inputs[0].op.type == "Mul" and any(_is_two(it) for it in factors)
    differences = [it for it in factors if it.type == "Sub"]
    if not doubled or not differences:
        return None
    logarithms = [tensor.op for tensor in differences[0].inputs]
    if any(it.type != "Log" for it in logarithms):
        return None
    a, b = (value(it.inputs[0]) for it in logarithms)
    return (a / b) ** 2


def _is_two(operation: tf.Operation) -> bool:
    constant = tf.get_static_value(operation.outputs[0])
    return constant is not None and constant.size == 1 and float(constant) == 2


def _softplus(operation: tf.Operation, value: Value) -> tf.Tensor:
    return softplus(value(operation.inputs[0]))


def _expm1(operation: tf.Operation, value: Value) -> tf.Tensor | None:
    squared = ratio_squared(operation, value)
    return None if squared is None else squared - 1


# By the type of the operation that each may stand for; ``None`` leaves the operation as it is.
SUBSTITUTES: Mapping[str, Substitute] = {
    "Softplus": _softplus,
    "Exp": ratio_squared,
    "Expm1": _expm1,
}
