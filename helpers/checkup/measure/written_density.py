"""Whether an unknown data term is minus the logarithm of a density of one value.

A density integrates to 1 over the targets, whatever the weights are; what is left out as a constant
only changes the number. So the term is integrated for a few rows at a few weights. All values of a
grid are seen at once: every row of a batch is the same example beside another target, and the
gradient by the targets is the slope of each row's term.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .batch import Batch

Array = npt.NDArray[np.float64]
POINTS, WIDTH = 401, 9.0  # of a grid; its ends lie at sinh(WIDTH) units
SAME = 0.03  # nats, between two integrals
FEWEST_VALUES = 10  # of the targets; fewer may be classes

Evaluate = Callable[[Batch], tuple[float, Any]]  # value, and gradient by the targets


class Integral(NamedTuple):
    """Of exp(minus the data term) over one target: its logarithm, and the spread of the density."""

    log_integral: float
    log_stddev: float


def integrals(evaluate: Evaluate, batch: Batch, *, is_sum: bool) -> list[Integral]:
    """Return the integrals for two rows; none if targets are not one value for each example."""
    targets = batch.targets
    if not tf.is_tensor(targets) or not targets.dtype.is_floating:
        return []
    values = np.asarray(targets, float)
    if values.size != batch.size or np.unique(values).size < FEWEST_VALUES:
        return []
    unit = float(values.std())
    found = [_integral(evaluate, batch, row, unit, is_sum=is_sum) for row in (0, batch.size // 2)]
    return [integral for integral in found if integral is not None]


def can_be_density(found: list[Integral]) -> bool:
    """Whether the integrals so far agree: one that does not ends the search."""
    logs = [x.log_integral for x in found]
    return bool(found) and bool(np.all(np.isfinite(logs))) and bool(np.ptp(logs) < SAME)


def is_density(found: list[Integral]) -> bool:
    """Whether all integrals agree, though the densities are unequally wide."""
    widths = [x.log_stddev for x in found]
    if len(found) < 3 or not can_be_density(found) or not np.all(np.isfinite(widths)):
        return False
    return bool(np.ptp(widths) > 3 * SAME)


def _integral(
    evaluate: Evaluate, batch: Batch, row: int, unit: float, *, is_sum: bool
) -> Integral | None:
    """Return the integral for one row: on a wide grid first, then on one around the density."""
    same = batch.at([row] * POINTS)
    steps = np.sinh(np.linspace(-WIDTH, WIDTH, POINTS))
    centre = float(np.asarray(batch.targets[row], float).ravel()[0])
    scale, total, lowest = unit, 1.0, 0.0
    for _ in range(3):
        grid = centre + scale * steps / 10
        term = _term(evaluate, same, grid, is_sum=is_sum)
        if term is None:
            return None
        lowest = float(term.min())
        weights = np.exp(-(term - lowest))
        total = np.trapezoid(weights, grid)
        centre = float(np.trapezoid(weights * grid, grid) / total)
        scale = float(np.sqrt(np.trapezoid(weights * (grid - centre) ** 2, grid) / total))
        if not np.isfinite(scale) or scale <= 0:
            return None
    return Integral(float(np.log(total) - lowest), float(np.log(scale)))


def _term(evaluate: Evaluate, same: Batch, grid: Array, *, is_sum: bool) -> Array | None:
    """Return the term of one example at every target of the grid."""
    shape = same.targets.shape
    rows = 1.0 if is_sum else float(POINTS)
    try:
        beside = same._replace(targets=tf.constant(grid.reshape(shape), same.targets.dtype))
        slopes = np.ravel(evaluate(beside)[1]).astype(float) * rows
        middle = np.full(POINTS, grid[(POINTS - 1) // 2]).reshape(shape)
        at_middle = same._replace(targets=tf.constant(middle, same.targets.dtype))
        value = evaluate(at_middle)[0]
    except Exception:  # noqa: BLE001 (an objective that takes no other batch, or no tensors)
        return None
    if slopes.shape != grid.shape or not np.isfinite(value):
        return None
    steps = 0.5 * (slopes[1:] + slopes[:-1]) * np.diff(grid)
    rises = np.concatenate([[0.0], np.cumsum(steps)])
    one = value / POINTS if is_sum else value
    return rises - rises[(POINTS - 1) // 2] + one
