"""Functions that XLA compiles badly for a CPU, written so that it compiles them well."""

from collections.abc import Callable, Mapping

import tensorflow as tf


def softplus(x: tf.Tensor) -> tf.Tensor:
    """Return log(1 + eˣ), within 3e-7 of the exact value (relative, float32).

    XLA computes its log1p one number at a time. Here log(1 + e) = 2 artanh(s) with s = e / (2 + e)
    ≤ 1/3 is a series in s², whose loop runs over vectors. The division stands last: XLA keeps the
    result of a division, where it would work out a sum again for each of its readers.
    """
    if x.dtype != tf.float32:
        return tf.nn.softplus(x)
    e = tf.exp(-tf.abs(x))
    square = (e / (2 + e)) ** 2
    series = tf.ones_like(x) / 13
    for power in (11, 9, 7, 5, 3, 1):
        series = series * square + 1 / power
    return (tf.nn.relu(x) * (2 + e) + 2 * e * series) / (2 + e)


def expm1(x: tf.Tensor) -> tf.Tensor:
    """Return eˣ − 1, within 3e-7 of the exact value (relative, float32).

    XLA computes it from a hyperbolic tangent. Near 0, where eˣ − 1 would cancel, stands the series
    x (1 + x/2 (1 + x/3 (...))).
    """
    if x.dtype != tf.float32:
        return tf.math.expm1(x)
    series = tf.ones_like(x)
    for term in range(9, 1, -1):
        series = 1 + x / term * series
    return tf.where(tf.abs(x) < 0.5, x * series, tf.exp(x) - 1)


# By the type of the operation that each stands for.
SUBSTITUTES: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "Softplus": softplus,
    "Expm1": expm1,
}
