"""Where the KL and the data term pull a posterior's standard deviations, as things stand."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ...model.small_scales import SmallScale
from ...model.weight_posteriors import Posterior
from .case import Case
from .objective import evaluate
from .spread import measure_spread

SEEDS = (50, 51, 52, 53)


class Pull(NamedTuple):
    """The slopes of the objective along log σ, turned so that positive ones raise σ.

    Notes
    -----
    by_kl
        Of the KL, with the weight that it has.
    by_rest
        Of all else, the data term.
    """

    by_kl: float
    by_rest: float

    @property
    def is_up(self) -> bool:
        """Whether σ grows, at half the speed at least that the KL alone would give it."""
        return self.by_kl + self.by_rest > 0.5 * self.by_kl > 0

    @property
    def kl_rules(self) -> bool:
        """Whether the KL is several times as strong as the data term."""
        return self.by_kl > 3 * abs(self.by_rest)

    @property
    def data_rule(self) -> bool:
        """Whether the data term draws σ down, the KL notwithstanding."""
        return -self.by_rest > max(self.by_kl, 0)


def pulls(case: Case, posteriors: list[Posterior]) -> dict[int, Pull]:
    """Return the pull on each posterior whose factor is known, by its id: a mean of draws."""
    wanted = {id(posterior) for posterior in posteriors}
    factors = [f for f in case.factors if id(f.posterior) in wanted and np.isfinite(f.value)]
    factors = [f for f in factors if f.posterior.make is not None]
    variables = list({id(v): v for f in factors for v in f.posterior.variables}.values())
    if not variables:
        return {}
    runs = [evaluate(case.objective, case.batch, variables, seed=seed) for seed in SEEDS]
    found = {}
    for factor in factors:
        here = _here(factor.posterior)
        own = [_place(variables, v) for v in factor.posterior.variables]
        total = np.mean([here.factor([run.gradients[i] for i in own]) for run in runs])
        spread = measure_spread(factor.posterior)
        ratio = 0.0 if spread is None or not np.isfinite(spread.of_prior) else spread.of_prior
        by_kl = factor.value * (1 - ratio**2)
        found[id(factor.posterior)] = Pull(float(by_kl), float(total - by_kl))
    return found


def _here(posterior: Posterior) -> SmallScale:
    """Return the slopes of log σ where it stands."""
    log_scale, slopes = posterior.entropy_gradients()
    moved = posterior.moves_mean()
    own = [np.where(mean, 0, slope) for slope, mean in zip(slopes, moved, strict=True)]
    return SmallScale(posterior, log_scale, own)


def _place(variables: list[tf.Variable], variable: tf.Variable) -> int:
    return next(i for i, known in enumerate(variables) if known is variable)
