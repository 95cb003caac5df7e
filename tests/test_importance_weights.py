"""Bounds and grids against a linear Gaussian model, whose log p(x) is known."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from helpers.exact.importance_weights import (
    code_grid,
    importance_weighted_bound,
    log_evidence_on_grid,
    log_importance_weights,
)

tfd = tfp.distributions
# x = loadings z + noise, with z from N(0, I) in the plane and three numbers in x.
LOADINGS = np.array([[1.0, 0.3], [-0.5, 0.8], [0.2, -1.1]])
NOISE = 0.7
X = np.random.default_rng(3).normal(size=(4, 3))
EXACT = scipy.stats.multivariate_normal(
    np.zeros(3), LOADINGS @ LOADINGS.T + NOISE**2 * np.eye(3)
).logpdf(X)


def log_joint(codes):
    # codes [..., 4, 2] ↦ [..., 4]
    means = tf.linalg.matvec(LOADINGS, codes)
    likelihood = tfd.Independent(tfd.Normal(means, np.float64(NOISE)), 1).log_prob(X)
    return likelihood + tfd.MultivariateNormalDiag(tf.zeros(2, tf.float64)).log_prob(codes)


def exact_posterior():
    precision = np.eye(2) + LOADINGS.T @ LOADINGS / NOISE**2
    covariance = np.linalg.inv(precision)
    means = X @ LOADINGS @ covariance / NOISE**2
    return tfd.MultivariateNormalTriL(means, np.linalg.cholesky(covariance)), means, covariance


def test_with_the_exact_posterior_each_draw_gives_the_log_evidence():
    posterior, _, _ = exact_posterior()
    log_weights = log_importance_weights(posterior, log_joint, 7, chunk=3)
    assert log_weights.shape == (7, 4)
    np.testing.assert_allclose(log_weights, np.tile(EXACT, (7, 1)), rtol=1e-9)


def test_mean_weight_is_the_elbo_and_the_gap_the_kl_to_the_exact_posterior():
    _, means, covariance = exact_posterior()
    stddev = 1.3 * np.sqrt(np.diag(covariance))
    posterior = tfd.MultivariateNormalDiag(means + 0.2, np.tile(stddev, (4, 1)))
    exact = tfd.MultivariateNormalTriL(means, np.linalg.cholesky(covariance))
    gap = tfd.kl_divergence(posterior, exact).numpy()
    log_weights = log_importance_weights(posterior, log_joint, 4000, chunk=1500)
    error = log_weights.std(axis=0) / np.sqrt(4000)
    assert (np.abs(log_weights.mean(axis=0) - (EXACT - gap)) < 4 * error).all()
    means_by_size = [importance_weighted_bound(log_weights, s).mean(0) for s in (1, 10, 100, 4000)]
    assert (np.diff(means_by_size, axis=0) >= 0).all()
    np.testing.assert_allclose(means_by_size[-1], EXACT, atol=0.1)


def test_bound_is_the_log_of_the_mean_weight_of_each_group():
    log_weights = np.log(np.arange(1.0, 13.0)).reshape(6, 2)
    weights = np.exp(log_weights)
    bounds = importance_weighted_bound(log_weights, 3)
    expected = np.log([weights[:3].mean(axis=0), weights[3:].mean(axis=0)])
    np.testing.assert_allclose(bounds, expected, rtol=1e-12)


def test_groups_must_fit():
    with pytest.raises(ValueError, match="groups of 4"):
        importance_weighted_bound(np.zeros((6, 2)), 4)


def test_draws_follow_the_seed_and_not_the_order_of_calls():
    means = exact_posterior()[1]
    wide = tfd.MultivariateNormalDiag(means, np.ones((4, 2)))
    first, again, other = (log_importance_weights(wide, log_joint, 5, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_grid_integrates_to_the_log_evidence():
    def on_grid(codes):  # [points, 2] ↦ [points, 4]
        return log_joint(tf.cast(codes, tf.float64)[:, None, :])

    value = log_evidence_on_grid(on_grid, half_width=7.0, num_points=141, chunk=3001)
    np.testing.assert_allclose(value, EXACT, rtol=1e-5)


def test_grid_is_square_and_centred():
    codes, area = code_grid(3.0, 7)
    assert codes.shape == (49, 2)
    assert area == pytest.approx(1.0)
    np.testing.assert_allclose(codes.mean(axis=0), 0.0, atol=1e-6)
    assert codes.min() == -3.0
    assert codes.max() == 3.0
