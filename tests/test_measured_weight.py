"""The measured weight of the KL is the one that the loss was written with."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from helpers.losses.measured_weight import measured_kl_weight
from helpers.networks.dense import bayesian_network

RATE = 0.05


def descend(neural_net, kl_weight, images, num_steps):
    """Plain gradient descent on mean squared outputs + weight · KL, written out."""
    for _ in range(num_steps):
        with tf.GradientTape() as tape:
            data_term = tf.reduce_mean(neural_net(images) ** 2)
            loss = data_term + kl_weight * tf.add_n(neural_net.losses)
        gradients = tape.gradient(loss, neural_net.trainable_variables)
        for variable, gradient in zip(neural_net.trainable_variables, gradients, strict=True):
            variable.assign_sub(RATE * gradient)


@pytest.fixture
def neural_net():
    neural_net = bayesian_network([5, 3], seed=4)
    neural_net.build((None, 7))
    return neural_net


@pytest.mark.parametrize(("kl_weight", "num_steps"), [(1.0, 1), (6.0, 3), (0.01, 2), (0.0, 4)])
def test_the_weight_of_a_loop_is_found_in_every_layer(neural_net, kl_weight, num_steps):
    images = tf.zeros([2, 7])
    for layer in neural_net.layers:
        found = measured_kl_weight(
            layer,
            lambda: descend(neural_net, kl_weight, images, num_steps),
            learning_rate=RATE,
            num_steps=num_steps,
        )
        assert found == pytest.approx(kl_weight, rel=1e-2, abs=1e-6)


def test_what_fit_adds_by_itself_has_the_weight_one(neural_net):
    neural_net.compile(tf_keras.optimizers.SGD(RATE), "mse")
    blank, targets = np.zeros([4, 7]), np.ones([4, 3])
    weight = measured_kl_weight(
        neural_net.layers[0],
        lambda: neural_net.fit(blank, targets, epochs=2, verbose=0),
        learning_rate=RATE,
        num_steps=2,
    )
    assert weight == pytest.approx(1.0, rel=1e-4)


def test_steps_that_no_weight_explains_are_refused(neural_net):
    layer = neural_net.layers[0]
    loc = layer.trainable_variables[0]
    with pytest.raises(ValueError, match="smaller learning rate"):
        measured_kl_weight(layer, lambda: loc.assign(-loc), learning_rate=RATE)


def test_a_layer_without_variables_is_refused():
    layer = bayesian_network([5]).layers[0]
    with pytest.raises(ValueError, match="call the network once"):
        measured_kl_weight(layer, lambda: None, learning_rate=RATE)
