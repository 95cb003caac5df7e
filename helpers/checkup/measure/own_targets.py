"""Whether the loss compares each input with its own target, or with that of another row.

A likelihood of the right form may pair them wrongly: inputs that are tiled beside targets that are
repeated, inputs that are shuffled alone. So one input is changed, and it is seen by how much the
data term then changes more with its own target, and with those of all other rows.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from .batch import Batch

FARTHER = 10.0  # times; a batch normalisation, which mixes rows, stays far below
ROUNDING = 1e-5  # of the data term


def meets_own_targets(
    values: Callable[[list[Batch]], list[float]], batch: Batch, leaf: int | None
) -> bool | None:
    """Return whether an input and its own target go together; None if that cannot be seen.

    Parameters
    ----------
    values
        Batches that differ in their targets alone ↦ the data term of each.
    batch
        Inputs and targets.
    leaf
        Which leaf of the targets is looked at; ``None`` for all.
    """
    chosen = _row_and_other(batch, leaf)
    if chosen is None:
        return None
    row, other = chosen
    size = batch.size
    own = [other if i == row else i for i in range(size)]
    rest = [i if i == row else other for i in range(size)]
    changes: list[list[float]] = []
    for one in (batch, batch.with_inputs_at(own)):
        asked = [one, one.with_targets_at(own, leaf), one.with_targets_at(rest, leaf)]
        first, *others = values(asked)
        changes.append([value - first for value in others])
    if not np.all(np.isfinite(changes)):
        return None
    beside_own, beside_other = map(np.array, changes)
    together = np.abs(beside_own - beside_other)  # with its own target, with all others
    rounding = ROUNDING * float(np.max(np.abs(changes)))
    if np.max(together) <= rounding:
        return None
    return bool(together[1] <= FARTHER * together[0] + rounding)


def _row_and_other(batch: Batch, leaf: int | None) -> tuple[int, int] | None:
    """Return a row, and another whose input and target both differ from its own; None if none."""
    leaves = tf.nest.flatten(batch.targets)
    targets = _as_rows(leaves if leaf is None else leaves[leaf : leaf + 1], batch.size)
    inputs = _as_rows(tf.nest.flatten(batch.inputs), batch.size)
    kept = _weighted(batch)
    for row in range(1, batch.size):
        for other in (0, *range(batch.size - 1, 1, -1)):
            differs = targets[row] != targets[other] and inputs[row] != inputs[other]
            if differs and row != other and kept[row]:
                return row, other
    return None


def _as_rows(leaves: Sequence[tf.Tensor], size: int) -> list[bytes]:
    arrays = [np.asarray(leaf) for leaf in leaves]
    return [b"|".join(array[row].tobytes() for array in arrays) for row in range(size)]


def _weighted(batch: Batch) -> list[bool]:
    """Return which rows count: those whose weights are not all 0."""
    if batch.weights is None:
        return [True] * batch.size
    weights = [np.asarray(leaf).reshape(batch.size, -1) for leaf in tf.nest.flatten(batch.weights)]
    return [all(bool(np.any(leaf[row])) for leaf in weights) for row in range(batch.size)]
