"""The pictures of the life of losses show the numbers that they are given."""

import pandas as pd
import pytest

from helpers.figures.life import plot_early_stopping, plot_warm_up


def test_the_three_curves_of_a_warm_up_are_the_columns():
    table = pd.DataFrame(
        {"planned": [0.0, 0.5, 1.0], "variable": [0.0, 0.49, 0.98], "number": [0.0, 0.0, 0.03]}
    )
    picture = plot_warm_up(table)
    axis = picture.figure.axes[0]
    for line, column in zip(axis.get_lines(), table, strict=True):
        assert list(line.get_xdata()) == [1, 2, 3]
        assert list(line.get_ydata()) == list(table[column])
    assert "ends at 0.98 with a variable and at 0.03" in picture.alt


def test_the_marks_sit_on_the_epochs_that_are_kept():
    history = pd.DataFrame({"val_loss": [9.0, 5.0, 4.0, 3.5], "val_nll": [2.0, 0.4, 0.7, 0.8]})
    picture = plot_early_stopping(history, {"val_loss": 3, "val_nll": 1})
    axis = picture.figure.axes[0]
    marks = {tuple(line.get_xydata()[0]) for line in axis.get_lines() if line.get_marker() == "o"}
    assert marks == {(4.0, 3.5), (2.0, 0.4)}
    assert "lowest, 0.40, in epoch 2" in picture.alt
    assert axis.get_ylabel() == "nats per example"


def test_a_column_that_is_missing_is_named():
    with pytest.raises(KeyError, match="number"):
        plot_warm_up(pd.DataFrame({"planned": [0.0, 1.0], "variable": [0.0, 1.0]}))
