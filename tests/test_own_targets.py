"""A loss that compares inputs with the targets of other rows is no likelihood of the data."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import EIGHTH

from helpers.checkup import checkup
from helpers.checkup.measure.batch import Batch
from helpers.checkup.measure.own_targets import meets_own_targets

pytestmark = EIGHTH

tfd, tfpl = tfp.distributions, tfp.layers
N, FEATURES, CLASSES, DRAWS = 83, 5, 3, 4
RNG = np.random.default_rng(11)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS, VALUES = RNG.integers(0, CLASSES, N), RNG.normal(size=(N, 1)).astype("float32")
entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(units, *last):
    layers = [tfpl.DenseFlipout(6, "relu", input_shape=(FEATURES,)), tfpl.DenseFlipout(units)]
    return tf_keras.Sequential([*layers, *last])


def gaussian():
    return tfpl.DistributionLambda(lambda t: tfd.Normal(t[..., :1], tf.nn.softplus(t[..., 1:])))


def by_hand(outputs, y):
    scale = tf.nn.softplus(outputs[:, 1:])
    return tf.reduce_mean(tf.math.log(scale) + 0.5 * ((y - outputs[:, :1]) / scale) ** 2)


def tiled(x):
    return tf.tile(x, [DRAWS, 1])


def repeated(y):
    return tf.repeat(y, DRAWS, axis=0)


OTHER_ROWS = {
    "classes, inputs rolled": (
        lambda net, x, y: entropy(y, net(tf.roll(x, 1, axis=0))),
        lambda: network(CLASSES),
        LABELS,
    ),
    "a formula, outputs reversed": (
        lambda net, x, y: by_hand(net(x)[::-1], y),
        lambda: network(2),
        VALUES,
    ),
    "a formula, rows tiled beside targets repeated": (
        lambda net, x, y: by_hand(net(tiled(x)), repeated(y)),
        lambda: network(2),
        VALUES,
    ),
    "a distribution, rows tiled beside targets repeated": (
        lambda net, x, y: -tf.reduce_mean(net(tiled(x)).log_prob(repeated(y))),
        lambda: network(2, gaussian()),
        VALUES,
    ),
}
OWN_ROWS = {
    "classes": (lambda net, x, y: entropy(y, net(x)), lambda: network(CLASSES), LABELS),
    "a formula, both tiled": (
        lambda net, x, y: by_hand(net(tiled(x)), tiled(y)),
        lambda: network(2),
        VALUES,
    ),
    "batch normalisation, which mixes rows": (
        lambda net, x, y: entropy(y, net(x, training=True)),
        lambda: tf_keras.Sequential(
            [
                tfpl.DenseFlipout(6, "relu"),
                tf_keras.layers.BatchNormalization(),
                tfpl.DenseFlipout(CLASSES),
            ]
        ),
        LABELS,
    ),
}


def report_of(data_term, make, targets):
    net = make()
    net(INPUTS[:2])

    def objective(x, y):
        return data_term(net, x, y) + sum(net.losses) / N

    return checkup(net, INPUTS, targets, num_examples=N, loss=objective)


@pytest.mark.parametrize("name", OTHER_ROWS)
def test_targets_of_other_rows_are_an_alarm(name):
    report = report_of(*OTHER_ROWS[name])
    assert [alarm.kind for alarm in report.alarms] == ["targets-not-paired"], str(report)
    assert "both by the same indices" in report.alarms[0].cure


@pytest.mark.parametrize("name", OWN_ROWS)
def test_targets_of_the_same_rows_are_none(name):
    report = report_of(*OWN_ROWS[name])
    assert report.ok, str(report)


def test_rows_that_are_moved_about_together_are_no_alarm():
    def rolled(net, x, y):
        return entropy(tf.roll(y, 1, axis=0), net(tf.roll(x, 1, axis=0)))

    assert not report_of(rolled, lambda: network(CLASSES), LABELS).alarms


def data_term_of(order):
    """Return batches ↦ the sum of the products of each input with the target at ``order``."""

    def values(batches):
        return [float(tf.reduce_sum(b.inputs * tf.gather(b.targets, order))) for b in batches]

    return values


def test_rows_are_told_from_a_sum_of_products():
    x, y = tf.constant([1.0, 2.0, 4.0, 8.0]), tf.constant([0.5, -1.0, 3.0, 2.0])
    assert meets_own_targets(data_term_of([0, 1, 2, 3]), Batch(x, y), 0)
    assert meets_own_targets(data_term_of([3, 2, 1, 0]), Batch(x, y), 0) is False
    assert meets_own_targets(lambda batches: [1.0] * len(batches), Batch(x, y), 0) is None
    assert meets_own_targets(data_term_of([0, 1, 2, 3]), Batch(x, x[:1] + 0 * y), 0) is None


def test_a_row_without_weight_is_not_the_one_that_is_changed():
    x, y = tf.constant([1.0, 2.0, 4.0, 8.0]), tf.constant([0.5, -1.0, 3.0, 2.0])
    batch = Batch(x, y, tf.constant([1.0, 0.0, 1.0, 1.0]))

    def values(batches):
        return [float(tf.reduce_sum(b.weights * b.inputs * b.targets)) for b in batches]

    assert meets_own_targets(values, batch, 0)
