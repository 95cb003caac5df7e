"""Linear regression in closed form, against SciPy's densities, optimisation and quadrature."""

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats

from helpers.exact.linear_regression import (
    FactorisedGaussian,
    best_factorised_gaussian,
    exact_posterior,
    factorised_elbo,
    kl_to_exact,
    log_evidence,
)

RNG = np.random.default_rng(11)
NOISE = 0.6
FEATURES = RNG.normal(size=(23, 4)) @ RNG.normal(size=(4, 4))  # correlated columns
TARGETS = FEATURES @ np.array([0.5, -1.0, 0.2, 1.5]) + NOISE * RNG.normal(size=23)
SOME = FactorisedGaussian(RNG.normal(size=4), RNG.uniform(0.05, 0.8, 4))


def one_weight():
    x, t = FEATURES[:7, :1], TARGETS[:7]
    grid = np.linspace(-12.0, 12.0, 200_001)
    log_joint = scipy.stats.norm.logpdf(grid)
    log_joint += scipy.stats.norm.logpdf(t[:, None], x * grid, NOISE).sum(axis=0)
    return x, t, grid, log_joint


def test_evidence_is_the_marginal_density_of_all_targets():
    covariance = NOISE**2 * np.eye(23) + FEATURES @ FEATURES.T
    expected = scipy.stats.multivariate_normal(np.zeros(23), covariance).logpdf(TARGETS)
    assert log_evidence(FEATURES, TARGETS, NOISE) == pytest.approx(expected, abs=1e-9)


def test_one_weight_agrees_with_quadrature():
    x, t, grid, log_joint = one_weight()
    evidence = np.trapezoid(np.exp(log_joint), grid)
    assert log_evidence(x, t, NOISE) == pytest.approx(np.log(evidence), abs=1e-9)
    density = np.exp(log_joint) / evidence
    exact = exact_posterior(x, t, NOISE)
    mean = np.trapezoid(density * grid, grid)
    assert exact.mean[0] == pytest.approx(mean, abs=1e-9)
    variance = np.trapezoid(density * (grid - mean) ** 2, grid)
    assert exact.stddev[0] == pytest.approx(np.sqrt(variance), rel=1e-8)


def test_posterior_is_proportional_to_prior_times_likelihood_to_the_power():
    power = 0.3
    exact = exact_posterior(FEATURES, TARGETS, NOISE, likelihood_power=power)
    density = scipy.stats.multivariate_normal(exact.mean, exact.covariance)
    points = RNG.normal(size=(6, 4))
    fit = scipy.stats.norm.logpdf(TARGETS, points @ FEATURES.T, NOISE).sum(axis=1)
    log_joint = scipy.stats.norm.logpdf(points).sum(axis=1) + power * fit
    constant = log_joint - density.logpdf(points)
    np.testing.assert_allclose(constant, constant[0], atol=1e-9)


def test_standard_deviations_are_those_of_the_marginals():
    exact = exact_posterior(FEATURES, TARGETS, NOISE)
    np.testing.assert_allclose(exact.covariance @ exact.precision, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(exact.stddev**2, np.diag(exact.covariance))


def test_best_factorised_gaussian_is_where_an_optimiser_ends():
    def negative_elbo(parameters):
        choice = FactorisedGaussian(parameters[:4], np.exp(parameters[4:]))
        return -factorised_elbo(FEATURES, TARGETS, NOISE, choice)

    best = best_factorised_gaussian(exact_posterior(FEATURES, TARGETS, NOISE))
    found = scipy.optimize.minimize(negative_elbo, np.zeros(8), method="BFGS", tol=1e-9)
    np.testing.assert_allclose(found.x[:4], best.mean, atol=1e-4)
    np.testing.assert_allclose(np.exp(found.x[4:]), best.stddev, rtol=1e-4)


def test_elbo_is_the_average_over_draws():
    draws = SOME.mean + SOME.stddev * RNG.normal(size=(40_000, 4))
    fit = scipy.stats.norm.logpdf(TARGETS, draws @ FEATURES.T, NOISE).sum(axis=1)
    log_ratio = scipy.stats.norm.logpdf(draws).sum(axis=1)
    log_ratio -= scipy.stats.norm.logpdf(draws, SOME.mean, SOME.stddev).sum(axis=1)
    estimates = fit + log_ratio
    error = estimates.std() / np.sqrt(len(estimates))
    value = factorised_elbo(FEATURES, TARGETS, NOISE, SOME)
    assert abs(value - estimates.mean()) < 4 * error


def test_elbo_and_kl_add_to_the_evidence_for_any_posterior():
    exact = exact_posterior(FEATURES, TARGETS, NOISE)
    for posterior in (SOME, best_factorised_gaussian(exact)):
        total = factorised_elbo(FEATURES, TARGETS, NOISE, posterior) + kl_to_exact(posterior, exact)
        assert total == pytest.approx(log_evidence(FEATURES, TARGETS, NOISE), abs=1e-9)


def test_kl_to_exact_in_one_dimension_is_the_integral():
    x, t, grid, log_joint = one_weight()
    log_exact = log_joint - np.log(np.trapezoid(np.exp(log_joint), grid))
    log_q = scipy.stats.norm.logpdf(grid, 0.4, 0.5)
    expected = np.trapezoid(np.exp(log_q) * (log_q - log_exact), grid)
    posterior = FactorisedGaussian(np.array([0.4]), np.array([0.5]))
    assert kl_to_exact(posterior, exact_posterior(x, t, NOISE)) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("features", "targets", "advice"),
    [
        (FEATURES, TARGETS[:-1], r"\(23, 4\) and targets \(22,\)"),
        (FEATURES, TARGETS[:, None], r"targets \(23, 1\)"),
        (FEATURES[0], TARGETS, "pass .examples, inputs."),
        (np.full((23, 4), np.nan), TARGETS, "NaN"),
    ],
)
def test_data_that_do_not_fit_are_refused(features, targets, advice):
    with pytest.raises(ValueError, match=advice):
        exact_posterior(features, targets, NOISE)


def test_scales_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="noise_stddev must be positive, but is 0"):
        log_evidence(FEATURES, TARGETS, 0.0)
    with pytest.raises(ValueError, match="likelihood_power must be positive"):
        exact_posterior(FEATURES, TARGETS, NOISE, likelihood_power=-1.0)
    exact = exact_posterior(FEATURES, TARGETS, NOISE)
    with pytest.raises(ValueError, match="stddev must be positive"):
        kl_to_exact(FactorisedGaussian(exact.mean, np.array([0.1, 0.0, 1.0, 1.0])), exact)
