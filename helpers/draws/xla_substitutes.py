"""Operations that cost XLA on a CPU more than they need to, and the same results for less.

Introduced in chapters/19-step-cost.md, "The same functions".
"""

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


def _softplus(operation: tf.Operation, value: Value) -> tf.Tensor:
    return softplus(value(operation.inputs[0]))


# By the type of the operation that each may stand for; ``None`` leaves the operation as it is.
SUBSTITUTES: Mapping[str, Substitute] = {
    "Softplus": _softplus,
}

# Results to return beside those that are wanted: the scales of the weights. Else XLA may write the
# gradient over them, and a loop that writes over what it reads runs one number at a time.
KEPT = ("Softplus",)
