"""Pictures of a step's parts and growth show the numbers that they are given."""

import itertools

import numpy as np
import pandas as pd

from helpers.figures.step_parts import plot_growth, plot_step_parts

PARTS = pd.DataFrame(
    {"one way": [3.0, 2.5, 0.25], "another": [1.5, np.nan, 0.75]}, index=["noise", "input", "KL"]
)
GROWTH = {
    "units": pd.DataFrame({"mine": [2.0, 9.0], "theirs": [5.0, 11.0]}, index=[10, 40]),
    "draws": pd.DataFrame({"mine": [1.0, 2.0, 7.0], "theirs": [2.0, 4.0, 8.0]}, index=[1, 2, 8]),
}
COUNTED = {
    "units": pd.Series([1e3, 16e3], index=[10, 40]),
    "draws": pd.Series([5.0, 10.0, 40.0], index=[1, 2, 8]),
}


def test_each_part_has_a_bar_of_its_length_for_each_way():
    (axis,) = plot_step_parts(PARTS).figure.axes
    lengths = [[bar.get_width() for bar in container] for container in axis.containers]
    np.testing.assert_allclose(lengths, PARTS.fillna(0).T)
    assert axis.get_xlabel() == "milliseconds per step"


def test_bars_stand_beside_their_part_in_the_order_of_the_rows_and_do_not_overlap():
    (axis,) = plot_step_parts(PARTS).figure.axes
    places = dict(
        zip([tick.get_text() for tick in axis.get_yticklabels()], axis.get_yticks(), strict=True)
    )
    assert sorted(places, key=places.get, reverse=True) == list(PARTS.index)
    middles = np.array([[bar.get_y() + bar.get_height() / 2 for bar in c] for c in axis.containers])
    np.testing.assert_allclose(middles.mean(axis=0), list(places.values()))
    edges = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in axis.patches)
    assert all(low[1] <= high[0] + 1e-9 for low, high in itertools.pairwise(edges))
    assert (middles[0] > middles[1]).all()  # the first way above


def test_the_sentence_names_what_is_drawn_and_nothing_else():
    alt = plot_step_parts(PARTS).alt
    assert "noise: one way 3, another 1.5; input: one way 2.5; KL: one way 0.25" in alt


def test_growth_has_a_chart_for_each_number_that_changes_on_logarithmic_axes():
    axes = plot_growth(GROWTH, COUNTED).figure.axes
    for axis, (label, table) in zip(axes, GROWTH.items(), strict=True):
        assert (axis.get_xlabel(), axis.get_xscale(), axis.get_yscale()) == (label, "log", "log")
        drawn = {line.get_label(): line for line in axis.lines}
        for name, times in table.items():
            np.testing.assert_array_equal(drawn[name].get_xdata(), times.index)
            np.testing.assert_array_equal(drawn[name].get_ydata(), times)
        assert [tick.get_text() for tick in axis.get_xticklabels()] == [str(x) for x in table.index]


def test_the_dotted_line_has_the_slope_of_the_count_and_ends_at_the_first_contender():
    for axis, label in zip(plot_growth(GROWTH, COUNTED).figure.axes, GROWTH, strict=True):
        (dotted,) = [line for line in axis.lines if line.get_linestyle() == ":"]
        heights = np.asarray(dotted.get_ydata())
        np.testing.assert_allclose(heights / heights[0], COUNTED[label] / COUNTED[label].iloc[0])
        assert heights[-1] == GROWTH[label]["mine"].iloc[-1]


def test_lines_differ_in_marker_as_well_as_in_colour_and_the_sentence_has_their_ends():
    picture = plot_growth(GROWTH, COUNTED)
    solid = [line for line in picture.figure.axes[0].lines if line.get_linestyle() != ":"]
    assert len({line.get_marker() for line in solid}) == len({line.get_color() for line in solid})
    assert "units from 10 to 40: mine from 2 to 9, theirs from 5 to 11" in picture.alt
    assert "draws from 1 to 8: mine from 1 to 7, theirs from 2 to 8" in picture.alt
