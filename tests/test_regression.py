"""Regression from the data to the intervals: the trainer reaches the exact bound, and intervals
cover what they say. SEEDS=20 takes more seeds than the three of every run.
"""

import os

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.data.diabetes import load_diabetes_standardised
from helpers.exact.linear_regression import (
    FactorisedGaussian,
    best_factorised_gaussian,
    exact_posterior,
    factorised_elbo,
)
from helpers.prediction.predict import predict_by_draws
from helpers.training.train import train_by_elbo

tfd, tfpl = tfp.distributions, tfp.layers
SEEDS = range(int(os.environ.get("SEEDS", "3")))
LEVELS = (0.5, 0.8, 0.95)
STEPS = 800


class NoiseColumn(tf_keras.layers.Layer):
    """Put the one learned number of the noise beside each mean."""

    def build(self, shape):
        self.raw = self.add_weight("raw", (), initializer="zeros")

    def call(self, means):
        return tf.concat([means, tf.fill(tf.shape(means), self.raw)], axis=-1)


def linear_network(seed):
    """A linear regression without bias, prior N(0, 1), its noise learned."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)
    end = lambda t: tfd.Normal(t[..., :1], tf.nn.softplus(t[..., 1:]))  # noqa: E731
    dense = tfpl.DenseLocalReparameterization(1, bias_posterior_fn=None)
    return tf_keras.Sequential([dense, NoiseColumn(), tfpl.DistributionLambda(end)])


def trained(features, targets, seed):
    """The network after full batches with a rate that falls to 0, and the history."""
    network = linear_network(seed)
    rate = tf_keras.optimizers.schedules.CosineDecay(0.05, STEPS)
    history = train_by_elbo(
        network,
        features,
        targets[:, None],
        num_epochs=STEPS,
        batch_size=len(features),
        optimizer=tf_keras.optimizers.Adam(rate),
        seed=seed,
        jit_compile=False,
        progress=False,
    )
    return network, history


def learned(network):
    """Posterior and noise of a trained network, float64."""
    q = network.layers[0].kernel_posterior
    moments = (x.numpy().astype(float)[:, 0] for x in (q.mean(), q.stddev()))
    noise = np.logaddexp(0, float(network.layers[1].raw))
    return FactorisedGaussian(*moments), float(noise)


def best_bound(features, targets):
    """The highest ELBO of independent Gaussians, over the noise too, and that noise."""

    def negative(log_noise):
        noise = float(np.exp(log_noise))
        best = best_factorised_gaussian(exact_posterior(features, targets, noise))
        return -factorised_elbo(features, targets, noise, best)

    found = scipy.optimize.minimize_scalar(negative, bounds=(-3, 2), method="bounded")
    return -found.fun, float(np.exp(found.x))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_trainer_reaches_the_exact_bound_on_diabetes(seed):
    features, targets, _ = load_diabetes_standardised()
    bound, noise = best_bound(features, targets)
    network, history = trained(features, targets, seed)
    q, found = learned(network)
    lost = bound - factorised_elbo(features, targets, found, q)
    assert -1e-3 < lost < 0.02, "nats below a bound of about -500: 0.002 to 0.005 on six seeds"
    assert found == pytest.approx(noise, rel=0.005), "within 0.1 % on six seeds"
    last = history["elbo"].tail(200)
    error = last.std() / np.sqrt(len(last))
    assert last.mean() == pytest.approx(bound, abs=4 * error)


def coverage(parts):
    """Of each level, the share of held-out targets inside, over (network, inputs, targets)."""
    inside = {level: [] for level in LEVELS}
    for network, features, targets, seed in parts:
        predictions = predict_by_draws(network, features, 200, seed=seed)
        for level in LEVELS:
            low, high = predictions.interval(level)
            y = targets[:, None]
            inside[level] += list(np.ravel((low <= y) & (y <= high)))
    return {level: (np.mean(hits), len(hits)) for level, hits in inside.items()}


def assert_as_wide_as_in_closed_form(network, features, seed):
    """Noise and weights are independent: the variances of noise and mean add up."""
    q, noise = learned(network)
    stddev = np.sqrt(noise**2 + features**2 @ q.stddev**2)
    predictions = predict_by_draws(network, features, 200, seed=seed)
    for level in LEVELS:
        low, high = predictions.interval(level)
        width = 2 * scipy.stats.norm.ppf(0.5 + level / 2) * stddev
        assert np.mean((high - low)[:, 0] / width) == pytest.approx(1, abs=0.01)


def assert_covered(found, noise_error):
    """Within 4 standard errors: of the share, and of a noise that was learned from few data.

    A noise that is off by a share r moves the coverage of a level by r · 2 z φ(z).
    """
    for level, (share, count) in found.items():
        z = scipy.stats.norm.ppf(0.5 + level / 2)
        slope = 2 * z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        error = np.sqrt(level * (1 - level) / count + (slope * noise_error) ** 2)
        assert share == pytest.approx(level, abs=4 * error), (level, error)


def test_intervals_cover_what_they_say_on_data_of_the_model():
    size, held_out, noise = 150, 400, 0.6
    parts = []
    for seed in SEEDS:
        rng = np.random.default_rng(100 + seed)
        x = rng.normal(size=(size + held_out, 5))
        y = x @ rng.normal(size=5) + noise * rng.normal(size=size + held_out)
        network, _ = trained(x[:size], y[:size], seed)
        assert_as_wide_as_in_closed_form(network, x[size:], seed)
        parts.append((network, x[size:], y[size:], seed))
    assert_covered(coverage(parts), 1 / np.sqrt(2 * size * len(SEEDS)))


def test_intervals_cover_what_they_say_on_held_out_patients():
    features, targets, _ = load_diabetes_standardised()
    parts = []
    for seed in SEEDS:
        order = np.random.default_rng(200 + seed).permutation(len(targets))
        seen, held_out = order[:300], order[300:]
        network, _ = trained(features[seen], targets[seen], seed)
        parts.append((network, features[held_out], targets[held_out], seed))
    found = coverage(parts)
    # Patients are few and the splits overlap: count each held-out one once.
    once = {level: (share, min(count, len(targets))) for level, (share, count) in found.items()}
    assert_covered(once, 1 / np.sqrt(2 * 300))
