"""Losses that multiply the logits: their own likelihood, whose weight is not that of the logits."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.checkup.measure.temperature import factor_of_logits

pytestmark = THIRD

tfd, tfpl, losses = tfp.distributions, tfp.layers, tf_keras.losses
ROWS, WIDTH, CLASSES = 40, 5, 3
RNG = np.random.default_rng(17)
X = RNG.normal(size=(ROWS, WIDTH)).astype(np.float32)
Y = RNG.integers(0, CLASSES, ROWS)


def of_classes(factor):
    return lambda y, q: losses.sparse_categorical_crossentropy(y, factor * q, from_logits=True)


def of_yes_or_no(factor):
    return lambda y, q: losses.binary_crossentropy(y, factor * q, from_logits=True)


def of_tensorflow(factor):
    def loss(y, q):
        labels = tf.reshape(tf.cast(y, tf.int32), [-1])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=factor * q)

    return loss


def report_of(loss, targets, units, divisor=ROWS):
    def share(q, p, _):
        return tfd.kl_divergence(q, p) / divisor

    network = tf_keras.Sequential(
        [
            tfpl.DenseFlipout(4, "relu", kernel_divergence_fn=share),
            tfpl.DenseFlipout(units, kernel_divergence_fn=share),
        ]
    )
    network.compile("adam", loss)
    return checkup(network, X, targets, num_examples=ROWS)


@pytest.mark.parametrize("factor", [0.5, 3.0])
@pytest.mark.parametrize("make", [of_classes, of_yes_or_no, of_tensorflow])
def test_one_over_n_is_right_beside_it(make, factor):
    units, targets = (1, (Y[:, None] > 0).astype("f4")) if make is of_yes_or_no else (CLASSES, Y)
    report = report_of(make(factor), targets, units)
    assert report.ok, str(report)
    [finding] = [f for f in report.confirmed if f.kind == "likelihood"]
    assert f"the loss multiplies by {factor:g}" in finding.message


def test_a_half_of_one_over_n_is_not():
    report = report_of(of_classes(0.5), Y, CLASSES, divisor=2 * ROWS)
    assert "tempered" in report.kinds(), str(report)


def cross_entropies(logits, labels):
    """The mean cross-entropy [states] of logits [state, row, class] times t, from SciPy."""

    def mean_at(t):
        logs = scipy.special.log_softmax(t * logits, axis=-1)
        return -np.array([logs[:, np.arange(len(labels)), labels].mean(1)]).ravel()

    return mean_at


def test_the_factor_is_found_beside_a_weight_of_the_loss():
    logits = np.random.default_rng(3).normal(size=(3, 11, CLASSES)) * [[[0.1]], [[1.0]], [[4.0]]]
    mean_at = cross_entropies(logits, np.arange(11) % CLASSES)
    for t, weight in ((0.25, 1.0), (2.0, 0.125), (7.0, 1.0)):
        found = factor_of_logits(mean_at, weight * mean_at(t), slope=weight * t)
        assert found == pytest.approx(t, rel=1e-4)


def test_a_penalty_beside_the_cross_entropy_is_no_factor():
    logits = np.random.default_rng(4).normal(size=(3, 11, CLASSES)) * [[[0.1]], [[1.0]], [[4.0]]]
    mean_at = cross_entropies(logits, np.arange(11) % CLASSES)
    penalty = 0.2 * (logits**2).mean((1, 2))
    assert np.isnan(factor_of_logits(mean_at, mean_at(1.0) + penalty, slope=1.0))
    assert np.isnan(factor_of_logits(mean_at, mean_at(1.0), slope=1.0))
