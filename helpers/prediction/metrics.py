"""Standard measures of a predictive distribution over classes.

Introduced in chapters/04-elbo.md, "Five weights side by side".
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.special
import sklearn.metrics
import tensorflow_probability as tfp

from ..model.checks import check_labels

Array = npt.NDArray[np.float64]


def predictive_metrics(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, num_bins: int = 15
) -> dict[str, float]:
    """Return accuracy, log predictive density and calibration error of predictions.

    Parameters
    ----------
    probabilities
        [examples, classes], each row summing to 1 (average draws before passing them).
    labels
        [examples], class numbers.
    num_bins
        Number of equal bins of confidence for the calibration error.

    Returns
    -------
    dict
        ``accuracy`` (share of right answers), ``log_predictive_density`` (mean log probability of
        the true class, nats per example, higher is better) and ``expected_calibration_error``
        (mean distance between confidence and accuracy over the bins, in probability; a small test
        set makes it too large, as chance alone gives each bin some distance).

    Raises
    ------
    ValueError
        If the rows do not sum to 1 or the labels do not fit.

    References
    ----------
    Guo et al. (2017), *On Calibration of Modern Neural Networks*, equation 3.
    """
    probabilities = np.asarray(probabilities, np.float64)
    check_probabilities(probabilities, num_axes=2)
    num_examples, num_classes = probabilities.shape
    labels = check_labels(labels, num_examples, num_classes)
    best = probabilities.argmax(axis=1)
    log_probabilities = np.log(np.clip(probabilities, 1e-300, None))
    calibration = tfp.stats.expected_calibration_error(
        num_bins,
        logits=log_probabilities.astype(np.float32),
        labels_true=labels.astype(best.dtype),
        labels_predicted=best,
    )
    return {
        "accuracy": float(sklearn.metrics.accuracy_score(labels, best)),
        "log_predictive_density": float(log_probabilities[np.arange(num_examples), labels].mean()),
        "expected_calibration_error": float(calibration),
    }


def entropy_parts(draws: npt.ArrayLike) -> pd.DataFrame:
    """Split the entropy of each prediction into what the data and what the weights cause.

    Parameters
    ----------
    draws
        Probabilities [draws, examples, classes] of
        :func:`helpers.prediction.predict.predict_by_draws`.

    Returns
    -------
    pandas.DataFrame
        A row per example, in nats: ``total`` (entropy of the averaged probabilities), ``expected``
        (average entropy of the draws: ambiguity that knowing the weights would not remove) and
        ``mutual_information`` (the rest: disagreement between the draws, at least 0).

    Raises
    ------
    ValueError
        If the last axis does not sum to 1 or there are not three axes.

    References
    ----------
    Depeweg et al. (2018), *Decomposition of Uncertainty in Bayesian Deep Learning*, section 3.
    """
    draws = np.asarray(draws, np.float64)
    check_probabilities(draws, num_axes=3)
    total = scipy.special.entr(draws.mean(axis=0)).sum(axis=-1)
    expected = scipy.special.entr(draws).sum(axis=-1).mean(axis=0)
    disagreement = np.maximum(total - expected, 0.0)  # rounding alone would go below 0
    return pd.DataFrame({"total": total, "expected": expected, "mutual_information": disagreement})


def check_probabilities(probabilities: Array, num_axes: int) -> None:
    """Raise unless the last of ``num_axes`` axes holds probabilities that sum to 1.

    Raises
    ------
    ValueError
        If they do not: the usual cause is passing logits.
    """
    if probabilities.ndim != num_axes:
        raise ValueError(
            f"probabilities has shape {probabilities.shape}, but {num_axes} axes are needed: "
            "metrics take averaged probabilities [examples, classes], entropy parts take all draws "
            "[draws, examples, classes]."
        )
    sums = probabilities.sum(axis=-1)
    if np.any(probabilities < 0) or not np.allclose(sums, 1.0, atol=1e-5):
        raise ValueError(
            "Each row of probabilities must be non-negative and sum to 1. "
            "If these are logits, apply softmax first."
        )
