"""A weight of the KL that follows a counter: where it ends, or whether it ever stands still.

A counter that is a variable is set far on, where a warm-up is over. A counter of Python cannot be
set; in a step that TensorFlow compiles it counts no further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...model.small_scales import SmallScale
from ...model.untouched import read
from .batch import Batch
from .kl_factor import SEEDS, KLFactor, evaluations_at, measure_kl_factors, small_variables
from .objective import Objective, evaluate
from .traced import is_compiled_function
from .weight_variable import CHANGED, WeightVariable, optimizers_of

FAR = 1_441_440  # a multiple of all numbers up to 16: a step of "every k-th", and none beside it
FARTHER = 600 * FAR  # below 2³¹
ROUNDING = 1e-8  # of a factor

Course = Literal["ends", "grows", "differs", "python", "frozen"]


@dataclass(frozen=True)
class Schedule:
    """How the weight of a KL goes on.

    Attributes
    ----------
    course
        "ends" (far on it stays the same), "grows" (without end), "differs" (from step to step, far
        on too), "python" (by something that is no variable) or "frozen" (the same, in a step that
        is compiled and keeps it as it was when it was traced).
    end
        The factor where it ends, else ``None``.
    """

    course: Course
    end: KLFactor | None = None

    @property
    def vanishes(self) -> bool:
        """Whether it ends at 0, as weights of the batches of an epoch do beyond the last one."""
        return self.end is not None and abs(self.end.value) < ROUNDING


def schedules(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    factors: list[KLFactor],
    weights: dict[int, WeightVariable],
    roots: tuple[Any, ...],
) -> dict[int, Schedule]:
    """Return the course of each weight that follows a counter, by the id of its posterior.

    Parameters
    ----------
    objective, batch, small
        Where to evaluate what: the posteriors have tiny scales.
    factors
        As they are now.
    weights
        The variables that they change with.
    roots
        The network, and the reader's function, ``None`` if there is none.
    """
    if any(factor.changes for factor in factors):
        counts = any(factor.counted for factor in factors)
        course: Course = "differs"
        if counts or _counts_in_python(objective, batch, small):
            course = "frozen" if _is_compiled(objective, roots) else "python"
        return {id(factor.posterior): Schedule(course) for factor in factors if factor.changes}
    held = {id(variable) for variable in objective.held}
    led = {
        key: weight.variable
        for key, weight in weights.items()
        if weight.variable.dtype.is_integer or id(weight.variable) in held
    }
    if not led:
        return {}
    counters = list({id(variable): variable for variable in led.values()}.values())
    found = _courses(objective, batch, small, counters)
    by_itself = held | {id(optimizer.iterations) for optimizer in optimizers_of(*roots)}
    return {
        key: course
        for key, course in found.items()
        if key in led and not (course.vanishes and id(led[key]) not in by_itself)
    }


def _counts_in_python(objective: Objective, batch: Batch, small: list[SmallScale]) -> bool:
    """Whether weights differ from one evaluation to the next beside the same random numbers too."""
    variables = small_variables(small)
    values = []
    for _ in range(2):
        run = evaluate(objective, batch, variables, seed=SEEDS[0], by_entry=True, repeatable=True)
        again = measure_kl_factors(objective, batch, small, [run], once=True)
        values.append([factor.in_entries for factor in again])
    first, second = values
    return not np.allclose(first, second, rtol=CHANGED, atol=0.0)


def _is_compiled(objective: Objective, roots: tuple[Any, ...]) -> bool:
    """Whether the reader trains with a compiled step, by ``fit`` or by ``tf.function``."""
    network, function = roots
    if objective.kind == "own":
        return is_compiled_function(function)
    return objective.kind in ("fit", "step") and not network._run_eagerly


def _courses(
    objective: Objective, batch: Batch, small: list[SmallScale], counters: list[Any]
) -> dict[int, Schedule]:
    """Return the course of every weight, seen where the counters are far on."""
    before = [read(variable) for variable in counters]
    seen = []
    try:
        for number in (FAR, FAR + 1, FARTHER, FARTHER + 1):
            for variable, old in zip(counters, before, strict=True):
                variable.assign(np.full(old.shape, number, old.dtype))
            runs = evaluations_at(objective, batch, small, SEEDS[:1])
            seen.append(measure_kl_factors(objective, batch, small, runs, once=True))
    finally:
        for variable, old in zip(counters, before, strict=True):
            variable.assign(old)
    by_posterior = zip(small, zip(*seen, strict=True), strict=True)
    courses = {id(one.posterior): _course(factors) for one, factors in by_posterior}
    return {key: course for key, course in courses.items() if course is not None}


def _course(factors: tuple[KLFactor, ...]) -> Schedule | None:
    """Return the course of a weight, seen far on, a step later, farther, and a step later.

    None if it halves from step to step, as the weights of the batches of an epoch may.
    """
    values = np.array([factor.value for factor in factors])
    values[np.abs(values) < ROUNDING] = 0.0
    if not np.all(np.isfinite(values)):
        return Schedule("differs")
    size = np.max(np.abs(values))
    if np.ptp(values) <= CHANGED * size:
        return Schedule("ends", factors[-1])
    if np.allclose(values[[1, 3]], values[[0, 2]] / 2, rtol=CHANGED, atol=0.0):
        return None
    steps = np.abs(values[[0, 2]] - values[[1, 3]])
    if np.all(steps <= CHANGED * size) and abs(values[2]) > 2 * abs(values[0]) > 0:
        return Schedule("grows", factors[0])
    return Schedule("differs")
