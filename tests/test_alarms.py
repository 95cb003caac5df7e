"""AUROC against counting pairs and scikit-learn, alarms against counting, distances by loops."""

import numpy as np
import pytest
import sklearn.metrics

from helpers.prediction.alarms import distance_to_nearest, measure_alarm


def test_auroc_counts_pairs_with_ties_as_halves():
    rng = np.random.default_rng(0)
    usual, unusual = rng.integers(0, 6, 17).astype(float), rng.integers(2, 9, 11).astype(float)
    pairs = [(u > v) + 0.5 * (u == v) for u in unusual for v in usual]
    found = measure_alarm(usual, unusual).auroc
    assert found == pytest.approx(np.mean(pairs))
    labels = np.repeat([0, 1], [17, 11])
    by_sklearn = sklearn.metrics.roc_auc_score(labels, np.concatenate([usual, unusual]))
    assert found == pytest.approx(by_sklearn)


def test_the_threshold_lets_so_many_usual_inputs_raise_the_alarm():
    usual = np.arange(200.0)  # thresholds between 189 and 190
    assert measure_alarm(usual, [189.0, 190.0, 500.0, 0.0]).share == 0.5
    assert measure_alarm(usual, usual).share == pytest.approx(0.05)
    assert measure_alarm(usual, usual, false_alarms=0.2).share == pytest.approx(0.2)
    assert measure_alarm(usual, usual).auroc == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("usual", "unusual", "share", "says"),
    [
        ([], [1.0], 0.05, "usual has to hold"),
        ([1.0], [np.nan], 0.05, "unusual has to hold"),
        ([[1.0]], [1.0], 0.05, "usual has to hold"),
        ([1.0], [1.0], 5, "false_alarms is 5"),
    ],
)
def test_wrong_input_is_refused(usual, unusual, share, says):
    with pytest.raises(ValueError, match=says):
        measure_alarm(usual, unusual, share)


def test_distances_are_those_of_the_nearest_known_input():
    rng = np.random.default_rng(1)
    inputs, known = rng.normal(size=(5, 3)), rng.normal(size=(8, 3))
    expected = [min(np.sqrt(((x - k) ** 2).sum()) for k in known) for x in inputs]
    np.testing.assert_allclose(distance_to_nearest(inputs, known), expected)
    assert distance_to_nearest(known, known).max() == 0
