"""Where the posteriors start, and that no two layers start alike unless told to."""

import numpy as np
import pytest
import tensorflow_probability as tfp

from helpers.networks.posteriors import gaussian_posterior, point_posterior

tfd = tfp.distributions


def start(posterior_fn=None, shape=(7, 5), layer_class=tfp.layers.DenseReparameterization):
    """The initial means and untransformed scales of a layer from shape[0] to shape[1]."""
    options = {} if posterior_fn is None else {"kernel_posterior_fn": posterior_fn}
    options["bias_posterior_fn"] = point_posterior()
    layer = layer_class(shape[1], **options)
    layer.build((None, shape[0]))
    values = {weight.name.split("/")[-1]: weight.numpy() for weight in layer.trainable_weights}
    return values["kernel_posterior_loc:0"], values["kernel_posterior_untransformed_scale:0"]


@pytest.mark.filterwarnings("ignore:The initializer RandomNormal is unseeded")
def test_the_default_of_tfp_0_25_starts_two_layers_identical():
    """The trap that chapter 3 shows. It documents TFP 0.25: when this fails, TFP has mended it.

    Then the paragraph about shared initialisers in the chapter and in ``gaussian_posterior`` is
    history and has to say so.
    """
    first, second = start(), start(layer_class=tfp.layers.DenseFlipout)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    wider = start(shape=(4, 11))[0]
    np.testing.assert_array_equal(wider.ravel()[:35], first[0].ravel())


def test_all_streams_of_neighbouring_seeds_are_unrelated():
    streams = [
        part.ravel() for seed in range(4) for part in start(gaussian_posterior(seed), (60, 50))
    ]
    correlations = np.corrcoef(streams)[np.triu_indices(8, k=1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(3000)


def test_the_seed_fixes_the_start():
    for first, again in zip(
        start(gaussian_posterior(6)), start(gaussian_posterior(6)), strict=True
    ):
        np.testing.assert_array_equal(first, again)


def test_starts_with_means_near_zero_and_standard_deviations_near_a_twentieth():
    mean, untransformed_scale = start(gaussian_posterior(1), (200, 150))
    assert mean.mean() == pytest.approx(0.0, abs=0.003)
    assert mean.std() == pytest.approx(0.1, rel=0.02)
    assert untransformed_scale.mean() == pytest.approx(-3.0, abs=0.003)
    assert untransformed_scale.std() == pytest.approx(0.1, rel=0.02)
    assert np.log1p(np.exp(untransformed_scale)).mean() == pytest.approx(0.0487, rel=0.01)


def test_is_a_gaussian_with_softplus_of_the_untransformed_scale():
    layer = tfp.layers.DenseReparameterization(
        5, kernel_posterior_fn=gaussian_posterior(2), bias_posterior_fn=point_posterior()
    )
    layer.build((None, 7))
    mean, untransformed_scale = start(gaussian_posterior(2))
    assert isinstance(layer.kernel_posterior.distribution, tfd.Normal)
    np.testing.assert_array_equal(layer.kernel_posterior.mean(), mean)
    stddev = np.log1p(np.exp(untransformed_scale.astype(np.float64)))
    np.testing.assert_allclose(layer.kernel_posterior.stddev(), stddev, rtol=1e-5)


def test_a_point_posterior_is_one_trainable_value_without_a_loss_and_starts_at_zero():
    layer = tfp.layers.DenseReparameterization(
        5, kernel_posterior_fn=gaussian_posterior(2), bias_posterior_fn=point_posterior()
    )
    layer(np.ones((7, 4), np.float32))
    biases = [weight for weight in layer.trainable_weights if "bias" in weight.name]
    assert [weight.shape.as_list() for weight in biases] == [[5]]
    np.testing.assert_array_equal(biases[0], np.zeros(5))
    assert isinstance(layer.bias_posterior.distribution, tfd.Deterministic)
    assert len(layer.losses) == 1
