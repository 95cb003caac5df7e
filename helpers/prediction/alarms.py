"""Alarms: how well a score of doubt tells unusual inputs from usual ones.

Introduced in chapters/13-when-not-to-use.md, "Set an alarm and measure it".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.spatial
import scipy.stats

Array = npt.NDArray[np.float64]


class Alarm(NamedTuple):
    """How well a score tells unusual inputs from usual ones.

    ``auroc`` is the probability that a random unusual input has the higher score (ties count half;
    0.5 is chance). ``share`` is the share of unusual inputs above the threshold that the given
    share of the usual ones exceeds.
    """

    auroc: float
    share: float


def measure_alarm(
    usual: npt.ArrayLike, unusual: npt.ArrayLike, false_alarms: float = 0.05
) -> Alarm:
    """Return AUROC and share of alarms of a score, higher meaning more doubt.

    Parameters
    ----------
    usual, unusual
        Scores [examples] of inputs like the training data, and of others; any unit.
    false_alarms
        Share of the usual inputs that may raise the alarm, between 0 and 1: sets the threshold.

    Raises
    ------
    ValueError
        If scores are missing or not finite, or ``false_alarms`` is no share.

    References
    ----------
    Hendrycks and Gimpel (2017), *A Baseline for Detecting Misclassified and Out-of-Distribution
    Examples in Neural Networks*.
    """
    usual, unusual = np.asarray(usual, np.float64), np.asarray(unusual, np.float64)
    for name, scores in {"usual": usual, "unusual": unusual}.items():
        if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
            raise ValueError(f"{name} has to hold one finite score for each example [examples].")
    if not 0 < false_alarms < 1:
        raise ValueError(f"false_alarms is {false_alarms}: give a share, for instance 0.05.")
    pairs_won = scipy.stats.mannwhitneyu(unusual, usual).statistic
    threshold = np.quantile(usual, 1 - false_alarms)
    return Alarm(
        float(pairs_won / (len(usual) * len(unusual))), float((unusual > threshold).mean())
    )


def distance_to_nearest(inputs: npt.ArrayLike, known: npt.ArrayLike) -> Array:
    """Return how far each input is from the nearest known one.

    Parameters
    ----------
    inputs, known
        [examples, features] and [known examples, features], in the same unit: pixels, or the
        features of a layer.

    Returns
    -------
    ndarray
        Euclidean distances [examples], in the unit of the inputs.
    """
    nearest, _ = scipy.spatial.KDTree(np.asarray(known, np.float64)).query(np.asarray(inputs))
    return np.asarray(nearest, np.float64)
