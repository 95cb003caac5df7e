"""Outputs that are given again beside other targets: less work, and never another report."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.checkup.measure import data_term
from helpers.checkup.measure.outputs_again import NotedCalls, OtherCallError, calls_noted

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
EXAMPLES, WIDTH, CLASSES = 91, 5, 3
rng = np.random.default_rng(5)
INPUTS = rng.normal(size=(EXAMPLES, WIDTH)).astype("float32")
LABELS = rng.integers(0, CLASSES, EXAMPLES)
CALLS = []
entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def flipout(units):
    return tfpl.DenseFlipout(
        units, kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p), name="dense"
    )


class Net(tf_keras.Model):
    """Notes its calls where the check-up, which puts attributes back, leaves them."""

    def __init__(self):
        super().__init__()
        self.dense = flipout(CLASSES)

    def call(self, inputs):
        CALLS.append(self)
        return self.dense(inputs)


def of_fit(network):
    network.compile("adam", entropy)


def with_noise_after_it(network):
    def loss(inputs, targets):
        logits = network(inputs)
        noise = tf.random.normal(tf.shape(logits), stddev=0.1)
        return entropy(targets, logits + noise) + sum(network.losses) / EXAMPLES

    return loss


def with_targets_as_inputs(network):
    def loss(inputs, targets):
        labels = tf.one_hot(targets, CLASSES)
        logits = network(tf.concat([inputs[:, CLASSES:], labels], axis=1))
        return entropy(targets, logits) + sum(network.losses) / EXAMPLES

    return loss


def with_targets_by_the_back_door(network):
    held = tf.Variable(tf.zeros(()), trainable=False)
    plain = network.dense.call
    network.dense.call = lambda inputs: plain(inputs) + held

    def loss(inputs, targets):
        held.assign(
            tf.reduce_sum(tf.cast(targets, tf.float32) * tf.range(len(targets), dtype=tf.float32))
        )
        logits = network(inputs) * tf.constant([1.0, 1.001, 0.999])
        return entropy(targets, logits) + sum(network.losses) / EXAMPLES

    return loss


def with_scaled_gradients(network):
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            loss = entropy(targets, network(inputs)) + sum(network.losses) / EXAMPLES
        slopes = tape.gradient(loss, network.trainable_variables)
        tf_keras.optimizers.SGD().apply_gradients(
            zip([0.5 * slope for slope in slopes], network.trainable_variables, strict=True)
        )
        return loss

    return step


@contextlib.contextmanager
def none_noted(network):
    """Let every evaluation compute its own outputs."""
    yield NotedCalls(network)


def report_and_calls(make_loss):
    tf_keras.utils.set_random_seed(3)
    network = Net()
    network(INPUTS)
    loss = make_loss(network)
    CALLS.clear()
    report = checkup(network, INPUTS, LABELS, num_examples=EXAMPLES, loss=loss)
    return str(report), len(CALLS)


@pytest.mark.parametrize(
    ("make_loss", "is_faster"),
    [
        (of_fit, True),
        (with_noise_after_it, False),
        (with_targets_as_inputs, False),
        (with_targets_by_the_back_door, False),
        (with_scaled_gradients, False),
    ],
)
def test_the_report_is_that_of_outputs_computed_each_time(make_loss, is_faster, monkeypatch):
    report, calls = report_and_calls(make_loss)
    monkeypatch.setattr(data_term, "calls_noted", none_noted)
    expected, every = report_and_calls(make_loss)
    assert report == expected
    assert (calls < every - 5) == is_faster, (calls, every)


def test_outputs_come_again_in_their_order_and_for_their_arguments_only():
    network = Net()
    CALLS.clear()
    with calls_noted(network) as noted:
        first, second = network(INPUTS[:7]), network(INPUTS[7:14])
    with noted.given_again():
        assert network(INPUTS[:7].copy()) is first
        assert network(INPUTS[7:14]) is second
        with pytest.raises(OtherCallError):
            network(INPUTS[:7])
    with noted.given_again(), pytest.raises(OtherCallError):
        network(INPUTS[1:8])
    assert len(CALLS) == 2
    assert network(INPUTS[:7]) is not first
