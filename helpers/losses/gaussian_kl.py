"""The Kullback-Leibler divergence between Gaussians: closed form, its terms, and quadrature.

Everything here is float64 NumPy and SciPy, on purpose: it is the independent route against which
the book checks what TensorFlow Probability computes in float32.

Introduced in chapters/01-kl-formula.md, "Four ways to compute the KL".
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.integrate
import scipy.stats

Array = npt.NDArray[np.float64]


def gaussian_kl(
    mean: npt.ArrayLike,
    stddev: npt.ArrayLike,
    prior_mean: npt.ArrayLike = 0.0,
    prior_stddev: npt.ArrayLike = 1.0,
) -> Array:
    """Return KL(N(mean, stddev²) ‖ N(prior_mean, prior_stddev²)) of each weight.

    Parameters
    ----------
    mean, stddev
        Posterior mean and standard deviation of each weight; any shapes that broadcast together.
    prior_mean, prior_stddev
        The same of the prior. The default is the prior of TFP's layers, N(0, 1).

    Returns
    -------
    Array
        One number of nats per weight, in the broadcast shape. Sum it for the KL of a layer.

    Raises
    ------
    ValueError
        If a standard deviation is not positive.

    References
    ----------
    Kingma and Welling (2014), *Auto-Encoding Variational Bayes*, appendix B (for the
    prior N(0, 1)).
    """
    mean, stddev = np.asarray(mean, np.float64), np.asarray(stddev, np.float64)
    prior_mean = np.asarray(prior_mean, np.float64)
    prior_stddev = np.asarray(prior_stddev, np.float64)
    _check_positive(stddev, "stddev")
    _check_positive(prior_stddev, "prior_stddev")
    distance = (mean - prior_mean) / prior_stddev
    ratio = stddev / prior_stddev
    return 0.5 * distance**2 + 0.5 * (ratio**2 - 1.0) - np.log(ratio)


def gaussian_kl_terms(mean: npt.ArrayLike, stddev: npt.ArrayLike) -> dict[str, float]:
    """Return the four sums that make up the KL to the prior N(0, 1), in nats.

    Parameters
    ----------
    mean, stddev
        Posterior mean and standard deviation of each weight, of equal shape.

    Returns
    -------
    dict
        ``"½μ²"`` (the L2 part), ``"½σ²"``, ``"−log σ"`` and ``"−½"``, each summed over all weights.
        The four values add up to ``gaussian_kl(mean, stddev).sum()``.

    Raises
    ------
    ValueError
        If the shapes differ or a standard deviation is not positive.
    """
    mean, stddev = np.asarray(mean, np.float64), np.asarray(stddev, np.float64)
    if mean.shape != stddev.shape:
        raise ValueError(
            f"mean has shape {mean.shape} but stddev has shape {stddev.shape}: "
            "pass one standard deviation for each mean."
        )
    _check_positive(stddev, "stddev")
    return {
        "½μ²": float(0.5 * np.sum(mean**2)),
        "½σ²": float(0.5 * np.sum(stddev**2)),
        "−log σ": float(-np.sum(np.log(stddev))),
        "−½": -0.5 * mean.size,
    }


def kl_by_quadrature(
    log_posterior: Callable[[float], float],
    log_prior: Callable[[float], float],
    lower: float,
    upper: float,
) -> float:
    """Return ∫ q(w) (log q(w) − log p(w)) dw for one weight by adaptive quadrature.

    Parameters
    ----------
    log_posterior, log_prior
        Log densities log q(w) and log p(w) of one real weight, in nats.
    lower, upper
        Where to integrate. Outside, q must be negligible.

    Returns
    -------
    float
        KL(q ‖ p) in nats, to about ten digits.

    Raises
    ------
    ValueError
        If q does not integrate to one between the limits, so that a part of the KL would be missed.
    """

    def integrand(weight: float) -> float:
        """Return q(w) (log q(w) − log p(w)), whose integral is the KL in nats."""
        log_q = log_posterior(weight)
        return float(np.exp(log_q) * (log_q - log_prior(weight)))

    mass = _integrate(lambda weight: float(np.exp(log_posterior(weight))), lower, upper)
    if abs(mass - 1.0) > 1e-6:
        raise ValueError(
            f"q has a mass of {mass:.6f} between {lower} and {upper}, not 1: widen the limits."
        )
    return _integrate(integrand, lower, upper)


def log_normal_density(mean: float, stddev: float) -> Callable[[float], float]:
    """Return the function w ↦ log N(w; mean, stddev²), in nats."""
    return scipy.stats.norm(mean, stddev).logpdf


def _integrate(function: Callable[[float], float], lower: float, upper: float) -> float:
    """Integrate, with break points in the middle so that a narrow peak is not stepped over."""
    points = np.linspace(lower, upper, 21)[1:-1]
    value, _ = scipy.integrate.quad(function, lower, upper, points=points, limit=400)
    return float(value)


def _check_positive(values: Array, name: str) -> None:
    if not np.all(values > 0):
        raise ValueError(
            f"{name} must be positive everywhere, but its smallest value is {np.min(values)}. "
            "Pass standard deviations, not the untransformed scale of a layer."
        )
