"""Counters of a reader's own that every call moves on, as in a warm-up that counts its steps.

While a network is looked at, each evaluation begins with the values that they had.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from ...model.reachable import reachable
from ...model.untouched import read, snapshot
from .batch import Batch
from .objective import Objective


class Counters:
    """The variables of one number that are reached from a network and its loss."""

    def __init__(self, *roots: Any) -> None:
        found = [x for x in reachable(*roots) if isinstance(x, tf.Variable)]
        self._scalars = [v for v in found if v.shape.num_elements() == 1]
        self._before = [read(variable) for variable in self._scalars]
        self._put_back = snapshot(self._scalars)

    def held(self, objective: Objective) -> Objective:
        """Return the objective with those held that calls have moved; put these back now."""
        now = [read(variable) for variable in self._scalars]
        moved = [
            variable
            for variable, old, new in zip(self._scalars, self._before, now, strict=True)
            if not np.array_equal(old, new)
        ]
        self._put_back()
        if not moved:
            return objective

        def evaluate(batch: Batch) -> Any:
            """Return what is minimised, and leave the counters as they were."""
            put_back = snapshot(moved)
            try:
                return objective.evaluate(batch)
            finally:
                put_back()

        return replace(objective, evaluate=evaluate, held=tuple(moved))
