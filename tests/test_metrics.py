"""Measures of predictions, against scikit-learn and plain loops."""

import math

import numpy as np
import pytest
import sklearn.metrics

from helpers.prediction.metrics import check_probabilities, entropy_parts, predictive_metrics

RNG = np.random.default_rng(4)
PROBABILITIES = RNG.dirichlet([0.5, 0.7, 0.4], size=400)
LABELS = np.array([RNG.choice(3, p=0.6 * row + 0.4 / 3) for row in PROBABILITIES])
DRAWS = RNG.dirichlet([0.6, 0.3, 0.8], size=(6, 7))


def calibration_error_by_loops(probabilities, labels, num_bins):
    """Σ over bins of (share of examples in the bin) · |accuracy − confidence|."""
    bins = [[] for _ in range(num_bins)]
    for row, label in zip(probabilities, labels, strict=True):
        confidence = max(row)
        right = float(list(row).index(confidence) == label)
        bins[min(int(confidence * num_bins), num_bins - 1)].append((confidence, right))
    error = 0.0
    for members in filter(None, bins):
        confidence = sum(c for c, _ in members) / len(members)
        accuracy = sum(r for _, r in members) / len(members)
        error += len(members) / len(labels) * abs(accuracy - confidence)
    return error


def test_accuracy_and_log_density_equal_scikit_learn():
    metrics = predictive_metrics(PROBABILITIES, LABELS)
    accuracy = sklearn.metrics.accuracy_score(LABELS, np.argmax(PROBABILITIES, axis=1))
    assert metrics["accuracy"] == accuracy
    loss = sklearn.metrics.log_loss(LABELS, PROBABILITIES, labels=[0, 1, 2])
    assert metrics["log_predictive_density"] == pytest.approx(-loss, rel=1e-9)


@pytest.mark.parametrize("num_bins", [4, 15])
def test_calibration_error_equals_a_loop_over_bins(num_bins):
    metrics = predictive_metrics(PROBABILITIES, LABELS, num_bins=num_bins)
    expected = calibration_error_by_loops(PROBABILITIES, LABELS, num_bins)
    assert metrics["expected_calibration_error"] == pytest.approx(expected, rel=1e-4)
    assert expected > 0.1


def test_fifteen_bins_are_the_default():
    assert predictive_metrics(PROBABILITIES, LABELS) == predictive_metrics(
        PROBABILITIES, LABELS, 15
    )


def test_hand_worked_example():
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    metrics = predictive_metrics(probabilities, [0, 1, 1, 0], num_bins=10)
    assert metrics == pytest.approx(
        {
            "accuracy": 0.75,
            "log_predictive_density": math.log(0.9 * 0.1 * 0.8 * 0.6) / 4,
            # bins: two at .9 with accuracy ½, one at .8 and one at .6, both right
            "expected_calibration_error": 0.5 * 0.4 + 0.25 * 0.2 + 0.25 * 0.4,
        },
        rel=1e-5,
    )


def test_sure_and_right_is_perfect():
    metrics = predictive_metrics(np.eye(3)[[0, 2, 1, 1]], [0, 2, 1, 1])
    expected = {"accuracy": 1, "log_predictive_density": 0, "expected_calibration_error": 0}
    assert metrics == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sure_and_wrong_stays_finite(dtype):
    metrics = predictive_metrics(np.eye(3, dtype=dtype)[[0, 2]], [1, 2])
    assert -400 < metrics["log_predictive_density"] < -300
    assert metrics["expected_calibration_error"] == pytest.approx(0.5)


BAD = {
    "logits": (PROBABILITIES * 3, LABELS, "sum to 1. If these are logits, apply softmax first"),
    "negative": (np.array([[1.5, -0.5]]), [0], "must be non-negative"),
    "NaN": (np.array([[np.nan, 0.5]]), [0], "sum to 1"),
    "all draws": (DRAWS, LABELS, r"shape \(6, 7, 3\), but 2 axes.*\[examples, classes\]"),
    "label too high": (PROBABILITIES, LABELS + 1, "is 3, but the network has 3 outputs"),
    "too few labels": (PROBABILITIES, LABELS[:5], r"shape \(5,\), but there are 400"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_measured_is_refused_with_the_cure(case):
    probabilities, labels, advice = BAD[case]
    with pytest.raises(ValueError, match=advice):
        predictive_metrics(probabilities, labels)


def entropy(probabilities):
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def test_entropy_parts_equal_loops_over_examples_and_draws():
    parts = entropy_parts(DRAWS)
    assert list(parts) == ["total", "expected", "mutual_information"]
    assert len(parts) == 7
    for example, row in enumerate(parts.itertuples()):
        average = [sum(DRAWS[s, example, c] for s in range(6)) / 6 for c in range(3)]
        expected = sum(entropy(DRAWS[s, example]) for s in range(6)) / 6
        assert row.total == pytest.approx(entropy(average), rel=1e-12)
        assert row.expected == pytest.approx(expected, rel=1e-12)
        divergences = [
            sum(p * math.log(p / m) for p, m in zip(DRAWS[s, example], average, strict=True))
            for s in range(6)
        ]
        assert row.mutual_information == pytest.approx(sum(divergences) / 6, rel=1e-9)


def test_entropy_parts_add_up_and_are_never_negative():
    parts = entropy_parts(RNG.dirichlet([0.2] * 3, size=(5, 300)))
    np.testing.assert_allclose(parts["expected"] + parts["mutual_information"], parts["total"])
    assert parts.min(axis=None) >= 0


def test_draws_that_agree_hold_no_information_about_the_weights():
    parts = entropy_parts(np.repeat(RNG.dirichlet([1, 1, 1], size=(1, 300)), 7, axis=0))
    np.testing.assert_allclose(parts["mutual_information"], 0.0, atol=1e-12)
    assert parts["mutual_information"].min() >= 0  # rounding does not push it below
    np.testing.assert_allclose(parts["expected"], parts["total"])


def test_draws_that_are_sure_and_disagree_hold_nothing_else():
    draws = np.eye(3)[:, None, :].repeat(7, axis=1)  # draw s is sure of class s
    parts = entropy_parts(draws)
    np.testing.assert_allclose(parts["total"], math.log(3))
    np.testing.assert_array_equal(parts["expected"], np.zeros(7))
    np.testing.assert_allclose(parts["mutual_information"], math.log(3))


def test_entropy_parts_refuse_averaged_probabilities_and_logits():
    with pytest.raises(ValueError, match=r"but 3 axes are needed.*\[draws, examples, classes\]"):
        entropy_parts(PROBABILITIES)
    with pytest.raises(ValueError, match="apply softmax first"):
        entropy_parts(np.log(DRAWS))


def test_probabilities_in_float32_are_close_enough_to_one():
    check_probabilities(DRAWS.astype(np.float32), num_axes=3)
    with pytest.raises(ValueError, match="sum to 1"):
        check_probabilities(DRAWS * 1.001, num_axes=3)
