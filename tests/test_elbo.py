"""The two terms of the ELBO and their sum, against loops over examples in float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from helpers.networks.dense import bayesian_network, plain_network
from helpers.training.elbo import elbo, kl_divergence, negative_log_likelihood

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(7, 5)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0, 2, 2], np.int32)


@pytest.fixture(scope="module")
def neural_net():
    neural_net = bayesian_network([4, 3])
    neural_net(IMAGES)
    return neural_net


def test_the_negative_log_likelihood_is_a_mean_over_examples_in_nats():
    logits = RNG.normal(size=(7, 3))
    per_example = []
    for row, label in zip(logits, LABELS, strict=True):
        per_example.append(math.log(sum(math.exp(z) for z in row)) - row[label])
    value = negative_log_likelihood(tf.constant(logits), tf.constant(LABELS))
    assert float(value) == pytest.approx(sum(per_example) / 7, rel=1e-12)


def test_equal_logits_cost_the_log_of_the_number_of_classes():
    value = negative_log_likelihood(tf.zeros([7, 3]), tf.constant(LABELS))
    assert float(value) == pytest.approx(math.log(3), rel=1e-6)


def test_large_logits_stay_finite():
    value = negative_log_likelihood(tf.constant([[1000.0, 0.0, -1000.0]]), tf.constant([2]))
    assert float(value) == pytest.approx(2000.0)


def test_the_kl_is_the_sum_over_layers_and_not_per_example(neural_net):
    expected = 0.0
    for layer in neural_net.layers:
        mean, stddev = (
            layer.kernel_posterior.mean().numpy(),
            layer.kernel_posterior.stddev().numpy(),
        )
        for mu, sigma in zip(mean.ravel(), stddev.ravel(), strict=True):
            expected += 0.5 * (float(mu) ** 2 + float(sigma) ** 2 - 1) - math.log(float(sigma))
    for batch in (IMAGES, IMAGES[:1]):
        neural_net(batch)
        assert float(kl_divergence(neural_net)) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_the_kl_in_the_means_is_the_means(neural_net):
    mean = neural_net.layers[0].trainable_weights[0]
    with tf.GradientTape() as tape:
        neural_net(IMAGES)
        kl = kl_divergence(neural_net)
    np.testing.assert_allclose(tape.gradient(kl, mean), mean, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: bayesian_network([3]), lambda: plain_network([3])])
def test_empty_losses_do_not_pass_for_a_kl_of_zero(make):
    with pytest.raises(ValueError, match=r"losses is empty.*Call the network on the batch before"):
        kl_divergence(make())


def test_the_elbo_is_minus_n_times_the_mean_nll_minus_the_kl():
    assert elbo(tf.constant(0.25), tf.constant(11.0), num_examples=40).numpy() == -21.0


def test_equal_batches_estimate_the_elbo_of_the_whole_data_on_average():
    logits, kl = RNG.normal(size=(6, 3)), 2.5
    labels = tf.constant(LABELS[:6])
    whole = elbo(negative_log_likelihood(tf.constant(logits), labels), kl, num_examples=6)
    batches = [
        elbo(negative_log_likelihood(tf.constant(logits[i : i + 2]), labels[i : i + 2]), kl, 6)
        for i in (0, 2, 4)
    ]
    assert float(np.mean(batches)) == pytest.approx(float(whole), rel=1e-12)
