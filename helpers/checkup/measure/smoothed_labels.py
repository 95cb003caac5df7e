"""Smoothed labels: told by what is left of a cross-entropy beside that of the labels themselves."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
SAME = 2e-3  # of what is left; the rounding of a cross-entropy is below it
LEAST = 1e-3  # of the data term; less is no smoothing


def smoothing(rest: Array, even: Array, slope: float) -> float:
    """Return the share of each label that is spread over all classes, NaN if none is.

    Cross-entropy is linear in the labels: beside those of which a share s is spread, it is
    (1 - s) times that of the labels, plus s times that of labels that share each class alike.

    Parameters
    ----------
    rest
        What is left of the data term, beside ``slope`` times the cross-entropy of the labels, at
        several states of the weights.
    even
        The cross-entropy of labels that share each class alike, at the same states.
    slope
        The factor of the labels' own.
    """
    if not (np.all(np.isfinite(rest)) and np.all(np.isfinite(even)) and slope > 0):
        return float("nan")
    factor = float(rest @ even / (even @ even)) if np.any(even) else 0.0
    differs = np.ptp(even) > SAME * np.max(np.abs(even))
    fits = np.max(np.abs(rest - factor * even)) < SAME * np.max(np.abs(rest))
    return factor / (factor + slope) if differs and fits and factor > LEAST * slope else np.nan
