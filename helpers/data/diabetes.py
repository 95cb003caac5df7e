"""Real data for regression: scikit-learn's diabetes set, bundled, so no download is needed.

Introduced in chapters/08-exact-answer.md, "A model that can be solved".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import sklearn.datasets

Array = npt.NDArray[np.float64]


class Diabetes(NamedTuple):
    """Features [patients, 10] and targets [patients], standardised, and the features' names."""

    features: Array
    targets: Array
    names: list[str]


def load_diabetes_standardised() -> Diabetes:
    """Return the 442 patients with every column brought to mean 0 and standard deviation 1.

    The features are age, sex, body mass index, blood pressure and six blood values; the target
    tells how far diabetes has come a year later. Without units, a prior N(0, 1) on the weights of a
    regression is neither narrow nor wide.

    Returns
    -------
    Diabetes
        Features and targets as float64.

    References
    ----------
    Efron, Hastie, Johnstone and Tibshirani (2004), *Least Angle Regression*, section 1.
    """
    data = sklearn.datasets.load_diabetes()
    columns = np.column_stack([data.data, data.target]).astype(np.float64)
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return Diabetes(columns[:, :-1], columns[:, -1], list(data.feature_names))
