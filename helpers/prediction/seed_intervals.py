"""Intervals over seeds: of a mean, and of what one more training will give.

Introduced in chapters/13-when-not-to-use.md, "Test digits: accuracy, density, calibration".
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.stats


class Interval(NamedTuple):
    """A mean over seeds and the two ends of an interval by Student's t."""

    mean: float
    low: float
    high: float


def t_interval(values: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of a few values and the ends of its interval by Student's t.

    Parameters
    ----------
    values
        [seeds], at least two; any unit.
    level
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there are fewer than two values.

    References
    ----------
    Student (1908), *The Probable Error of a Mean*.
    """
    return _interval(values, level, lambda count: 1.0 / count)


def next_interval(values: npt.ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval in which one more value lies: that of a training with another seed.

    It is wider than that of the mean, by √(n + 1).

    Parameters
    ----------
    values, level
        As in :func:`t_interval`.

    Raises
    ------
    ValueError
        If there are fewer than two values.
    """
    return _interval(values, level, lambda count: 1.0 + 1.0 / count)


def _interval(values: npt.ArrayLike, level: float, share: Callable[[int], float]) -> Interval:
    """Return mean ± t · s · √share(n)."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError("An interval over seeds needs the values of two seeds or more [seeds].")
    error = values.std(ddof=1) * np.sqrt(share(len(values)))
    reach = float(scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * error)
    mean = float(values.mean())
    return Interval(mean, mean - reach, mean + reach)
