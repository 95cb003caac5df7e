"""How far a posterior is from its prior: in nats, and in its spread."""

import numpy as np
import tensorflow_probability as tfp

from ...model.weight_posteriors import Posterior

tfd = tfp.distributions


def kl_and_spread(posterior: Posterior) -> tuple[float, float] | None:
    """Return KL per weight in nats and the median of σ over the prior's σ, None if unknown."""
    if not posterior.is_random or posterior.make is None or posterior.prior() is None:
        return None
    q, p = posterior.make(), posterior.prior()
    try:
        kl = float(np.sum(tfd.kl_divergence(q, p))) / posterior.num_weights
        ratio = float(np.median(q.stddev() / p.stddev()))
    except Exception:  # noqa: BLE001 (no closed form for this pair)
        return None
    return kl, ratio
