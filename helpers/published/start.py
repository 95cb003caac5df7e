"""Where the variables of a posterior start, and the KL that follows from it before any training.

Introduced in chapters/20-published-numbers.md, "The KL before the first step".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tf_keras

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

    def expectation(self, function: Callable[[Array], Array]) -> float:
        """Return the mean of a smooth function of a number, by Gaussian quadrature."""
        if self.kind == "uniform":
            nodes, weights = np.polynomial.legendre.leggauss(NODES)
            points = self.first + (nodes + 1.0) / 2.0 * (self.second - self.first)
        else:
            nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
            points = self.first + self.second * nodes
        return float(np.sum(weights / weights.sum() * function(points)))


TFP_MEANS = Spread("normal", 0.0, 0.1)
TFP_SCALES = Spread("normal", -3.0, 0.1)


def kl_at_start(
    num_weights: int,
    means: Spread = TFP_MEANS,
    untransformed_scales: Spread = TFP_SCALES,
    prior_stddev: float = 1.0,
) -> tuple[float, float]:
    """Return the expected KL of weights that nobody has trained, and how much it varies by chance.

    Parameters
    ----------
    num_weights
        How many weights have a posterior.
    means
        Where the means μ start. The default is that of TFP's layers.
    untransformed_scales
        Where ρ starts, with σ = softplus(ρ).
    prior_stddev
        Of the prior N(0, prior_stddev²).

    Returns
    -------
    tuple of float
        Σ E[−log(σ/s) + (σ²/s² + μ²/s² − 1)/2] over the weights, and the standard deviation of that
        sum over starts; both in nats.

    Raises
    ------
    ValueError
        If there is no weight, or the prior has no positive standard deviation.
    """
    if num_weights < 1 or prior_stddev <= 0:
        raise ValueError(
            f"num_weights is {num_weights} and prior_stddev is {prior_stddev}: give numbers above "
            "0."
        )

    def of_mean(mean: Array) -> Array:
        return 0.5 * (mean / prior_stddev) ** 2

    def of_scale(untransformed: Array) -> Array:
        ratio = np.logaddexp(0.0, untransformed) / prior_stddev
        return 0.5 * (ratio**2 - 1.0) - np.log(ratio)

    parts = (_moments(means, of_mean), _moments(untransformed_scales, of_scale))
    expected, variance = (num_weights * sum(moment) for moment in zip(*parts, strict=True))
    return expected, float(np.sqrt(variance))


def _moments(spread: Spread, function: Callable[[Array], Array]) -> tuple[float, float]:
    """Return mean and variance of a function of a number that is spread so."""
    mean = spread.expectation(function)
    return mean, spread.expectation(lambda numbers: (function(numbers) - mean) ** 2)


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
