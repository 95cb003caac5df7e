"""A weight of the KL that follows a counter: where it ends, or whether it ever stands still.

A counter that is a variable is set far on, where a warm-up is over. A counter of Python cannot be
set; in a step that TensorFlow compiles it counts no further.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ...model.small_scales import SmallScale
from ...model.untouched import read, snapshot
from .batch import Batch
from .kl_factor import SEEDS, KLFactor, measure_kl_factors, small_variables
from .objective import Objective, evaluate
from .traced import is_compiled_function
from .weight_variable import CHANGED, FAR, WeightVariable, optimizers_of

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
    found = _courses(objective, batch, small, factors, counters)
    # A number of a batch that a callback sets is 0 beyond the last one, where it never comes.
    vanishing = {key for key, it in found.items() if it.end is not None and it.end.value == 0}
    by_itself = held | {id(optimizer.iterations) for optimizer in optimizers_of(*roots)}
    return {
        key: course
        for key, course in found.items()
        if key in led and (key not in vanishing or id(led[key]) in by_itself)
    }


def _counts_in_python(objective: Objective, batch: Batch, small: list[SmallScale]) -> bool:
    """Whether weights differ from one evaluation to the next beside the same random numbers too."""
    first, second = (_in_entries(_of_same_draws(objective, batch, small)) for _ in range(2))
    return not np.allclose(first, second, rtol=CHANGED, atol=0.0)


def _of_same_draws(objective: Objective, batch: Batch, small: list[SmallScale]) -> list[KLFactor]:
    """Return the factors of one evaluation, whose random numbers are the same each time."""
    variables = small_variables(small)
    run = evaluate(objective, batch, variables, seed=SEEDS[0], by_entry=True, repeatable=True)
    return measure_kl_factors(objective, batch, small, [run], once=True)


def _in_entries(factors: list[KLFactor]) -> list[float]:
    return [factor.in_entries for factor in factors]


def _is_compiled(objective: Objective, roots: tuple[Any, ...]) -> bool:
    """Whether the reader trains with a compiled step, by ``fit`` or by ``tf.function``."""
    network, function = roots
    if objective.kind == "own":
        return is_compiled_function(function)
    return objective.kind in ("fit", "step") and not network._run_eagerly


def _courses(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    factors: list[KLFactor],
    counters: list[Any],
) -> dict[int, Schedule]:
    """Return the course of every weight, seen where the counters are far on."""
    seen = []
    for number in (FAR, FAR + 1, FARTHER, FARTHER + 1):
        with _at(counters, number):
            seen.append(_of_same_draws(objective, batch, small))
    noise = [max(ROUNDING, CHANGED * abs(factor.value)) for factor in factors]
    rows = zip(noise, zip(*seen, strict=True), strict=True)
    courses = [_course([factor.value for factor in row], floor) for floor, row in rows]
    ends: list[KLFactor | None] = [None] * len(small)
    if "ends" in courses:
        with _at(counters, FARTHER):
            ends = list(measure_kl_factors(objective, batch, small))
        ends = [
            replace(end, value=0.0, in_entries=0.0, error=0.0)
            if end is not None and abs(end.value) < floor
            else end
            for end, floor in zip(ends, noise, strict=True)
        ]
    triples = zip(small, courses, ends, strict=True)
    return {
        id(one.posterior): Schedule(course, end if course == "ends" else None)
        for one, course, end in triples
        if course is not None
    }


@contextlib.contextmanager
def _at(counters: list[Any], number: int) -> Iterator[None]:
    """Set counters to a number inside the block."""
    put_back = snapshot(counters)
    try:
        for variable in counters:
            value = read(variable)
            variable.assign(np.full(value.shape, number, value.dtype))
        yield
    finally:
        put_back()


def _course(seen: list[float], noise: float) -> Course | None:
    """Return the course of a weight, seen far on, a step later, farther, and a step later.

    What is below the noise is 0. None if it halves from step to step, as the weights of the
    batches of an epoch may.
    """
    values = np.array(seen)
    values[np.abs(values) < noise] = 0.0
    if not np.all(np.isfinite(values)):
        return "differs"
    size = np.max(np.abs(values))
    if np.ptp(values) <= CHANGED * size:
        return "ends"
    if np.allclose(values[[1, 3]], values[[0, 2]] / 2, rtol=CHANGED, atol=0.0):
        return None
    steps = np.abs(values[[0, 2]] - values[[1, 3]])
    if np.all(steps <= CHANGED * size) and abs(values[2]) > 2 * abs(values[0]) > 0:
        return "grows"
    return "differs"


def rescaled_ends(
    found: dict[int, Schedule], before: list[KLFactor], after: list[KLFactor]
) -> dict[int, Schedule]:
    """Return the courses, their ends in the unit of the factors as they are now.

    Left out is a course whose end has no such unit, since the factor is 0 now.
    """
    pairs = zip(before, after, strict=True)
    changed = {id(one.posterior): (one, other) for one, other in pairs if one is not other}
    kept = {}
    for key, schedule in found.items():
        one, other = changed.get(key, (None, None))
        if schedule.end is None or one is None or other is None:
            kept[key] = schedule
        elif one.value:
            ratio, end = other.value / one.value, schedule.end
            kept[key] = replace(
                schedule,
                end=replace(
                    end,
                    value=ratio * end.value,
                    value_twice=ratio * end.value_twice,
                    in_entries=ratio * end.in_entries,
                ),
            )
    return kept
