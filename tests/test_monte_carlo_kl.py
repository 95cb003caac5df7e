"""The Monte Carlo estimate of the KL: right on average, with an honest standard error."""

import numpy as np
import pytest
import scipy.stats
import tensorflow_probability as tfp

from helpers.losses.gaussian_kl import gaussian_kl, kl_by_quadrature, log_normal_density
from helpers.losses.monte_carlo_kl import monte_carlo_kl

tfd = tfp.distributions
MEAN = np.array([0.3, -1.0, 0.0, 0.8, 0.1])
STDDEV = np.array([0.5, 0.2, 1.5, 0.9, 1.0])


def weights_distribution(mean, stddev):
    return tfd.Independent(tfd.Normal(mean, stddev), 1)


POSTERIOR = weights_distribution(MEAN, STDDEV)
PRIOR = weights_distribution(np.zeros(5), np.full(5, 1.3))


def test_is_the_mean_log_ratio_over_its_draws_with_the_error_of_a_mean():
    weights = POSTERIOR.sample(70, seed=(0, 4)).numpy()
    log_ratio = scipy.stats.norm.logpdf(weights, MEAN, STDDEV) - scipy.stats.norm.logpdf(
        weights, 0.0, 1.3
    )
    per_draw = log_ratio.sum(axis=1)
    estimate = monte_carlo_kl(POSTERIOR, PRIOR, num_draws=70, seed=4)
    assert estimate.value == pytest.approx(per_draw.mean(), rel=1e-10)
    assert estimate.standard_error == pytest.approx(scipy.stats.sem(per_draw), rel=1e-10)


def test_lies_within_its_error_of_the_closed_form():
    exact = gaussian_kl(MEAN, STDDEV, 0.0, 1.3).sum()
    estimate = monte_carlo_kl(POSTERIOR, PRIOR, num_draws=200_000, seed=0)
    assert abs(estimate.value - exact) < 4 * estimate.standard_error
    assert estimate.standard_error < 0.01 * exact


def test_needs_no_closed_form():
    prior = tfd.Laplace(np.float64(0.0), 1.3)
    exact = kl_by_quadrature(
        log_normal_density(0.8, 0.6), scipy.stats.laplace(0.0, 1.3).logpdf, -8.0, 8.0
    )
    estimate = monte_carlo_kl(tfd.Normal(np.float64(0.8), 0.6), prior, num_draws=100_000, seed=2)
    assert abs(estimate.value - exact) < 4 * estimate.standard_error


def test_a_hundred_times_the_draws_divide_the_error_by_ten():
    few = monte_carlo_kl(POSTERIOR, PRIOR, num_draws=2_000, seed=1)
    many = monte_carlo_kl(POSTERIOR, PRIOR, num_draws=200_000, seed=1)
    assert few.standard_error / many.standard_error == pytest.approx(10.0, rel=0.1)


def test_equal_distributions_give_exactly_zero():
    assert monte_carlo_kl(PRIOR, PRIOR, num_draws=9, seed=0) == (0.0, 0.0)


def test_the_seed_fixes_the_draws():
    first, again, other = (monte_carlo_kl(POSTERIOR, PRIOR, 50, seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_float32_distributions_give_python_floats():
    posterior = weights_distribution(MEAN.astype(np.float32), STDDEV.astype(np.float32))
    prior = weights_distribution(np.zeros(5, np.float32), np.ones(5, np.float32))
    estimate = monte_carlo_kl(posterior, prior, num_draws=10, seed=0)
    assert [type(part) for part in estimate] == [float, float]


@pytest.mark.parametrize("num_draws", [1, 0, -3])
def test_too_few_draws_for_an_error_are_refused(num_draws):
    with pytest.raises(ValueError, match=f"num_draws is {num_draws}: .* at least 2"):
        monte_carlo_kl(POSTERIOR, PRIOR, num_draws=num_draws, seed=0)


@pytest.mark.parametrize(
    ("posterior", "prior"),
    [
        (POSTERIOR, tfd.Normal(np.zeros(5), 1.0)),
        (tfd.Normal(MEAN, STDDEV), PRIOR),
        (tfd.Normal(MEAN, STDDEV), tfd.Normal(np.zeros(5), 1.0)),
    ],
    ids=["batch of priors", "batch of posteriors", "both batches"],
)
def test_weights_treated_as_a_batch_are_refused(posterior, prior):
    with pytest.raises(ValueError, match=r"must be \(6,\).*tfd.Independent on both sides"):
        monte_carlo_kl(posterior, prior, num_draws=6, seed=0)
