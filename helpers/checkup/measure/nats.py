"""The KL of a layer's posterior from its prior in nats: in closed form, or by draws."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ...model.weight_posteriors import Posterior

tfd = tfp.distributions

MOST_DRAWS, FEWEST_DRAWS = 256, 8
MOST_NUMBERS = 4_000_000  # of all draws together: what fits a second and 16 MB


class Nats(NamedTuple):
    """A KL in nats.

    Notes
    -----
    value
        The KL, or its estimate.
    error
        Standard error of the estimate, 0 for a closed form.
    spread
        Standard deviation of log q(w) - log p(w) over draws of the weights, NaN if none were drawn.
    num_weights
        How many weights it is the KL of.
    """

    value: float
    error: float
    spread: float
    num_weights: int


def kl_in_nats(posterior: Posterior) -> Nats | None:
    """Return the KL over all weights of a posterior, None if it has no prior of its own shape."""
    if not posterior.is_random or posterior.make is None or posterior.prior() is None:
        return None
    q, p = posterior.make(), posterior.prior()
    if q.batch_shape != p.batch_shape or q.event_shape != p.event_shape:
        return None
    try:
        value = float(tf.reduce_sum(tfd.kl_divergence(q, p)))
        return Nats(value, 0.0, float("nan"), posterior.num_weights)
    except NotImplementedError:  # TFP's answer where no closed form is known
        return drawn_nats(posterior)


def drawn_nats(posterior: Posterior) -> Nats | None:
    """Return the KL by draws, None if the densities of draws are not to be had."""
    assert posterior.make is not None
    q, p = posterior.make(), posterior.prior()
    wanted = MOST_NUMBERS // max(posterior.num_weights, 1)
    draws = int(np.clip(wanted, FEWEST_DRAWS, MOST_DRAWS))
    try:
        weights = q.sample(draws)
        log_ratio = np.asarray(q.log_prob(weights) - p.log_prob(weights), float)
    except NotImplementedError:
        return None
    totals = log_ratio.reshape(draws, -1).sum(axis=1)
    spread = float(totals.std(ddof=1))
    return Nats(float(totals.mean()), spread / np.sqrt(draws), spread, posterior.num_weights)
