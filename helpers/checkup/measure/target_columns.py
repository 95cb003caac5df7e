"""The columns of the targets, where the data term is a mean over them."""

import numpy as np
import tensorflow as tf

from .case import Case

SUMMED = ("distribution", "Bernoulli", "Bernoulli of probabilities")


def averaged_columns(case: Case) -> int:
    """Return the number of target columns over which the data term is a mean, 1 if it is not."""
    targets = case.batch.targets
    if case.data.name not in SUMMED or not tf.is_tensor(targets) or _is_one_hot(targets):
        return 1
    columns = int(np.prod(targets.shape[1:]))
    slope = case.data.slope / (case.batch.size if case.data.is_sum else 1)
    return columns if columns > 1 and abs(slope * columns - 1) < 0.01 else 1


def _is_one_hot(targets: tf.Tensor) -> bool:
    """Whether each row is a class: zeros and a single one."""
    array = targets.numpy()
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=-1) == 1).all())
