"""The Kullback-Leibler divergence estimated from draws, for when no closed form exists.

Introduced in chapters/01-kl-formula.md, "Four ways to compute the KL".
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Estimate(NamedTuple):
    """A Monte Carlo estimate and its standard error, both in nats."""

    value: float
    standard_error: float


def monte_carlo_kl(
    posterior: tfp.distributions.Distribution,
    prior: tfp.distributions.Distribution,
    num_draws: int,
    seed: int,
) -> Estimate:
    """Estimate KL(posterior ‖ prior) by the mean of log q(w) − log p(w) over draws w from q.

    Parameters
    ----------
    posterior, prior
        Distributions over the same weights, each with one log density per draw (wrap independent
        weights in ``tfd.Independent``).
    num_draws
        Number of draws; at least 2, so that there is a standard error.
    seed
        Seed of the draws.

    Returns
    -------
    Estimate
        The mean over draws and its standard error, in nats. The error falls as 1/√num_draws.

    Raises
    ------
    ValueError
        If ``num_draws`` is below 2, or the two log densities differ in shape: then one of the
        distributions treats the weights as a batch, and the difference would broadcast silently.
    """
    if num_draws < 2:
        raise ValueError(f"num_draws is {num_draws}: a standard error needs at least 2 draws.")
    # A pair is a stateless seed: with one number, the next call would give other draws.
    weights = posterior.sample(num_draws, seed=(0, seed))
    log_posterior, log_prior = posterior.log_prob(weights), prior.log_prob(weights)
    if log_posterior.shape != log_prior.shape or log_posterior.shape.rank != 1:
        raise ValueError(
            f"log q has shape {log_posterior.shape} and log p has shape {log_prior.shape}; both "
            f"must be ({num_draws},). Wrap independent weights in tfd.Independent on both sides."
        )
    log_ratio = tf.cast(log_posterior - log_prior, tf.float64).numpy()
    return Estimate(float(log_ratio.mean()), float(log_ratio.std(ddof=1) / np.sqrt(num_draws)))
