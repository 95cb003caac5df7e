"""The picture of the slopes shows and tells the numbers that it was given."""

import pandas as pd

from helpers.figures.checkup import plot_slopes

SLOPES = pd.DataFrame(
    {"right": [0.2, 0.97, 1.0], "twice": [0.5, 1.9, 2.0]},
    index=pd.Index([0.3, 0.01, 1e-4], name="stddev"),
)


def test_lines_carry_the_table():
    (axis,) = plot_slopes(SLOPES).figure.axes
    assert [line.get_label() for line in axis.get_lines()] == list(SLOPES)
    for line, (_, column) in zip(axis.get_lines(), SLOPES.items(), strict=True):
        assert list(line.get_ydata()) == list(column)
        assert list(line.get_xdata()) == list(column.index)
    assert axis.get_xscale() == "log"


def test_description_names_the_heights_at_the_smallest_scale():
    alt = plot_slopes(SLOPES).alt
    assert "right: 1.00; twice: 2.00" in alt
    assert "1e-04" in alt
