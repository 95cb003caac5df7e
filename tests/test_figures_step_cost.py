"""The picture of what a step costs shows the numbers of the results."""

import numpy as np
import pytest
from test_benchmark_results import KINDS, SETTING, TIMES, medians, record

from helpers.figures.step_cost import plot_step_cost
from helpers.page.benchmark_results import parse_results

__all__ = ["record"]  # a fixture


def test_each_contender_has_its_median_and_the_range_of_its_rounds(record):
    picture = plot_step_cost(parse_results(record), SETTING)
    (axis,) = picture.figure.axes
    points = {float(x) for line in axis.lines for x in line.get_xdata()}
    expected = {float(np.median(medians(name))) for name in TIMES}
    assert points == expected
    spreads = {
        tuple(segment[:, 0]) for lines in axis.collections for segment in lines.get_segments()
    }
    assert spreads == {(medians(name).min(), medians(name).max()) for name in TIMES}
    assert axis.get_xlabel() == "milliseconds per step"
    assert axis.get_xlim()[0] == 0


def test_the_fastest_stands_at_the_top_and_every_point_beside_its_name(record):
    (axis,) = plot_step_cost(parse_results(record), SETTING).figure.axes
    places = {
        tick.get_text(): place
        for tick, place in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)
    }
    assert max(places, key=places.get) == "FLOOR"
    drawn = {
        float(y): float(x) for line in axis.lines for x, y in zip(*line.get_data(), strict=True)
    }
    for name in TIMES:
        assert drawn[places[name.upper()]] == np.median(medians(name))


def test_kinds_differ_in_marker_as_well_as_in_colour(record):
    (axis,) = plot_step_cost(parse_results(record), SETTING).figure.axes
    assert len({line.get_marker() for line in axis.lines}) == len(KINDS)
    assert len({line.get_color() for line in axis.lines}) == len(KINDS)


def test_the_sentence_names_every_number(record):
    alt = plot_step_cost(parse_results(record), SETTING).alt
    for name in TIMES:
        it = medians(name)
        sentence = f"{name.upper()} {np.median(it):.1f}, from {it.min():.1f} to {it.max():.1f}"
        assert sentence in alt
    assert "784-7-7-10, batch 3, draws 2" in alt


def test_only_the_chosen_contenders_are_shown_and_unknown_ones_refused(record):
    results = parse_results(record)
    picture = plot_step_cost(results, SETTING, contenders=["usual", "fast"])
    labels = [tick.get_text() for tick in picture.figure.axes[0].get_yticklabels()]
    assert labels == ["FAST", "USUAL"]
    with pytest.raises(ValueError, match=r"nobody not measured .* there are floor"):
        plot_step_cost(results, SETTING, contenders=["fast", "nobody"])
