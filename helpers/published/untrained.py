"""Where the variables of a posterior start, and the KL that follows from it before any training.

Introduced in chapters/20-published-numbers.md, "Published numbers, repeated".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tf_keras

from .priors import GAUSSIAN, Prior, check_prior, log_density

Array = npt.NDArray[np.float64]
NODES = 60  # of the quadrature; exact to float64 for spreads up to about 1


@dataclass(frozen=True)
class Spread:
    """How the numbers of a variable are spread at the start: normal, uniform, or all equal.

    Attributes
    ----------
    kind
        ``"normal"`` (mean ``first``, standard deviation ``second``) or ``"uniform"`` (between
        ``first`` and ``second``).
    first, second
        Its two numbers. A normal of standard deviation 0 is a constant.

    Raises
    ------
    ValueError
        If the kind is another one, or the numbers are no such spread.
    """

    kind: str
    first: float
    second: float

    def __post_init__(self) -> None:
        if self.kind not in ("normal", "uniform"):
            raise ValueError(f'kind is {self.kind!r}: write "normal" or "uniform".')
        if self.kind == "normal" and self.second < 0:
            raise ValueError(f"the standard deviation is {self.second}: it must be at least 0.")
        if self.kind == "uniform" and self.second <= self.first:
            raise ValueError(
                f"uniform from {self.first} to {self.second}: write the lower end first."
            )

    def initializer(self, seed: int) -> tf_keras.initializers.Initializer:
        """Return the initialiser of Keras that draws from it."""
        if self.kind == "uniform":
            return tf_keras.initializers.RandomUniform(self.first, self.second, seed=seed)
        return tf_keras.initializers.RandomNormal(self.first, self.second, seed=seed)

    def quadrature(self) -> tuple[Array, Array]:
        """Return points and weights, which add up to 1: the mean of a function is their sum."""
        if self.kind == "uniform":
            nodes, weights = np.polynomial.legendre.leggauss(NODES)
            points = self.first + (nodes + 1.0) / 2.0 * (self.second - self.first)
        else:
            nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
            points = self.first + self.second * nodes
        return points, weights / weights.sum()


TFP_MEANS = Spread("normal", 0.0, 0.1)
TFP_SCALES = Spread("normal", -3.0, 0.1)


def softplus(untransformed: Array) -> Array:
    """Return log(1 + exp(ρ)), the σ of TFP's layers."""
    return np.logaddexp(0.0, untransformed)


def kl_at_start(
    num_weights: int,
    means: Spread = TFP_MEANS,
    untransformed_scales: Spread = TFP_SCALES,
    *,
    prior: Prior = GAUSSIAN,
    to_stddev: Callable[[Array], Array] = softplus,
) -> tuple[float, float]:
    """Return the expected KL of weights that nobody has trained, and how much it varies by chance.

    Parameters
    ----------
    num_weights
        How many weights have a posterior.
    means
        Where the means μ start. The default is that of TFP's layers.
    untransformed_scales
        Where ρ starts, independently of μ.
    prior
        Of each weight: (share, standard deviation) of each Gaussian around 0.
    to_stddev
        ρ ↦ σ; softplus, as in TFP's layers. ``numpy.exp`` where ρ is log σ.

    Returns
    -------
    tuple of float
        Σ E[log q(w) − log p(w)] over the weights, their posteriors and their starts, and the
        standard deviation of that KL over starts; both in nats.

    Raises
    ------
    ValueError
        If there is no weight, or the prior is none.
    """
    if num_weights < 1:
        raise ValueError(f"num_weights is {num_weights}: give the number of weights, 1 or more.")
    check_prior(prior)
    mean, share_of_mean = means.quadrature()
    untransformed, share_of_scale = untransformed_scales.quadrature()
    stddev = to_stddev(untransformed)
    kl = -np.log(stddev) - 0.5 * np.log(2.0 * np.pi * np.e) - _log_prior(prior, mean, stddev)
    expected = share_of_mean @ kl @ share_of_scale
    variance = share_of_mean @ (kl - expected) ** 2 @ share_of_scale
    return float(num_weights * expected), float(np.sqrt(num_weights * variance))


def _log_prior(prior: Prior, mean: Array, stddev: Array) -> Array:
    """Return E[log p(w)] under N(mean, stddev²) for each pair [means, stddevs], nats.

    By the trapezoidal rule, which is exact to float64 for smooth functions times a Gaussian, and
    fine enough for the spike of a scale mixture.
    """
    noise = np.linspace(-8.5, 8.5, 1201)
    density = np.exp(-0.5 * noise**2)
    found = np.empty((len(mean), len(stddev)))
    for row, center in enumerate(mean):
        weights = center + stddev[:, np.newaxis] * noise
        found[row] = log_density(prior, weights) @ density / density.sum()
    return found


def drawn_kl_stddev(mean: npt.ArrayLike, stddev: npt.ArrayLike, prior_stddev: float = 1.0) -> float:
    """Return the standard deviation of log q(w) − log p(w) for one draw of all the weights.

    It is what a layer that estimates its KL from one draw scatters around the KL by (TFP's layers
    do so where there is no closed form; ``DenseVariational`` by default). Each weight adds, with
    one standard normal number, a square and a linear term; their variances add up: ½(σ²/s² − 1)² +
    (μσ/s²)².

    Parameters
    ----------
    mean, stddev
        Of each weight's Gaussian posterior; shapes that broadcast together.
    prior_stddev
        Of the prior N(0, prior_stddev²).

    Returns
    -------
    float
        In nats.
    """
    mean, stddev = np.broadcast_arrays(
        np.asarray(mean, np.float64) / prior_stddev, np.asarray(stddev, np.float64) / prior_stddev
    )
    return float(np.sqrt(np.sum(0.5 * (stddev**2 - 1.0) ** 2 + (mean * stddev) ** 2)))
