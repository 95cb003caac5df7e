"""The reader's optimizers: whether they took a step, and which run at a default learning rate."""

import inspect
from typing import Any

import tensorflow as tf
import tf_keras

from ...model.untouched import read
from .case import Case
from .weight_variable import optimizers_of


def steps_taken(case: Case) -> int:
    """Return how many steps the busiest optimizer that network or loss refer to has taken."""
    found = optimizers_of(case.network, case.setup.loss)
    return max((int(read(optimizer.iterations)) for optimizer in found), default=0)


def optimizers_at_default(case: Case) -> list[tuple[str, float]]:
    """Return class and learning rate of such optimizers, those compiled by name aside."""
    found = []
    for optimizer in optimizers_of(case.network, case.setup.loss):
        if not isinstance(optimizer, tf_keras.optimizers.Optimizer):
            continue
        if _compiled_by_name(case.network, optimizer):
            continue
        rate = getattr(optimizer, "_learning_rate", None)  # what scales the loss only wraps one
        rate = float(read(rate)) if isinstance(rate, tf.Variable) else None
        if rate is not None and abs(rate - _default(type(optimizer))) < 1e-9:
            found.append((type(optimizer).__name__, rate))
    return found


def _compiled_by_name(network: Any, optimizer: Any) -> bool:
    """Whether ``compile`` got a string such as "adam", in which nobody can write ``lr=``."""
    given = getattr(getattr(network, "_compile_config", None), "config", {})
    compiled = getattr(network.optimizer, "inner_optimizer", network.optimizer)
    return compiled is optimizer and isinstance(given.get("optimizer"), str)


def _default(cls: Any) -> float:
    default = inspect.signature(cls.__init__).parameters["learning_rate"].default
    return float(default) if isinstance(default, (int, float)) else float("nan")
