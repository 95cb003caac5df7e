"""The pictures of where the nats sit: what they draw and say follows the data."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures.layers import (
    plot_nats_by_size,
    plot_nats_per_layer,
    plot_nats_per_pixel,
    plot_nats_per_weight,
)


def table(names, nats, num_weights):
    columns = {"layer": names, "nats": nats, "nats_per_weight": np.divide(nats, num_weights)}
    return pd.DataFrame(columns)


def bar_heights(axis):
    return [bar.get_height() for bar in axis.patches]


def test_layers_show_before_and_after_on_both_scales():
    before = table(["wide", "narrow"], [1200.0, 30.0], [600, 10])
    after = table(["wide", "narrow"], [300.0, 25.0], [600, 10])
    picture = plot_nats_per_layer(before, after)
    left, right = picture.figure.axes
    assert bar_heights(left) == [1200.0, 30.0, 300.0, 25.0]
    np.testing.assert_allclose(bar_heights(right), [2.0, 3.0, 0.5, 2.5])
    assert "wide 1,200 to 300" in picture.alt
    assert "narrow 3.00 to 2.50" in picture.alt


def test_layers_of_two_networks_are_refused():
    with pytest.raises(ValueError, match="after"):
        plot_nats_per_layer(table(["a"], [1.0], [1]), table(["b"], [1.0], [1]))


def test_pixels_are_summed_over_units_and_put_in_their_place():
    kl = np.zeros([64, 3])
    kl[10] = [1.0, 2.0, 4.0]  # row 1, column 2
    images = np.zeros([5, 64])
    images[:, 10] = [0.0, 0.5, 0.5, 0.5, 1.0]
    picture = plot_nats_per_pixel(kl, images)
    grey, nats = (axis.images[0].get_array() for axis in picture.figure.axes[:2])
    assert nats[1, 2] == 7.0
    assert nats.sum() == 7.0
    assert grey[1, 2] == 0.5
    assert "brighter half of the pixels holds 100% of the nats" in picture.alt
    assert "from 0.00 to 7.0 nats" in picture.alt


def test_weights_are_counted_within_their_layer():
    kl = {"first": np.array([[0.1, 0.1, 1.0, 1e-12]]), "second": np.array([1.0, 1.0])}
    picture = plot_nats_per_weight(kl, at_start=2.0)
    for outline in picture.figure.axes[0].patches:
        assert outline.get_xy()[:, 1].max() == pytest.approx(
            {"first": 0.5, "second": 1.0}[outline.get_label()]
        )
    assert "2.00 nats of before training: first 75%, second 0%" in picture.alt


def test_line_by_size_goes_through_the_origin_with_the_given_slope():
    picture = plot_nats_by_size([10, 40], [25.0, 101.0], nats_per_weight=2.5)
    line = picture.figure.axes[0].lines[0]
    assert line.get_ydata()[0] == line.get_xdata()[0] == 0
    assert line.get_ydata()[1] / line.get_xdata()[1] == 2.5
    assert "25 for 10, 101 for 40 weights" in picture.alt
    assert "more than 1.00%" in picture.alt
