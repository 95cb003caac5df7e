"""Measuring the factor of the KL in whatever is minimised, without knowing its code."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ...model.small_scales import SmallScale
from ...model.weight_posteriors import Posterior
from .batch import Batch
from .objective import Evaluation, Objective, evaluate

SEEDS = (1, 2)
NOISY = 0.02  # a spread over draws, relative to the factor, that asks for a second look


@dataclass(frozen=True, kw_only=True)
class KLFactor:
    """The factor λ of one posterior's KL in the objective.

    Attributes
    ----------
    posterior
        Whose KL.
    value, value_twice
        λ on the batch, and on the batch with every row twice.
    error
        Spread of ``value`` over random draws.
    entries
        How many tensors its layer added to ``losses`` in one evaluation.
    calls
        How often the layer was called.
    shares
        How often each of those tensors counts in the objective.
    """

    posterior: Posterior
    value: float
    value_twice: float
    error: float
    entries: int
    calls: int
    shares: tuple[float, ...]

    @property
    def is_unfelt(self) -> bool:
        """Whether the layer adds to ``losses``, but the objective does not depend on it."""
        return self.entries > 0 and not any(self.shares)


def measure_kl_factors(
    objective: Objective, batch: Batch, small: list[SmallScale]
) -> list[KLFactor]:
    """Return λ of every posterior with a spread, measured where all scales are tiny.

    Parameters
    ----------
    objective
        What is minimised.
    batch
        Where to evaluate it.
    small
        The posteriors, their scales made tiny for the moment.
    """
    variables = list({id(v): v for one in small for v in one.posterior.variables}.values())
    runs = [evaluate(objective, batch, variables, seed=seed) for seed in SEEDS]
    try:
        double = evaluate(objective, batch.twice(), variables, seed=SEEDS[0])
    except Exception:  # noqa: BLE001 (an objective made for one batch size)
        double = runs[0]
    factors = [_factor(one, runs, double, variables) for one in small]
    if any(f.entries and f.error > NOISY * abs(f.value) for f in factors):
        return _refined(objective, batch, small, factors, variables)
    return factors


def _factor(
    small: SmallScale, runs: list[Evaluation], double: Evaluation, variables: list[Any]
) -> KLFactor:
    place = {id(variable): index for index, variable in enumerate(variables)}

    def value(run: Evaluation) -> float:
        own = [run.gradients[place[id(v)]] for v in small.posterior.variables]
        return small.factor(own) if small.works else float("nan")

    layer = small.posterior.layer
    values = np.array([value(run) for run in runs])
    added = [i for i, item in enumerate(runs[0].watch.added) if item.layer is layer]
    return KLFactor(
        posterior=small.posterior,
        value=float(values.mean()),
        value_twice=value(double),
        error=float(np.ptp(values)),
        entries=len(added),
        calls=sum(called is layer for called, _ in runs[0].watch.called),
        shares=tuple(runs[0].shares[i] for i in added),
    )


def _refined(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    factors: list[KLFactor],
    variables: list[Any],
) -> list[KLFactor]:
    """Measure again what goes through ``losses``, as a difference without the data term."""
    on, off = (
        evaluate(objective, batch, variables, factor=factor, repeatable=True) for factor in (1, 0)
    )
    pairs = zip(on.gradients, off.gradients, strict=True)
    change = [_difference(with_kl, without) for with_kl, without in pairs]
    place = {id(variable): index for index, variable in enumerate(variables)}
    refined = []
    for one, factor in zip(small, factors, strict=True):
        own = [change[place[id(v)]] for v in one.posterior.variables]
        value = one.factor(own) if one.works and factor.entries else factor.value
        found = dataclasses.replace(
            factor, value=value, value_twice=value * _growth(factor), error=0.0
        )
        layer = factor.posterior.layer
        entries = [tf.reduce_sum(x.value) for x in on.watch.added if x.layer is layer]
        felt = abs(value) > 0 or not any(float(entry) for entry in entries)
        refined.append(found if felt else factor)
    return refined


def _growth(factor: KLFactor) -> float:
    """Return by what λ grows with the rows of the batch: 1/2, 1 or 2, whatever the draws were."""
    ratio = factor.value_twice / factor.value if factor.value else 1.0
    return ratio if abs(ratio - 0.5) < 0.01 or abs(ratio - 2) < 0.02 else 1.0


def _difference(first: Any, second: Any) -> Any:
    if first is None:
        return None
    return first if second is None else first - second
