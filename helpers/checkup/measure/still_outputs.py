"""Outputs of the last layer that the data cannot move, for no row: a ReLU that is dead."""

from typing import Any

import numpy as np

from ...model.activations import activation_name
from .case import Case
from .objective import evaluate

ALL = -1
SEEDS = (31, 32)


def still_columns(case: Case) -> list[int]:
    """Return the units of the last layer whose weights have a gradient of exactly 0; [-1] for all.

    Several draws are tried, without the KL. An output that the loss does not use is still as well.
    """
    trained = [v for v in case.variables if v.trainable]
    if not trained or case.batch.targets is None:
        return []
    still, sizes = [], [0.0] * len(trained)
    for seed in SEEDS:
        run = evaluate(case.objective, case.batch, trained, seed=seed, factor=0.0)
        sizes = [size + _size(own) for size, own in zip(sizes, run.gradients, strict=True)]
        still = _still(case, trained, sizes)
        if not still:  # another draw cannot bring them to rest
            break
    return still


def _still(case: Case, trained: list[Any], sizes: list[Any]) -> list[int]:
    """Return the units without a gradient, from the size of it by each variable."""
    if not any(np.any(size) for size in sizes):
        return [ALL]
    found = last_kernel(case, trained)
    if found is None:
        return []
    _, last = found
    units = np.asarray(sizes[last]).reshape(-1, trained[last].shape[-1]).sum(axis=0)
    return [int(column) for column in np.flatnonzero(units == 0)]


def _size(gradient: Any) -> Any:
    return 0.0 if gradient is None else np.abs(gradient)


def is_unused(case: Case) -> bool:
    """Whether the last layer has no activation that cuts it off: then what stands still is unused.

    For a distribution that takes some columns of its inputs, others have no effect.
    """
    found = last_kernel(case, [v for v in case.variables if v.trainable])
    return found is not None and activation_name(found[0]) == "linear"


def last_kernel(case: Case, trained: list[Any]) -> tuple[Any, int] | None:
    """Return the last layer that has a matrix of its own, and the place of that matrix."""
    place = {id(variable): index for index, variable in enumerate(trained)}
    for layer, _ in reversed(case.called):
        if getattr(layer, "layers", None):
            continue
        own = [v for v in layer.trainable_variables if id(v) in place and v.shape.rank > 1]
        if own:
            return layer, place[id(own[0])]
    return None
