"""What stands in for operations of XLA: as exact as float32 allows, and only where it may."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.draws.replay import replay, trace
from helpers.draws.xla_substitutes import SUBSTITUTES, softplus

LARGEST, SMALLEST = np.finfo(np.float32).max, np.finfo(np.float32).tiny
MAGNITUDES = np.geomspace(SMALLEST, LARGEST, 20_001)
LINE = np.linspace(-87, 88, 200_001)  # eˣ is a normal float32
POINTS = np.r_[-MAGNITUDES, 0, MAGNITUDES, LINE].astype(np.float32)
WAYS = pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "XLA"])


def relative_errors(function, jit_compile):
    """|found / exact − 1| where the exact value is a normal float32, in float64."""
    found = tf.function(function, jit_compile=jit_compile)(tf.constant(POINTS)).numpy()
    wanted = np.logaddexp(0, POINTS.astype(np.float64))
    normal = (wanted >= SMALLEST) & (wanted <= LARGEST)
    assert normal.mean() > 0.5
    return np.abs(found[normal] / wanted[normal] - 1)


@WAYS
def test_softplus_is_as_exact_as_it_says_over_the_whole_range(jit_compile):
    assert relative_errors(softplus, jit_compile).max() < 3e-7


def test_a_formula_that_loses_digits_would_be_seen():
    assert relative_errors(lambda x: tf.math.log(1 + tf.exp(x)), jit_compile=False).max() > 0.01


@WAYS
def test_limits_and_gaps_are_kept(jit_compile):
    x = tf.constant([-np.inf, 0, np.inf, np.nan], tf.float32)
    found = tf.function(softplus, jit_compile=jit_compile)(x).numpy()
    np.testing.assert_allclose(found, [0, np.log(2), np.inf, np.nan], rtol=3e-7)


def test_shapes_are_kept_also_those_of_one_number_and_of_none():
    for shape in ((7, 5, 3), (), (0, 5)):
        assert softplus(tf.zeros(shape)).shape == shape


def test_float64_keeps_its_precision():
    x = np.linspace(-30, 30, 601)
    found = softplus(tf.constant(x))
    assert found.dtype == tf.float64
    np.testing.assert_allclose(found, np.logaddexp(0, x), rtol=1e-14)


RNG = np.random.default_rng(2)
A, B = (np.exp(RNG.normal(size=(5, 3))).astype(np.float32) for _ in range(2))


def with_substitutes(function, jit_compile=False):
    """The function of A and B, and which operations it has once the substitutes are in place."""
    traced = trace(function, *[tf.TensorSpec(A.shape, A.dtype)] * 2)
    again = tf.function(
        lambda a, b: replay(traced, [a, b], [], SUBSTITUTES), jit_compile=jit_compile
    ).get_concrete_function(*[tf.TensorSpec(A.shape, A.dtype)] * 2)
    (value,) = again(tf.constant(A), tf.constant(B))
    return value.numpy(), {operation.type for operation in again.graph.get_operations()}


def test_softplus_takes_its_place_too():
    value, operations = with_substitutes(lambda a, b: tf.nn.softplus(a) + tf.nn.softplus(-b))
    wanted = np.logaddexp(0, A.astype(np.float64)) + np.logaddexp(0, -B.astype(np.float64))
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    assert "Softplus" not in operations
