"""The variables that KLs are multiplied by, as in a warm-up of their weight."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ...model.reachable import reachable
from ...model.small_scales import SmallScale
from ...model.untouched import read
from .batch import Batch
from .kl_factor import SEEDS, KLFactor, evaluations_at, measure_kl_factors
from .objective import Objective

MOST_SCALARS = 8
COUNTERS = ("_train_counter", "_test_counter", "_predict_counter", "_steps_per_execution")
FAR = 1_441_440  # a multiple of all numbers up to 16: a step of "every k-th", and none beside it
CHANGED = 1e-3  # of a factor, relative to the larger


@dataclass(frozen=True, kw_only=True)
class WeightVariable:
    """A variable of one number that the factor of a KL depends on.

    Attributes
    ----------
    variable
        The variable.
    value
        What it holds now.
    slope
        By how much the factor λ grows with it, NaN if not in proportion.
    """

    variable: Any
    value: float
    slope: float


def weight_variables(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    factors: list[KLFactor],
    roots: tuple[Any, ...],
) -> dict[int, WeightVariable]:
    """Return the variable that each KL's factor changes with, by the id of its posterior.

    Every candidate is given a larger value and one near 0: no function of it that changes
    at all stays the same at both, be it 0.5·x + 0.25 at 0.5 or min(1, x) above 1. A counter is set
    far on as well, behind the steps at which a warm-up has not begun.
    """
    candidates = _scalars(roots, _own_variables(small))
    if not small or not candidates or any(factor.changes for factor in factors):
        return {}
    before = [read(variable) for variable in candidates]
    held = {id(variable) for variable in objective.held}
    probes = [
        _probes(value, counts=id(variable) in held or value.dtype.kind in "iu")
        for variable, value in zip(candidates, before, strict=True)
    ]
    seeds = SEEDS if any(factor.error for factor in factors) else SEEDS[:1]
    found: dict[int, WeightVariable] = {}

    def factors_at(values: list[Any]) -> list[float]:
        """Return each KL's factor while the variables have these values; then put them back."""
        try:
            for variable, value in zip(candidates, values, strict=True):
                variable.assign(value)
            runs = evaluations_at(objective, batch, small, seeds)
            again = measure_kl_factors(objective, batch, small, runs, once=True)
            return list(map(_felt, again, factors))
        finally:
            for variable, value in zip(candidates, before, strict=True):
                variable.assign(value)

    now = list(map(_felt, factors, factors))
    errors = [factor.error for factor in factors]
    together = [factors_at(list(values)) for values in zip(*probes, strict=True)]
    if not any(_differ(now, other, errors) for other in together):
        return {}
    for index, variable in enumerate(candidates):
        for probe in probes[index]:
            if np.all(probe == before[index]):
                continue
            values = [probe if i == index else value for i, value in enumerate(before)]
            other = factors_at(values)
            for place in _differ(now, other, errors):
                change = float(probe) - float(before[index])
                slope = (other[place] - now[place]) / change
                rest = abs(now[place] - slope * float(before[index]))
                linear = rest < 1e-2 * abs(other[place]) + errors[place]
                found.setdefault(
                    id(factors[place].posterior),
                    WeightVariable(
                        variable=variable,
                        value=float(before[index]),
                        slope=slope if linear else float("nan"),
                    ),
                )
    return found


def optimizers_of(*roots: Any) -> list[Any]:
    """Return the optimizers that a network, or a reader's function, refers to."""
    owners = (tf_keras.optimizers.Optimizer, tf_keras.optimizers.legacy.Optimizer)
    return [found for found in reachable(*roots) if isinstance(found, owners)]


def _felt(again: KLFactor, factor: KLFactor) -> float:
    """Return a factor by the way that it was found to take.

    One evaluation cannot tell noise of the data term from a KL that comes by another way than
    ``losses``: where nothing came by another way before, only ``losses`` are looked at.
    """
    alone = factor.value == factor.in_entries
    return again.in_entries if alone else again.value


def _differ(now: list[float], other: list[float], errors: list[float]) -> list[int]:
    """Return the places where a factor is another one."""
    changed = []
    for place, (a, b, error) in enumerate(zip(now, other, errors, strict=True)):
        least = CHANGED * max(abs(a), abs(b)) + 2 * error + 1e-15
        if np.isfinite(a) and np.isfinite(b) and abs(a - b) > least:
            changed.append(place)
    return changed


def _probes(value: Any, *, counts: bool) -> tuple[Any, Any, Any]:
    """Return a larger value, one close to 0 and, of a counter, one far on, of the same type."""
    if value.dtype.kind in "iu":
        return value + 1 + abs(value), value // 100, np.full_like(value, FAR + 1)
    smaller = value / 100 if value else value - value.dtype.type(0.01)
    larger = value + value.dtype.type(0.25) + abs(value)
    return larger, smaller, np.full_like(value, FAR + 1) if counts else larger


def _own_variables(small: list[SmallScale]) -> set[int]:
    """Return the ``id`` of the variables of posteriors and priors."""
    return {id(variable) for one in small for variable in one.posterior.variables}


def _scalars(roots: tuple[Any, ...], of_distributions: set[int]) -> list[Any]:
    """Return the variables of one number that may be a weight or a counter of steps.

    They are no metric's and no counter of Keras' own; of an optimizer only its count of steps. A
    trained one has no axes, and belongs to no posterior and no prior.
    """
    found = list(reachable(*roots))
    trained = {
        id(v)
        for v in getattr(roots[0], "trainable_variables", ())
        if v.shape.rank != 0 or id(v) in of_distributions
    }
    optimizers = optimizers_of(*roots)
    metrics = [x for x in found if isinstance(x, tf_keras.metrics.Metric)]
    owned = reachable(*optimizers, *metrics)
    taken = trained | {id(v) for v in owned if isinstance(v, tf.Variable)}
    models = [x for x in found if isinstance(x, tf_keras.Model)]
    taken |= {id(getattr(model, name, None)) for model in models for name in COUNTERS}
    counters = [optimizer.iterations for optimizer in optimizers]
    variables = [x for x in found if isinstance(x, tf.Variable) and id(x) not in taken]
    every = list({id(v): v for v in [*variables, *counters] if _is_number(v)}.values())
    return every[:MOST_SCALARS]


def _is_number(variable: Any) -> bool:
    dtype = getattr(variable, "dtype", None)
    if dtype is None or not (dtype.is_floating or dtype.is_integer):
        return False
    return bool(variable.shape.num_elements() == 1)
