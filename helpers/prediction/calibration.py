"""How often predictions are right, bin by bin of how sure they are.

Introduced in chapters/05-training.md, "Calibration".
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..model.checks import check_labels
from .metrics import check_probabilities


def reliability_table(
    probabilities: npt.NDArray[np.float64], labels: npt.ArrayLike, num_bins: int = 15
) -> pd.DataFrame:
    """Sort predictions into equal bins of confidence and compare confidence with accuracy.

    Parameters
    ----------
    probabilities
        [examples, classes], each row summing to 1 (average draws before passing them).
    labels
        [examples], class numbers.
    num_bins
        Number of bins between 0 and 1; empty ones are left out of the table.

    Returns
    -------
    pandas.DataFrame
        A row per bin: ``count`` (examples), ``confidence`` (mean probability of the predicted
        class) and ``accuracy`` (share of right answers). The expected calibration error is the
        mean of ``|confidence − accuracy|`` weighted by ``count``.

    Raises
    ------
    ValueError
        If the rows do not sum to 1 or the labels do not fit.
    """
    check_probabilities(probabilities, num_axes=2)
    labels = check_labels(labels, *probabilities.shape)
    confidence = probabilities.max(axis=1)
    predictions = pd.DataFrame(
        {"confidence": confidence, "accuracy": probabilities.argmax(axis=1) == labels}
    )
    # A bin holds its upper edge; a confidence of exactly 0 cannot occur.
    bins = np.ceil(confidence * num_bins).clip(1, num_bins).astype(int)
    table = predictions.groupby(bins).mean()
    table.insert(0, "count", predictions.groupby(bins).size())
    return table.rename_axis("bin")


def calibration_error_by_chance(
    probabilities: npt.ArrayLike, num_repetitions: int = 1000, num_bins: int = 15, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Return calibration errors that perfectly calibrated predictions would show by chance.

    Each repetition calls every prediction right with its own confidence, so that the predictions
    are calibrated, and computes the expected calibration error. What is left of it is chance.

    Parameters
    ----------
    probabilities
        [examples, classes], each row summing to 1.
    num_repetitions
        How many errors to draw.
    num_bins
        Number of equal bins of confidence, as in the error that is to be compared.
    seed
        Of the draws.

    Returns
    -------
    ndarray
        Expected calibration errors [repetitions], in probability. A measured error above nearly
        all of them is more than chance.

    Raises
    ------
    ValueError
        If the rows do not sum to 1.

    References
    ----------
    Vaicenavicius et al. (2019), *Evaluating model calibration in classification*.
    """
    probabilities = np.asarray(probabilities, np.float64)
    check_probabilities(probabilities, num_axes=2)
    confidence = probabilities.max(axis=1)
    bins = np.ceil(confidence * num_bins).clip(1, num_bins).astype(int) - 1
    members = (bins[:, None] == np.arange(num_bins)).astype(np.float64)  # [examples, bins]
    rng = np.random.default_rng(seed)
    right = rng.random((num_repetitions, len(confidence))) < confidence
    gaps: npt.NDArray[np.float64] = np.abs((right - confidence) @ members).sum(axis=1)
    return gaps / len(confidence)
