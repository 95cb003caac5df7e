"""How far a posterior is from its prior, in nats and in spread, and whether its spread can move."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...model.weight_posteriors import Posterior
from .nats import Nats, kl_in_nats

DRAWS = 64
MOST_NUMBERS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The spread of one posterior.

    Attributes
    ----------
    nats
        KL in nats, None if it is unknown.
    nats_per_weight, error
        The same per weight, with its standard error; NaN if it is unknown.
    stddev
        Median of the standard deviations of the weights.
    of_prior
        Median of their ratios to those of the prior, NaN without a prior.
    slope
        By how much log σ of a weight changes with the variable of its scale: about 1 for exp and
        for softplus of a small number, next to 0 where σ cannot move.
    """

    nats: Nats | None
    nats_per_weight: float
    error: float
    stddev: float
    of_prior: float
    slope: float


def measure_spread(posterior: Posterior) -> Spread | None:
    """Return the spread of a posterior, under any prior; None for a layer of variables alone."""
    if not posterior.is_random or posterior.make is None:
        return None
    nats = kl_in_nats(posterior)
    size = posterior.num_weights
    sigma = _stddev(posterior.make())
    prior = posterior.prior()
    ratio = float("nan") if prior is None else _ratio(sigma, _stddev(prior))
    return Spread(
        nats=nats,
        nats_per_weight=float("nan") if nats is None else nats.value / size,
        error=float("nan") if nats is None else nats.error / size,
        stddev=float(np.median(sigma)),
        of_prior=ratio,
        slope=_slope(posterior),
    )


def _ratio(sigma: Any, wanted: Any) -> float:
    return float(np.median(sigma / np.broadcast_to(wanted, np.shape(sigma))))


def _stddev(distribution: Any) -> Any:
    """Return the standard deviations, or those of draws where there is no formula."""
    try:
        return np.asarray(distribution.stddev())
    except NotImplementedError:
        shape = distribution.batch_shape.concatenate(distribution.event_shape)
        draws = int(np.clip(MOST_NUMBERS // max(shape.num_elements(), 1), 8, DRAWS))
        return np.asarray(distribution.sample(draws)).std(axis=0)


def _slope(posterior: Posterior) -> float:
    """Return d log σ / dρ per weight, the mean; NaN if no variable belongs to the scale alone."""
    _, slopes = posterior.entropy_gradients()
    moved = posterior.moves_mean()
    own = [np.where(mean, 0, np.abs(slope)) for slope, mean in zip(slopes, moved, strict=True)]
    total = float(sum(part.sum() for part in own))
    return total / posterior.num_weights if total or any(np.any(s) for s in slopes) else 0.0
