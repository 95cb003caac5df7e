"""Taking the KL out of what a training printed: beside a data term, or under a growing weight.

Introduced in chapters/20-published-numbers.md, "The KL in a printed log".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .logs import rounding

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Growth:
    """How a printed KL grows with the number of the step.

    Attributes
    ----------
    exponent
        Of the power of the step that fits it best: 0 under a constant weight, 1 where the weight
        rises from 0 in a line, 2 where it rises by its square.
    drift
        By which share of itself the KL changes over the log once that power is divided out.
    explained
        Share of the variance of the logarithms that the power explains.
    """

    exponent: float
    drift: float
    explained: float


def kl_beside_data_term(
    log: pd.DataFrame,
    loss: str = "loss",
    data_term: str = "root_mean_squared_error",
    *,
    power: float = 2.0,
    factor: float = 1.0,
) -> pd.DataFrame:
    """Return what a printed loss holds beside its data term: the sum of ``losses``.

    Keras prints the compiled loss plus ``sum(model.losses)``. Where a metric says what the compiled
    loss was, the rest is the KL, divided by whatever the network divides it by.

    Parameters
    ----------
    log
        From :func:`~helpers.published.logs.read_training_log`.
    loss, data_term
        Columns of the log.
    power, factor
        The compiled loss is ``factor`` · (data term)^``power``: 2 and 1 for a mean squared error
        beside its root, 1 and 1 for a negative log-likelihood, 1 and 128 for a sum over a batch of
        128.

    Returns
    -------
    pandas.DataFrame
        ``kl`` in the unit of the loss, and ``rounding``, the most that the printed digits can have
        moved it by.

    Raises
    ------
    ValueError
        If the log lacks a column.
    """
    missing = [name for name in (loss, data_term) if name not in log]
    if missing:
        raise ValueError(f"The log has no {', '.join(missing)}; it has {', '.join(log.columns)}.")
    term = log[data_term].to_numpy(np.float64)
    slope = np.abs(factor * power * term ** (power - 1.0))
    moved = rounding(log, loss) + slope * rounding(log, data_term)
    kl = log[loss].to_numpy(np.float64) - factor * term**power
    return pd.DataFrame({"kl": kl, "rounding": moved}, index=log.index)


def growth_with_step(step: npt.ArrayLike, printed_kl: npt.ArrayLike) -> Growth:
    """Return by which power of the step a printed KL grows, and what is left of it.

    Parameters
    ----------
    step
        Numbers of the steps, positive; at least three.
    printed_kl
        What was printed there, positive, in any unit.

    Raises
    ------
    ValueError
        If there are fewer than three, or they are not positive.

    Notes
    -----
    The power is fitted to the logarithms by least squares. A weight that rises in a line gives an
    exponent just below 1 while the KL itself falls slowly.
    """
    step, printed = _positive(step, "step"), _positive(printed_kl, "printed_kl")
    if len(step) < 3 or len(step) != len(printed):
        raise ValueError(
            f"{len(step)} steps and {len(printed)} values: give three or more of each."
        )
    x, y = np.log(step), np.log(printed)
    exponent, constant = np.polyfit(x, y, 1)
    rest = np.var(y - exponent * x - constant)
    explained = 1.0 - rest / np.var(y) if np.var(y) > 0 else 1.0
    undone = printed / step ** np.round(exponent)
    return Growth(float(exponent), float(undone[-1] / undone[0] - 1.0), float(explained))


def undo_warm_up(step: npt.ArrayLike, printed_kl: npt.ArrayLike, warm_up_steps: float) -> Array:
    """Return the KL without a weight that rose in a line to 1 over so many steps.

    Parameters
    ----------
    step, printed_kl
        Numbers of the steps, above 0, and what was printed there.
    warm_up_steps
        After so many steps the weight is 1.

    Returns
    -------
    Array
        In the unit of what was printed.
    """
    step, printed = _positive(step, "step"), np.asarray(printed_kl, np.float64)
    if not warm_up_steps > 0:
        raise ValueError(f"warm_up_steps is {warm_up_steps}: give a positive number.")
    return np.asarray(printed / np.minimum(step / warm_up_steps, 1.0))


def _positive(values: npt.ArrayLike, name: str) -> Array:
    array = np.asarray(values, np.float64)
    if not np.all(array > 0):
        raise ValueError(
            f"{name} must be above 0, and some is {array.min()}: leave these rows out."
        )
    return array
