"""The autoencoder: its likelihood is a probability, and its parts are those it was given."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.networks.vae import (
    binomial_log_likelihood,
    binomial_log_likelihood_of_pairs,
    binomial_vae,
    code_prior,
    encode,
)

RNG = np.random.default_rng(8)
COUNTS = RNG.integers(0, 17, size=(5, 3)).astype(np.float32)
LOGITS = RNG.normal(size=(4, 3)).astype(np.float32)


def by_hand(counts, logits):
    total = 0.0
    for count, logit in zip(counts.tolist(), logits.tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        total += math.log(math.comb(16, int(count)) * p**count * (1 - p) ** (16 - count))
    return total


def test_likelihood_is_that_of_sixteen_dots_a_pixel():
    logits = RNG.normal(size=(7, 5, 3)).astype(np.float32)
    value = binomial_log_likelihood(COUNTS, logits).numpy()
    assert value.shape == (7, 5)
    for draw, image in itertools.product(range(7), range(5)):
        expected = by_hand(COUNTS[image], logits[draw, image])
        assert value[draw, image] == pytest.approx(expected, rel=1e-5)


def test_probabilities_of_all_grey_levels_add_to_one():
    levels = np.arange(17, dtype=np.float32)[:, None]
    value = binomial_log_likelihood(levels, np.full((17, 1), 0.7, np.float32))
    assert np.exp(value).sum() == pytest.approx(1.0, rel=1e-5)


def test_pairs_are_every_image_under_every_code():
    value = binomial_log_likelihood_of_pairs(COUNTS, tf.constant(LOGITS)).numpy()
    assert value.shape == (4, 5)
    for code, image in itertools.product(range(4), range(5)):
        assert value[code, image] == pytest.approx(by_hand(COUNTS[image], LOGITS[code]), rel=1e-5)


def test_network_goes_from_images_through_a_code_to_logits():
    vae = binomial_vae([tfp.layers.IndependentNormal(2)], width=6, num_pixels=3, seed=4)
    images = COUNTS / 16
    assert vae(images).shape == (5, 3)
    parameters = vae.get_layer("encoder")(images).numpy()
    posterior = encode(vae, images)
    np.testing.assert_allclose(posterior.mean(), parameters[:, :2], rtol=1e-6)
    np.testing.assert_allclose(posterior.stddev(), np.log1p(np.exp(parameters[:, 2:])), rtol=1e-5)
    assert posterior.event_shape == code_prior().event_shape == (2,)


def test_seed_decides_the_initial_weights():
    def start(seed):
        vae = binomial_vae([tfp.layers.IndependentNormal(2)], num_pixels=3, seed=seed)
        vae(COUNTS)
        return vae.get_weights()[0]

    np.testing.assert_array_equal(start(3), start(3))
    assert np.abs(start(3) - start(4)).max() > 0.01


def test_decoder_may_be_given():
    options = {
        "kernel_posterior_fn": gaussian_posterior(0),
        "bias_posterior_fn": point_posterior(),
    }
    decoder = [tfp.layers.DenseFlipout(3, **options)]
    vae = binomial_vae([tf_keras.layers.Dense(2)], decoder_layers=decoder)
    assert vae(COUNTS).shape == (5, 3)
    assert len(vae.losses) == 1
