"""Pruning removes the weights with the lowest scores, and nothing else."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.losses.pruning import prune, signal_to_noise
from helpers.networks.dense import bayesian_network, plain_network

tfd, tfpl = tfp.distributions, tfp.layers
WIDTHS, NUM_FEATURES = [7, 3], 5
NUM_WEIGHTS = NUM_FEATURES * 7 + 7 * 3


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(11, NUM_FEATURES)).astype(np.float32)


@pytest.fixture
def neural_net(images):
    neural_net = bayesian_network(WIDTHS, seed=3)
    neural_net(images)
    return neural_net


def test_signal_to_noise_is_mean_over_scale_weight_by_weight(neural_net):
    # By hand from the variables: mean and untransformed scale of each kernel, biases left out.
    by_hand = []
    for layer in neural_net.layers:
        mean, untransformed_scale, _ = layer.get_weights()
        by_hand.append((np.abs(mean) / np.log1p(np.exp(untransformed_scale))).ravel())
    ratios = signal_to_noise(neural_net)
    assert ratios.shape == (NUM_WEIGHTS,)
    np.testing.assert_allclose(ratios, np.concatenate(by_hand), rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_share_with_the_lowest_scores_becomes_zero(neural_net, share):
    scores = np.random.default_rng(1).permutation(NUM_WEIGHTS)
    before = [layer.get_weights() for layer in neural_net.layers]
    prune(neural_net, scores, share)
    start = 0
    for layer, (mean, scale, bias) in zip(neural_net.layers, before, strict=True):
        own = scores[start : start + mean.size].reshape(mean.shape)
        start += mean.size
        removed = own < share * NUM_WEIGHTS  # the scores are the ranks 0, 1, 2, ...
        pruned_mean, pruned_scale, same_bias = layer.get_weights()
        np.testing.assert_array_equal(pruned_mean, np.where(removed, 0.0, mean))
        np.testing.assert_array_equal(pruned_scale[~removed], scale[~removed])
        assert layer.kernel_posterior.stddev().numpy()[removed].max(initial=0.0) < 1e-6
        np.testing.assert_array_equal(same_bias, bias)


def test_what_is_left_when_all_weights_are_silent_is_the_bias(neural_net, images):
    neural_net.layers[-1].bias_posterior.distribution.loc.assign([0.5, -1.0, 2.0])
    prune(neural_net, np.zeros(NUM_WEIGHTS), 1.0)
    expected = np.tile([0.5, -1.0, 2.0], (len(images), 1))
    np.testing.assert_allclose(neural_net(images), expected, atol=1e-4)


def test_a_pruned_network_computes_what_a_plain_one_with_zeros_does(neural_net, images):
    for layer in neural_net.layers:  # no noise anywhere, so that one call is exact
        layer.kernel_posterior.distribution.scale.pretransformed_input.assign(
            tf.fill(layer.kernel_posterior.event_shape, -14.0)
        )
    means = [layer.get_weights()[0] for layer in neural_net.layers]
    threshold = np.quantile(np.concatenate([np.abs(mean).ravel() for mean in means]), 0.5)
    plain = plain_network(WIDTHS)
    plain(images)
    for layer, mean in zip(plain.layers, means, strict=True):
        layer.set_weights([np.where(np.abs(mean) > threshold, mean, 0.0), np.zeros(mean.shape[1])])
    prune(neural_net, np.concatenate([np.abs(mean).ravel() for mean in means]), 0.5)
    np.testing.assert_allclose(neural_net(images), plain(images), atol=1e-4)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_no_share_is_refused(neural_net, share):
    with pytest.raises(ValueError, match="share is"):
        prune(neural_net, signal_to_noise(neural_net), share)


def test_a_wrong_number_of_scores_is_refused(neural_net):
    with pytest.raises(ValueError, match=f"the network has {NUM_WEIGHTS} weights with a posterior"):
        prune(neural_net, np.zeros(NUM_WEIGHTS + 1), 0.5)


def test_a_posterior_of_another_kind_has_scores_and_is_not_pruned(images):
    def posterior(kernel, bias, dtype=None):
        size = kernel + bias
        normal = tfpl.DistributionLambda(
            lambda t: tfd.Independent(tfd.Normal(t[:size], 0.1 + tf.nn.softplus(t[size:])), 1)
        )
        return tf_keras.Sequential([tfpl.VariableLayer(2 * size, initializer="normal"), normal])

    def prior(kernel, bias, dtype=None):
        return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel + bias), 1.0), 1)

    network = tf_keras.Sequential([tfpl.DenseVariational(3, posterior, prior, name="vector")])
    network(images)
    mean, rho = np.split(network.get_weights()[0], 2)
    ratios = signal_to_noise(network)
    np.testing.assert_allclose(ratios, np.abs(mean) / (0.1 + np.log1p(np.exp(rho))), rtol=1e-5)
    before = network.get_weights()
    with pytest.raises(
        ValueError, match=r"layer vector is not of TFP's default kind.*set them you"
    ):
        prune(network, ratios, 0.5)
    np.testing.assert_array_equal(before[0], network.get_weights()[0])
