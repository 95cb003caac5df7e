"""The data of the regression chapters: complete, in order, without units."""

import numpy as np
import scipy.stats
import sklearn.datasets

from helpers.data.diabetes import load_diabetes_standardised


def test_columns_are_standardised_and_keep_their_order():
    features, targets, names = load_diabetes_standardised()
    raw = sklearn.datasets.load_diabetes(scaled=False)
    assert features.shape == (442, 10)
    assert names[2] == "bmi"
    np.testing.assert_allclose(features, scipy.stats.zscore(raw.data), atol=1e-9)
    np.testing.assert_allclose(targets, scipy.stats.zscore(raw.target), atol=1e-12)
    assert features.dtype == targets.dtype == np.float64
