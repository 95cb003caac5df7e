"""The Bayesian network and the plain one: shapes, names, and distinct, repeatable starts."""

import numpy as np
import pytest
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.dense import bayesian_network, plain_network

IMAGES = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


def built(make, **options):
    neural_net = make([5, 5, 3], **options)
    neural_net(IMAGES)
    return neural_net


def start(neural_net):
    return [weight.numpy() for weight in neural_net.trainable_weights]


def equal(first, second):
    return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]


@pytest.fixture(scope="module")
def bayesian():
    return built(bayesian_network, seed=1)


@pytest.mark.parametrize("make", [bayesian_network, plain_network])
def test_layers_have_the_given_widths_names_and_activations(make):
    neural_net = built(make)
    assert [layer.name for layer in neural_net.layers] == ["hidden_1", "hidden_2", "logits"]
    assert [layer.units for layer in neural_net.layers] == [5, 5, 3]
    names = [layer.activation.__name__ for layer in neural_net.layers]
    assert names == ["relu", "relu", "linear"]
    assert neural_net(IMAGES).shape == (7, 3)


@pytest.mark.parametrize("make", [bayesian_network, plain_network])
def test_is_not_built_and_has_no_losses_before_the_first_call(make):
    neural_net = make([4, 3])
    assert not neural_net.built
    assert neural_net.losses == []


def test_every_bayesian_layer_has_a_mean_and_a_scale_per_weight_and_a_bias_from_zero(bayesian):
    shapes = [weight.shape for weight in start(bayesian)]
    assert shapes == [(5, 5), (5, 5), (5,), (5, 5), (5, 5), (5,), (5, 3), (5, 3), (3,)]
    for bias in start(bayesian)[2::3]:
        np.testing.assert_array_equal(bias, np.zeros_like(bias))
    assert len(bayesian.losses) == 3


@pytest.mark.parametrize("make", [bayesian_network, plain_network])
def test_equal_shaped_layers_start_different(make):
    kernels = [weight for weight in start(built(make)) if weight.shape == (5, 5)]
    for index, kernel in enumerate(kernels):
        assert not any(np.isin(kernel, other).any() for other in kernels[index + 1 :])


@pytest.mark.parametrize("make", [bayesian_network, plain_network])
def test_the_seed_fixes_the_start_of_every_layer(make):
    tf_keras.utils.set_random_seed(11)
    first = start(built(make, seed=1))
    tf_keras.utils.set_random_seed(12)
    assert all(equal(first, start(built(make, seed=1))))
    kernels = [weight.ndim == 2 for weight in first]
    differ = [not same for same in equal(first, start(built(make, seed=2)))]
    assert differ == kernels  # all but the biases, which start at zero


@pytest.mark.filterwarnings("ignore:The initializer RandomNormal is unseeded")
def test_the_default_posterior_of_tfp_0_25_ignores_seeds_and_starts_equal_layers_identical():
    """The trap beside the cure. It documents TFP 0.25: when this fails, TFP has mended it.

    The chapter that shows the trap and the docstring of ``gaussian_posterior`` then need a change.
    """
    layers = [tfp.layers.DenseFlipout(5) for _ in range(2)]
    tf_keras.utils.set_random_seed(1)
    layers[0](IMAGES)
    tf_keras.utils.set_random_seed(2)
    layers[1](IMAGES)
    assert all(equal(start(layers[0]), start(layers[1])))


def test_layer_options_reach_every_layer():
    def half(posterior, prior, _):
        return 0.5 * tfp.distributions.kl_divergence(posterior, prior)

    neural_net = built(bayesian_network, seed=1, kernel_divergence_fn=half)
    whole = built(bayesian_network, seed=1)
    np.testing.assert_allclose(neural_net.losses, [0.5 * kl for kl in whole.losses], rtol=1e-6)


def test_layer_options_come_before_the_book_s_own_choice():
    default = tfp.layers.default_mean_field_normal_fn
    options = {"bias_posterior_fn": default(is_singular=True, loc_initializer="ones")}
    np.testing.assert_array_equal(start(built(bayesian_network, **options))[2], np.ones(5))


@pytest.mark.parametrize("name", ["DenseReparameterization", "DenseLocalReparameterization"])
def test_the_layer_class_changes_neither_the_start_nor_the_losses(name, bayesian):
    neural_net = built(bayesian_network, seed=1, layer_class=getattr(tfp.layers, name))
    assert {type(layer).__name__ for layer in neural_net.layers} == {name}
    assert all(equal(start(neural_net), start(bayesian)))
    np.testing.assert_array_equal(neural_net.losses, bayesian.losses)


def test_the_plain_network_starts_by_glorot_s_rule_and_has_no_losses():
    neural_net = plain_network([200, 3])
    neural_net(np.zeros((7, 100), np.float32))
    kernel = neural_net.layers[0].kernel.numpy()
    limit = np.sqrt(6 / (100 + 200))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert neural_net.losses == []


@pytest.mark.parametrize("make", [bayesian_network, plain_network])
@pytest.mark.parametrize("widths", [[], [5, 0], [-4, 3], [5, 2.5]])
def test_widths_that_are_not_positive_whole_numbers_are_refused(make, widths):
    with pytest.raises(ValueError, match=r"one positive whole number per layer.*\[64, 64, 10\]"):
        make(widths)


def test_layer_options_reach_every_layer_of_the_plain_network():
    neural_net = plain_network([4, 3], kernel_regularizer=tf_keras.regularizers.L2(0.5))
    neural_net(np.ones((2, 6), np.float32))
    expected = [0.5 * np.sum(layer.kernel.numpy() ** 2) for layer in neural_net.layers]
    np.testing.assert_allclose(neural_net.losses, expected, rtol=1e-6)
