"""The random numbers of a training step, as a pure function of (seed, number of the draw).

Introduced in chapters/19-step-cost.md, "The same functions".
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import tensorflow as tf

Shape = Any  # a tuple of whole numbers, or a tensor of them where the inputs decide
# Of the way in which seed and number become draws: a change of it changes every history.
NOISE_VERSION = 2

# Giles (2012), "Approximating the erfinv function", single precision: the polynomials in w − 2.5
# (central) and √w − 3 (tails), highest power first.
_CENTRAL = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
_TAIL = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)


class Draw(NamedTuple):
    """One random tensor that a step needs.

    ``kind`` is ``"normal"`` (N(0, 1)), ``"uniform"`` (on [0, 1)) or ``"integer"`` (from ``low`` to
    ``high`` − 1, all equally likely).
    """

    kind: Literal["normal", "uniform", "integer"]
    shape: Shape
    dtype: tf.DType
    low: int = 0
    high: int = 2


def draw_one(draw: Draw, seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Return the tensor that ``draw`` describes, by TensorFlow's own generator.

    Parameters
    ----------
    draw
        What to draw; its shape may be a tensor.
    seed, number
        int64 scalars. The same pair gives the same tensor; another pair, an independent one.
    """
    pair = tf.stack([seed, number])
    if draw.kind == "normal":
        return tf.random.stateless_normal(draw.shape, pair, dtype=draw.dtype)
    bounds = (draw.low, draw.high) if draw.kind == "integer" else (0, None)
    return tf.random.stateless_uniform(draw.shape, pair, *bounds, dtype=draw.dtype)


def draw_all(draws: Sequence[Draw], seed: tf.Tensor, number: tf.Tensor) -> list[tf.Tensor]:
    """Return the tensors that ``draws`` describe, in a few operations that XLA makes fast.

    Parameters
    ----------
    draws
        What to draw, of shapes that are known.
    seed, number
        int64 scalars from 0 to 2³² − 1. The same pair gives the same tensors; another pair,
        independent ones.

    References
    ----------
    Salmon et al. (2011), *Parallel random numbers: as easy as 1, 2, 3*, of which Threefry is taken:
    TensorFlow knows it only where XLA compiles.
    """
    if not draws:  # a network without noise
        return []
    # The normal numbers of all draws first, so that one pass makes them.
    in_order = sorted(range(len(draws)), key=lambda index: draws[index].kind != "normal")
    words = [_words_of(draws[index]) for index in in_order]
    bits = tf.random.stateless_uniform(
        [sum(words)], tf.stack([seed, number]), None, None, tf.int32, alg="threefry"
    )
    num_normal = sum(draw.kind == "normal" for draw in draws)
    num_words = sum(words[:num_normal])
    parts = tf.split(bits[num_words:], words[num_normal:]) if num_normal < len(draws) else []
    if num_normal:
        parts = tf.split(normal_from_bits(bits[:num_words]), words[:num_normal]) + parts
    noise: dict[int, tf.Tensor] = {}
    for index, part in zip(in_order, parts, strict=True):
        draw = draws[index]
        is_made = draw.kind == "normal"
        noise[index] = _shaped(draw, part) if is_made else numbers_from_bits(draw, part)
    return [noise[index] for index in range(len(draws))]


def normal_from_bits(bits: tf.Tensor) -> tf.Tensor:
    """Return N(0, 1) numbers, float32, one for each int32 word of uniform bits.

    The upper 24 bits give u, uniform on (−1, 1); z = √2 · erf⁻¹(u). Without branches, XLA makes it
    a loop over vectors; the inverse is exact to about 3e-7, and z stays between −5.5 and 5.5.
    """
    middle = tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) + 0.5
    u = middle * 2.0**-23
    w = -tf.math.log((1 - u) * (1 + u))
    central, tail = _polynomial(_CENTRAL, w - 2.5), _polynomial(_TAIL, tf.sqrt(w) - 3)
    return math.sqrt(2) * u * tf.where(w < 5, central, tail)


def _words_of(draw: Draw) -> int:
    """Return how many 32-bit words a draw uses: 32 coins to a word, one word for all else."""
    size = math.prod(draw.shape)
    return -(-size // 32) if is_coin(draw) else size


def is_coin(draw: Draw) -> bool:
    """Whether it has two outcomes, so that a word of random bits serves for 32 numbers."""
    return draw.kind == "integer" and draw.high - draw.low == 2


def numbers_from_bits(draw: Draw, bits: tf.Tensor) -> tf.Tensor:
    """Turn random int32 words, 32 coins to a word and else one to a number, into ``draw``."""
    if is_coin(draw):
        coins = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits[:, None], tf.range(32)), 1)
        flat = tf.reshape(coins, [-1])[: math.prod(draw.shape)]
        return tf.reshape(tf.cast(flat, draw.dtype) + tf.cast(draw.low, draw.dtype), draw.shape)
    if draw.kind == "normal":
        return _shaped(draw, normal_from_bits(bits))
    unsigned = tf.bitcast(bits, tf.uint32)
    if draw.kind == "uniform":
        unit = tf.cast(tf.bitwise.right_shift(unsigned, 8), tf.float32) * 2.0**-24
        return _shaped(draw, unit)
    # In float64, which holds all 32 bits, and the range of an int32 from end to end.
    steps = tf.floor(tf.cast(unsigned, tf.float64) * ((draw.high - draw.low) / 2**32))
    return _shaped(draw, steps + draw.low)


def _shaped(draw: Draw, numbers: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reshape(numbers, draw.shape), draw.dtype)


def _polynomial(coefficients: Sequence[float], x: tf.Tensor) -> tf.Tensor:
    """Return the polynomial at x by Horner's rule, highest power first."""
    value = tf.fill(tf.shape(x), coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
