"""What stands in for operations of XLA: as exact as float32 allows, and only where it may."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

from helpers.replay import replay, trace
from helpers.xla_substitutes import SUBSTITUTES, softplus

tfd = tfp.distributions
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


def log_ratio(a, b):
    return tf.math.log(a) - tf.math.log(b)


SQUARES = {
    "exp": (lambda a, b: tf.exp(2.0 * log_ratio(a, b)), lambda a, b: (a / b) ** 2),
    "exp, turned round": (lambda a, b: tf.exp(log_ratio(a, b) * 2.0), lambda a, b: (a / b) ** 2),
    "expm1": (lambda a, b: tf.math.expm1(2.0 * log_ratio(a, b)), lambda a, b: (a / b) ** 2 - 1),
}


@WAYS
@pytest.mark.parametrize(("function", "exact"), SQUARES.values(), ids=SQUARES)
def test_the_exponential_of_a_doubled_logarithm_becomes_a_square(function, exact, jit_compile):
    value, operations = with_substitutes(function, jit_compile)
    wanted = exact(A.astype(np.float64), B.astype(np.float64))
    np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-6)
    assert not operations & {"Exp", "Expm1"}


OTHERS = {
    "another factor": lambda a, b: tf.exp(3.0 * log_ratio(a, b)),
    "no factor": lambda a, b: tf.exp(log_ratio(a, b)),
    "no logarithm": lambda a, b: tf.exp(2.0 * (a - tf.math.log(b))),
    "a sum": lambda a, b: tf.exp(2.0 * (tf.math.log(a) + tf.math.log(b))),
    "one number": lambda a, b: tf.exp(2.0 * a) + b,
    "an input": lambda a, b: tf.exp(a) + tf.math.expm1(b),
    "a factor that varies": lambda a, b: tf.exp(tf.constant(2 * A) * log_ratio(a, b)),
}


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS)
def test_other_exponentials_stay_as_they_are(function):
    value, operations = with_substitutes(function)
    assert operations & {"Exp", "Expm1"}
    np.testing.assert_allclose(value, function(A, B), rtol=1e-6)


def test_softplus_takes_its_place_too():
    value, operations = with_substitutes(lambda a, b: tf.nn.softplus(a) + tf.nn.softplus(-b))
    wanted = np.logaddexp(0, A.astype(np.float64)) + np.logaddexp(0, -B.astype(np.float64))
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    assert "Softplus" not in operations


@WAYS
def test_the_kl_of_tfp_and_its_gradient_stay_what_they_are(jit_compile):
    def gradients(stddev, prior_stddev):
        with tf.GradientTape() as tape:
            tape.watch(stddev)
            posterior, prior = tfd.Normal(0.5, stddev), tfd.Normal(0.0, prior_stddev)
            kl = tf.reduce_sum(tfd.kl_divergence(posterior, prior))
        return tf.stack([tape.gradient(kl, stddev), tf.fill(A.shape, kl)])

    value, operations = with_substitutes(gradients, jit_compile)
    a, b = A.astype(np.float64), B.astype(np.float64)
    kl = np.sum(np.log(b / a) + (a**2 + 0.25) / (2 * b**2) - 0.5)
    np.testing.assert_allclose(value[0], a / b**2 - 1 / a, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(value[1], np.full((5, 3), kl), rtol=1e-6)
    assert not operations & {"Exp", "Expm1"}


def test_exactness_near_one_is_that_of_float32():
    """Posterior and prior alike: TFP's expm1 and the square both round in the 7th digit."""
    near = tf.constant(B * np.float32(1 + 1e-3))
    traced = trace(SQUARES["expm1"][0], *[tf.TensorSpec(A.shape, A.dtype)] * 2)
    (value,) = tf.function(lambda: replay(traced, [near, tf.constant(B)], [], SUBSTITUTES))()
    wanted = scipy.special.expm1(2 * np.log(near.numpy().astype(np.float64) / B))
    np.testing.assert_allclose(value, wanted, atol=4e-7)
