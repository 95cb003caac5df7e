"""Priors of a weight: a Gaussian around 0, or several with shares (a scale mixture).

Introduced in chapters/20-published-numbers.md, "What does not reproduce".
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions
Array = npt.NDArray[np.float64]
Prior = tuple[tuple[float, float], ...]  # (share, standard deviation) of each Gaussian around 0
GAUSSIAN: Prior = ((1.0, 1.0),)  # N(0, 1), that of TFP's layers


def scale_mixture(share: float, minus_log_first: float, minus_log_second: float) -> Prior:
    """Return the prior of Bayes by backprop: a wide and a narrow Gaussian around 0.

    Parameters
    ----------
    share
        π, that of the first Gaussian.
    minus_log_first, minus_log_second
        −log σ₁ and −log σ₂, as the paper's grid has them.

    References
    ----------
    Blundell et al. (2015), *Weight Uncertainty in Neural Networks*, equation 7.
    """
    return ((share, math.exp(-minus_log_first)), (1.0 - share, math.exp(-minus_log_second)))


def check_prior(prior: Prior) -> None:
    """Raise if a prior has no Gaussians with positive standard deviations, and shares of 1 in all.

    Raises
    ------
    ValueError
        If so.
    """
    is_whole = abs(sum(share for share, _ in prior) - 1.0) < 1e-9
    if not is_whole or any(share <= 0 or stddev <= 0 for share, stddev in prior):
        raise ValueError(
            f"prior is {prior}: give (share, standard deviation) of each Gaussian, with shares "
            "that add up to 1, for instance ((0.5, 1.0), (0.5, 0.0025))."
        )


def log_density(prior: Prior, weights: npt.ArrayLike) -> Array:
    """Return log p(w) of each weight, nats, in float64."""
    weights = np.asarray(weights, np.float64)
    parts = [
        math.log(share / (stddev * math.sqrt(2.0 * math.pi))) - 0.5 * (weights / stddev) ** 2
        for share, stddev in prior
    ]
    return np.asarray(np.logaddexp.reduce(parts))


def prior_fn(prior: Prior) -> Callable[..., Any]:
    """Return a ``kernel_prior_fn`` for TFP's layers: independent weights, each with that prior."""

    def make(dtype: Any, shape: Any, *_: Any) -> Any:
        """Return the prior of all weights of a shape, as one event."""
        shares, scales = zip(*prior, strict=True)
        if len(prior) == 1:
            one = tfd.Normal(tf.zeros(shape, dtype), tf.constant(scales[0], dtype))
        else:
            zeros = tf.zeros((*shape, len(prior)), dtype)
            one = tfd.MixtureSameFamily(
                tfd.Categorical(probs=tf.constant(shares, dtype)),
                tfd.Normal(zeros, tf.constant(scales, dtype)),
            )
        return tfd.Independent(one, reinterpreted_batch_ndims=len(shape))

    return make


def divergence_fn(prior: Prior) -> Callable[..., Any]:
    """Return the KL in nats: by its formula for a Gaussian prior, otherwise by one draw."""
    if len(prior) == 1:
        return lambda q, p, _: tfd.kl_divergence(q, p)

    def by_one_draw(q: Any, p: Any, _: Any) -> Any:
        """Return log q(w) − log p(w) of one draw w from q, nats: an unbiased estimate."""
        weights = q.sample()
        return q.log_prob(weights) - p.log_prob(weights)

    return by_one_draw
