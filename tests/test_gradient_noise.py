"""Noise of gradients: against a linear layer, whose variances are known in closed form."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.posteriors import gaussian_posterior
from helpers.training.gradient_noise import (
    gradient_noise,
    make_gradient_sampler,
    output_draws,
    ratio_interval,
)

CLASSES = ("DenseReparameterization", "DenseFlipout", "DenseLocalReparameterization")
INPUTS = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
LABELS = np.zeros(6, np.int32)
PATH = np.array([0.5, -2.0], np.float32)  # what the linear loss weighs the two outputs by


def linear_layer(class_name):
    layer = getattr(tfp.layers, class_name)(
        2, kernel_posterior_fn=gaussian_posterior(seed=5), bias_posterior_fn=None
    )
    neural_net = tf_keras.Sequential([layer])
    neural_net(INPUTS)
    rho = layer.trainable_variables[1].numpy().astype(float)
    slope = 1 / (1 + np.exp(-rho))  # of softplus
    return neural_net, np.log1p(np.exp(rho)), slope


def squared_loss(outputs, labels):
    return tf.reduce_mean(tf.reduce_sum(outputs**2, axis=1)) / 2


def linear_loss(outputs, labels):
    return tf.reduce_mean(tf.linalg.matvec(outputs, PATH))


def variance(values):
    """Total variance over draws, with its standard error."""
    squared = np.square(values - values.mean(axis=0)).sum(axis=1) * len(values) / (len(values) - 1)
    return squared.mean(), squared.std(ddof=1) / np.sqrt(len(squared))


def all_examples(num_draws):
    return np.tile(np.arange(len(INPUTS)), (num_draws, 1))


def variance_of_means(class_name, stddev):
    """Of the gradient of the squared loss for the means, worked out by hand."""
    x = INPUTS.astype(float)
    if class_name == "DenseReparameterization":  # X'X/B (M + noise): one noise for all examples
        gram = x.T @ x / len(x)
        return (gram**2 @ stddev**2).sum()
    return ((x**2).T @ (x**2) @ stddev**2).sum() / len(x) ** 2  # each example has its own


def variance_of_scales(class_name, stddev, slope):
    """Of the gradient of the linear loss for the untransformed scales, worked out by hand."""
    x = INPUTS.astype(float)
    if class_name == "DenseReparameterization":  # mean input times the noise of the weight
        return (np.outer(x.mean(axis=0), PATH) ** 2 * slope**2).sum()
    if class_name == "DenseFlipout":  # signs of its own for each example
        return (np.outer((x**2).sum(axis=0), PATH**2) * slope**2).sum() / len(x) ** 2
    output_variance = x**2 @ stddev**2  # [batch, outputs]
    parts = [
        (x[:, [i]] ** 2 * stddev[i] * slope[i]) ** 2 / output_variance for i in range(x.shape[1])
    ]
    return (np.sum(parts, axis=(0, 1)) * PATH**2).sum() / len(x) ** 2


@pytest.mark.parametrize("class_name", CLASSES)
def test_noise_of_means_is_the_closed_form_of_a_linear_layer(class_name):
    neural_net, stddev, _ = linear_layer(class_name)
    sampler = make_gradient_sampler(neural_net, INPUTS, LABELS, loss=squared_loss, seed=1)
    measured, error = variance(sampler(all_examples(3000)).means)
    assert error < 0.05 * measured
    assert abs(measured - variance_of_means(class_name, stddev)) < 4 * error


@pytest.mark.parametrize("class_name", CLASSES)
def test_noise_of_scales_is_the_closed_form_of_a_linear_layer(class_name):
    neural_net, stddev, slope = linear_layer(class_name)
    sampler = make_gradient_sampler(neural_net, INPUTS, LABELS, loss=linear_loss, seed=1)
    draws = sampler(all_examples(3000))
    measured, error = variance(draws.scales)
    assert abs(measured - variance_of_scales(class_name, stddev, slope)) < 4 * error
    np.testing.assert_allclose(draws.means, draws.means[:1].repeat(3000, axis=0))  # linear


def test_pairs_measure_the_weights_alone_and_steps_the_batches_too():
    neural_net, stddev, _ = linear_layer("DenseReparameterization")
    sampler = make_gradient_sampler(neural_net, INPUTS, LABELS, loss=squared_loss, seed=2)
    table = gradient_noise(sampler, len(INPUTS), {1: 500, 6: 1500}, seed=7)
    assert table.groupby(["batch_size", "part"]).size().to_dict() == {
        (1, "means"): 500,
        (1, "scales"): 500,
        (6, "means"): 1500,
        (6, "scales"): 1500,
    }
    means = table[table["part"] == "means"].groupby("batch_size")
    average, error = means.mean(numeric_only=True), means.sem(numeric_only=True)
    exact = variance_of_means("DenseReparameterization", stddev)
    # A batch of all examples leaves no choice, so both columns hold the noise of the weights.
    for column in ("weight_noise", "step_noise"):
        assert abs(average.loc[6, column] - exact) < 4 * error.loc[6, column]
    assert average.loc[1, "step_noise"] > 2 * average.loc[1, "weight_noise"]


def test_the_same_seed_chooses_the_same_batches():
    seen = []

    def sampler(batches):
        seen.append(batches)
        return make_gradient_sampler(linear_layer("DenseFlipout")[0], INPUTS, LABELS)(batches)

    for seed in (1, 1, 2):
        gradient_noise(sampler, len(INPUTS), {3: 4}, seed=seed)
    assert (seen[0] == seen[1]).all()
    assert (seen[0] != seen[2]).any()
    assert seen[0].shape == (8, 3)
    assert (seen[0][::2] == seen[0][1::2]).all()
    assert all(len(set(batch)) == 3 for batch in seen[0])


def test_sampling_leaves_values_in_losses():
    neural_net, _, _ = linear_layer("DenseFlipout")
    before = float(neural_net.losses[0])
    make_gradient_sampler(neural_net, INPUTS, LABELS)
    assert float(neural_net.losses[0]) == before


def test_a_network_without_kernel_variables_is_refused():
    layer = tf_keras.layers.Dense(2)
    neural_net = tf_keras.Sequential([layer])
    neural_net(INPUTS)
    with pytest.raises(ValueError, match="no kernel means and scales"):
        make_gradient_sampler(neural_net, INPUTS, LABELS)


def test_ratio_interval_covers_the_true_ratio_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for repeat in range(200):
        scale = rng.gamma(2.0, size=150)  # common to both, as a batch is
        above, below = 3 * scale * rng.gamma(4.0, size=150), scale * rng.gamma(4.0, size=150)
        interval = ratio_interval(above, below, num_resamples=300, seed=repeat)
        assert interval.low < interval.value < interval.high
        covered += interval.low < 3 < interval.high
    assert 0.88 * 200 < covered < 200


def test_measurements_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        ratio_interval([1, 2, 3], [1, 2])


@pytest.mark.parametrize("class_name", CLASSES)
def test_output_draws_have_the_mean_and_spread_of_the_layer(class_name):
    neural_net, stddev, _ = linear_layer(class_name)
    draws = output_draws(neural_net, INPUTS, 4000, seed=1)
    assert draws.shape == (4000, 6, 2)
    mean = INPUTS @ neural_net.layers[0].kernel_posterior.mean().numpy()
    spread = np.sqrt(INPUTS.astype(float) ** 2 @ stddev**2)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=4 * spread.max() / np.sqrt(4000))
    np.testing.assert_allclose(draws.std(axis=0), spread, rtol=0.06)
    assert float(neural_net.losses[0]) > 0  # a value, not a graph tensor
