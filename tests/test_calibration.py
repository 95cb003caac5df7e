"""Reliability by bins: against a loop over examples, and against TFP's calibration error."""

import numpy as np
import pytest

from helpers.prediction.calibration import calibration_error_by_chance, reliability_table
from helpers.prediction.metrics import predictive_metrics

NUM_EXAMPLES, NUM_CLASSES, NUM_BINS = 137, 4, 7


@pytest.fixture
def predictions():
    generator = np.random.default_rng(3)
    probabilities = generator.dirichlet([0.4] * NUM_CLASSES, size=NUM_EXAMPLES)
    return probabilities, generator.integers(NUM_CLASSES, size=NUM_EXAMPLES)


def test_each_bin_holds_what_a_loop_over_the_examples_puts_there(predictions):
    probabilities, labels = predictions
    table = reliability_table(probabilities, labels, NUM_BINS)
    members = {}
    for row, label in zip(probabilities, labels, strict=True):
        number = next(b for b in range(1, NUM_BINS + 1) if max(row) <= b / NUM_BINS)
        members.setdefault(number, []).append((max(row), list(row).index(max(row)) == label))
    assert list(table.index) == sorted(members)
    for number, pairs in members.items():
        expected = [len(pairs), *np.mean(pairs, axis=0)]
        np.testing.assert_allclose(table.loc[number], expected)


def test_the_weighted_gap_is_the_expected_calibration_error(predictions):
    table = reliability_table(*predictions, NUM_BINS)
    gap = (table["confidence"] - table["accuracy"]).abs() @ table["count"] / NUM_EXAMPLES
    error = predictive_metrics(*predictions, NUM_BINS)["expected_calibration_error"]
    assert gap == pytest.approx(error, abs=1e-6)


def test_no_example_is_lost_and_empty_bins_are_left_out():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.05, 0.95]])
    table = reliability_table(probabilities, [0, 1, 0], num_bins=10)
    assert list(table.index) == [5, 10]
    assert list(table["count"]) == [1, 2]
    assert list(table["accuracy"]) == [0.0, 0.5]


def test_logits_and_labels_outside_the_classes_are_refused(predictions):
    probabilities, labels = predictions
    with pytest.raises(ValueError, match="apply softmax first"):
        reliability_table(np.log(probabilities), labels)
    with pytest.raises(ValueError, match="labels must lie in 0"):
        reliability_table(probabilities, labels + 1)


def test_the_error_by_chance_is_that_of_labels_drawn_from_the_predictions(predictions):
    probabilities, _ = predictions
    found = calibration_error_by_chance(probabilities, 2000, NUM_BINS, seed=1)
    rng = np.random.default_rng(4)
    drawn = [
        predictive_metrics(
            probabilities, [rng.choice(NUM_CLASSES, p=row) for row in probabilities], NUM_BINS
        )["expected_calibration_error"]
        for _ in range(60)
    ]
    assert found.shape == (2000,)
    error = np.std(drawn) / np.sqrt(60)
    assert abs(found.mean() - np.mean(drawn)) < 4 * error
    assert 0.6 < found.std() / np.std(drawn) < 1.6


def test_certain_predictions_have_no_error_by_chance_and_logits_are_refused():
    assert calibration_error_by_chance(np.eye(3), 5).tolist() == [0.0] * 5
    with pytest.raises(ValueError, match="softmax"):
        calibration_error_by_chance(np.array([[2.0, -1.0]]))
