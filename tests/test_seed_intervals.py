"""Intervals over seeds cover what they say: counted over many small samples."""

import numpy as np
import pytest
import scipy.stats

from helpers.prediction.seed_intervals import next_interval, t_interval


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_next_value_lies_inside_as_often_as_it_says(level):
    samples = np.random.default_rng(0).normal(3.0, 2.0, size=(4000, 5))
    found = [next_interval(row[:4], level) for row in samples]
    inside = np.mean(
        [low <= row[4] <= high for (_, low, high), row in zip(found, samples, strict=True)]
    )
    assert abs(inside - level) < 4 * np.sqrt(level * (1 - level) / 4000)


def test_the_mean_has_the_interval_of_scipy():
    values = [0.2, 0.5, 0.9]
    mean, low, high = t_interval(values, 0.9)
    expected = scipy.stats.t.interval(0.9, 2, np.mean(values), scipy.stats.sem(values))
    assert (mean, (low, high)) == (pytest.approx(np.mean(values)), pytest.approx(expected))
    wider = next_interval(values, 0.9)
    assert wider.high - mean == pytest.approx((high - mean) * 2)  # √(3 + 1)
    with pytest.raises(ValueError, match="two seeds or more"):
        next_interval([1.0])
