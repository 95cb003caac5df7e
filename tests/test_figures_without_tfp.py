"""The picture of two libraries shows the numbers that it is given."""

import numpy as np
import pytest

from helpers.figures.without_tfp import plot_two_libraries

CURVES = {
    "Keras 3": np.array([[-9.0, -5.0, -4.0], [-8.0, -6.0, -3.0]]),
    "TFP": np.array([[-7.0, -5.5, -4.5], [-6.0, -5.0, -2.5]]),
}
ENDS = {"Keras 3": np.array([-3.5, -2.0]), "TFP": np.array([-3.0, -2.5])}


def test_curves_and_ends_are_those_that_are_given():
    picture = plot_two_libraries(CURVES, ENDS, steps_per_epoch=20)
    left, right = picture.figure.axes
    drawn = [line for line in left.get_lines() if len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in drawn] == [
        list(row) for rows in CURVES.values() for row in rows
    ]
    assert all(list(line.get_xdata()) == [20, 40, 60] for line in drawn)
    assert [list(line.get_ydata()) for line in right.get_lines()] == [
        list(row) for row in ENDS.values()
    ]
    assert "TFP from -6 in the first epoch to -4 in the last, and -3.0 to -2.5" in picture.alt


def test_libraries_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="same libraries"):
        plot_two_libraries(CURVES, {"Keras 3": ENDS["Keras 3"]}, 20)
    with pytest.raises(ValueError, match="as many starts"):
        plot_two_libraries(CURVES, {**ENDS, "TFP": np.zeros(3)}, 20)
