"""How the entries of ``losses`` count in the objective where all of them are smaller."""

import numpy as np
import numpy.typing as npt

from .case import Case
from .objective import evaluate

Array = npt.NDArray[np.float64]
SMALLER = 0.01  # times what they are


def shares_of_smaller(case: Case) -> tuple[Array, Array]:
    """Return how often each entry counts now, and where all are a hundredth [entry].

    The two are the same where the objective holds each entry times a number.
    """
    smaller = evaluate(case.objective, case.batch, factor=SMALLER)
    return np.array(case.evaluations[0].shares), np.array(smaller.shares)
