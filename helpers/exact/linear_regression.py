"""Bayesian linear regression with known noise: all that stays unknown for a network, exactly.

The targets are ``features @ weights`` plus Gaussian noise of a known standard deviation, and the
prior of each weight is N(0, 1), as in TFP's layers. Everything here is float64 NumPy.

Introduced in chapters/08-exact-answer.md, "A model that can be solved".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..losses.gaussian_kl import gaussian_kl

Array = npt.NDArray[np.float64]
LOG_2_PI = float(np.log(2.0 * np.pi))


class GaussianWeights(NamedTuple):
    """A Gaussian with full covariance: mean [inputs] and precision [inputs, inputs].

    The precision is the inverse of the covariance.
    """

    mean: Array
    precision: Array

    @property
    def covariance(self) -> Array:
        """Covariance matrix of the weights [inputs, inputs]."""
        return np.linalg.inv(self.precision)

    @property
    def stddev(self) -> Array:
        """Standard deviation of each weight, whatever the others are [inputs]."""
        return np.sqrt(np.diag(self.covariance))


class FactorisedGaussian(NamedTuple):
    """Independent Gaussians: mean [inputs] and standard deviation [inputs]."""

    mean: Array
    stddev: Array


def exact_posterior(
    features: npt.ArrayLike,
    targets: npt.ArrayLike,
    noise_stddev: float,
    likelihood_power: float = 1.0,
) -> GaussianWeights:
    """Return the posterior of the weights, by Bayes' rule.

    Parameters
    ----------
    features
        [examples, inputs]; add a column of ones for a bias.
    targets
        [examples].
    noise_stddev
        Standard deviation of the noise, in the unit of the targets.
    likelihood_power
        Power to which the likelihood is raised: 1 for the posterior itself, 1/N for that of a
        single average example.

    Returns
    -------
    GaussianWeights
        Mean and precision of the exact, Gaussian posterior.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, or noise or power are not positive.
    """
    X, y = _check_data(features, targets)
    _check_positive(noise_stddev, "noise_stddev")
    _check_positive(likelihood_power, "likelihood_power")
    weight = likelihood_power / noise_stddev**2
    precision = np.eye(X.shape[1]) + weight * X.T @ X
    return GaussianWeights(np.linalg.solve(precision, weight * X.T @ y), precision)


def log_evidence(features: npt.ArrayLike, targets: npt.ArrayLike, noise_stddev: float) -> float:
    """Return log p(targets | features), the weights averaged over the prior N(0, 1), in nats.

    It solves Bayes' rule at the posterior mean m: log p(D) = log p(D|m) + log p(m) − log p(m|D).
    Arguments and errors are those of :func:`exact_posterior`.
    """
    X, y = _check_data(features, targets)
    exact = exact_posterior(X, y, noise_stddev)
    _, log_det = np.linalg.slogdet(exact.precision)
    squares = float(np.sum((y - X @ exact.mean) ** 2))
    log_prior = -0.5 * (exact.mean @ exact.mean + len(exact.mean) * LOG_2_PI)
    log_posterior = 0.5 * (log_det - len(exact.mean) * LOG_2_PI)
    return _log_likelihood(squares, len(y), noise_stddev) + float(log_prior - log_posterior)


def best_factorised_gaussian(exact: GaussianWeights) -> FactorisedGaussian:
    """Return the independent Gaussians with the smallest KL to the exact posterior.

    The means are the exact ones. Each standard deviation is the one that the weight would have if
    all other weights were known: one over the root of its precision.

    References
    ----------
    Bishop (2006), *Pattern Recognition and Machine Learning*, section 10.1.2.
    """
    return FactorisedGaussian(exact.mean.copy(), 1.0 / np.sqrt(np.diag(exact.precision)))


def factorised_elbo(
    features: npt.ArrayLike,
    targets: npt.ArrayLike,
    noise_stddev: float,
    posterior: FactorisedGaussian,
) -> float:
    """Return the ELBO of independent Gaussians in closed form, in nats for the whole data set.

    Parameters
    ----------
    features, targets, noise_stddev
        As for :func:`exact_posterior`.
    posterior
        The variational posterior; any means and positive standard deviations.

    Returns
    -------
    float
        Expected log-likelihood minus the KL to the prior N(0, 1); no draws are needed.

    Raises
    ------
    ValueError
        If the data do not fit or a standard deviation is not positive.
    """
    X, y = _check_data(features, targets)
    _check_positive(noise_stddev, "noise_stddev")
    mean, stddev = np.asarray(posterior.mean, float), np.asarray(posterior.stddev, float)
    squares = np.sum((y - X @ mean) ** 2) + np.sum(X**2 @ stddev**2)
    kl = float(np.sum(gaussian_kl(mean, stddev)))
    return _log_likelihood(float(squares), len(y), noise_stddev) - kl


def kl_to_exact(posterior: FactorisedGaussian, exact: GaussianWeights) -> float:
    """Return KL(posterior ‖ exact posterior) in nats, the gap below the log evidence.

    Raises
    ------
    ValueError
        If a standard deviation is not positive.
    """
    mean, stddev = np.asarray(posterior.mean, float), np.asarray(posterior.stddev, float)
    _check_positive(float(np.min(stddev)), "stddev")
    difference = mean - exact.mean
    _, log_det = np.linalg.slogdet(exact.precision)
    spread = np.diag(exact.precision) @ stddev**2 + difference @ exact.precision @ difference
    return float(0.5 * (spread - len(mean) - log_det) - np.sum(np.log(stddev)))


def _log_likelihood(squares: float, num_examples: int, noise_stddev: float) -> float:
    """Return the Gaussian log-likelihood of a sum of squared residuals, in nats."""
    constant = num_examples * (LOG_2_PI + 2.0 * np.log(noise_stddev))
    return float(-0.5 * (constant + squares / noise_stddev**2))


def _check_data(features: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Array, Array]:
    X, y = np.asarray(features, np.float64), np.asarray(targets, np.float64)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise ValueError(
            f"features has shape {X.shape} and targets {y.shape}: pass [examples, inputs] and "
            "[examples], for instance (442, 10) and (442,)."
        )
    if not (np.all(np.isfinite(X)) and np.all(np.isfinite(y))):
        raise ValueError("features or targets hold NaN or infinite values: remove those examples.")
    return X, y


def _check_positive(value: float, name: str) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive, but is {value}.")
