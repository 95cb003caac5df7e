"""The variable that the KL is multiplied by, as in a warm-up of its weight."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ...model.reachable import reachable
from ...model.small_scales import SmallScale
from .batch import Batch
from .kl_factor import KLFactor, measure_kl_factors
from .objective import Objective

MOST_SCALARS = 4


def weight_variable(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    factors: list[KLFactor],
    roots: tuple[Any, ...],
) -> Any:
    """Return the scalar variable that multiplies the KL (a warm-up), or None."""
    for variable in _scalars(roots):
        before = variable.numpy()
        variable.assign(0.5 * before + 0.25)
        try:
            (changed, *_) = measure_kl_factors(objective, batch, small[:1]) if small else [None]
        finally:
            variable.assign(before)
        if changed and not np.isclose(changed.value, factors[0].value, rtol=1e-3, atol=1e-9):
            return variable
    return None


def _scalars(roots: tuple[Any, ...]) -> list[Any]:
    """Return the scalar variables that are no optimizer's, no metric's and not trained."""
    found = list(reachable(*roots))
    trained = {id(v) for v in getattr(roots[0], "trainable_variables", ())}
    owners = (tf_keras.optimizers.Optimizer, tf_keras.optimizers.legacy.Optimizer)
    owned = [x for x in found if isinstance(x, (*owners, tf_keras.metrics.Metric))]
    taken = trained | {id(v) for v in reachable(*owned) if isinstance(v, tf.Variable)}
    variables = [x for x in found if isinstance(x, tf.Variable) and id(x) not in taken]
    return [v for v in variables if v.shape.rank == 0 and v.dtype.is_floating][:MOST_SCALARS]
