"""The pictures of chapter 12 show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures.activations import plot_bounds, plot_codes, plot_digit_rows, same_neighbour


def test_neighbours_are_counted():
    codes = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.1, 0.0], [9.0, 9.0]])
    labels = np.array([3, 3, 1, 2, 2], np.int32)
    assert same_neighbour(codes, labels) == pytest.approx(3 / 5)  # the last one's is the fourth


def test_codes_are_drawn_by_digit():
    codes = np.random.default_rng(2).normal(size=(30, 2))
    labels = np.repeat(np.arange(10), 3).astype(np.int32)
    picture = plot_codes(codes, labels)
    (axis,) = picture.figure.axes
    drawn = np.concatenate([part.get_offsets() for part in axis.collections])
    np.testing.assert_allclose(drawn, codes)
    assert "30 test digits" in picture.alt


def test_rows_of_digits():
    rows = {"one": np.zeros((3, 64)), "two": np.ones((3, 64))}
    picture = plot_digit_rows(rows)
    assert len(picture.figure.axes) == 6
    assert "one 0.00, two 1.00" in picture.alt


def test_bounds_stay_below_their_line():
    bounds = pd.DataFrame({"right": [-9.0, -8.0], "doubled": [-9.5, -8.5]}, index=[1, 10])
    picture = plot_bounds(bounds, [-7.0, -7.5])
    (axis,) = picture.figure.axes
    curve, exact = axis.lines[:2]
    assert list(curve.get_ydata()) == [-9.0, -8.0]
    assert exact.get_ydata()[0] == -7.0
    assert "doubled -9.5 for 1, -8.5 for 10 draws, below log p(x) of -7.5" in picture.alt
