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
