"""A log-likelihood that is averaged over the columns of the targets, not summed."""

import numpy as np

from ..measure.case import Case
from ..measure.target_columns import averaged_columns
from ..report import Finding


def check_columns(case: Case) -> list[Finding]:
    """Return a note where the data term is the mean over several numbers of each example."""
    columns = averaged_columns(case)
    matched = [np.isclose(f.value * case.setup.num_examples * columns, 1) for f in case.factors]
    if columns < 2 or (matched and all(matched)):
        return []
    if not case.bayesian_layers and not case.added:
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
    return [
        Finding(
            kind="likelihood-averaged",
            verdict="look",
            message=text,
            value=1 / columns,
            expected=1.0,
            cure=cure,
        )
    ]
