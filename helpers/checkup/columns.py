"""A log-likelihood that is averaged over the columns of the targets, not summed."""

import numpy as np
import tensorflow as tf

from .case import Case
from .report import Finding

SUMMED = ("distribution", "Bernoulli", "Bernoulli of probabilities")


def check_columns(case: Case) -> list[Finding]:
    """Return a note where the data term is the mean over several numbers of each example."""
    columns = averaged_columns(case)
    matched = [np.isclose(w.weight * case.patient.num_examples * columns, 1) for w in case.weights]
    if columns < 2 or (matched and all(matched)):
        return []
    if not case.bayesian_layers and not case.evaluations[0].watch.added:
        return []
    text = (
        f"The data term is the mean over the {columns} target columns, as Keras's losses take it. "
        "The log-likelihood of an example is their sum: beside it, a KL that is right otherwise "
        f"weighs {columns} times too much."
    )
    cure = (
        f"Sum over the columns: multiply the loss by {columns}, or compile with a function that "
        "takes tf.reduce_sum(..., axis=-1)."
    )
    return [Finding("likelihood-averaged", "look", text, None, 1 / columns, 1.0, cure=cure)]


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
