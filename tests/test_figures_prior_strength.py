"""The pictures of how strong the prior is show the numbers that they are given."""

import numpy as np
import pandas as pd

from helpers.figures.prior_strength import (
    Band,
    plot_prior_widths,
    plot_pruning,
    plot_stddev_histograms,
    plot_tempering,
    plot_wide_networks,
)


def test_every_prior_has_its_point_in_all_four_charts():
    widths = pd.DataFrame(
        {
            "kl": [0.0, 384.0, 1471.0],
            "mean_size": [0.0, 0.4, 2.5],
            "mean_stddev": [0.1, 0.9, 4.8],
            "density": [-2.30, -0.31, -0.33],
            "bound": [2.30, 1.40, 4.46],
        },
        index=[0.1, 1.0, 10.0],
    )
    picture = plot_prior_widths(widths, num_classes=10)
    (weights, cost), (density, bound) = np.reshape(picture.figure.axes, (2, 2))
    for axis, column in ((cost, "kl"), (density, "density"), (bound, "bound")):
        np.testing.assert_allclose(axis.lines[0].get_ydata(), widths[column])
    prior, stddev, size = (line.get_ydata() for line in weights.lines)
    np.testing.assert_allclose(prior, widths.index)
    np.testing.assert_allclose(stddev, widths["mean_stddev"])
    np.testing.assert_array_equal(np.isnan(size), [True, False, False])  # log axis: no 0
    assert "KL 1,471 nats" in picture.alt


def test_tempering_marks_the_right_weight_and_draws_costs_upward():
    tempered = pd.DataFrame(
        {
            "density": [-0.48, -0.25, -0.31, -2.31],
            "calibration_error": [0.04, 0.03, 0.12, 0.05],
            "overconfidence": [0.04, -0.03, -0.12, -0.02],
            "kl": [7135.0, 623.0, 384.0, 3.0],
        },
        index=["0", "0.3/N", "1/N", "10/N"],
    )
    picture = plot_tempering(tempered, num_classes=10)
    top, middle, bottom = picture.figure.axes
    np.testing.assert_allclose(top.lines[0].get_ydata(), -tempered["density"])
    np.testing.assert_allclose(middle.lines[1].get_ydata(), tempered["overconfidence"])
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), tempered["kl"])
    for axis in picture.figure.axes:
        assert list(axis.lines[-1].get_xdata()) == [2, 2]  # the place of 1/N
    assert "10/N: test NLL 2.31 nats" in picture.alt


def test_histograms_hold_every_weight_once_even_beyond_the_axis():
    stddevs = {"narrow": np.array([1e-4, 0.03, 0.05]), "wide": np.array([0.9, 1.0, 1.1, 7.0])}
    picture = plot_stddev_histograms(stddevs, initial=0.05)
    for axis, name in zip(picture.figure.axes, stddevs, strict=True):
        assert abs(sum(bar.get_height() for bar in axis.patches) - 1.0) < 1e-9
        assert axis.get_title(loc="left") == name
    assert "wide, median 1.050" in picture.alt


def test_wide_networks_get_a_row_for_each_prior_and_a_column_for_each_width():
    grid = np.linspace(-1, 1, 7)
    prior, posterior = Band(0 * grid, 1 + 0 * grid), Band(grid, 0.5 + 0 * grid)
    keys = [(name, width) for name in ("first", "second") for width in (8, 64, 512)]
    bands = dict.fromkeys(keys, (prior, posterior))
    picture = plot_wide_networks(grid, bands, np.array([0.5]), np.array([0.7]))
    axes = picture.figure.axes
    assert [axis.get_title() for axis in axes] == ["width 8", "width 64", "width 512"] * 2
    for axis in axes:
        lower, upper, mean, data = (line.get_ydata() for line in axis.lines)
        np.testing.assert_allclose(upper - lower, 4.0)
        np.testing.assert_allclose(mean, grid)
        np.testing.assert_allclose(data, [0.7])
    assert "prior second, width 512: the mean spans 2.00" in picture.alt


def test_pruning_draws_one_curve_for_each_order():
    shares = [0.0, 0.5, 0.9]
    tables = {
        name: pd.DataFrame({"accuracy": accuracy, "log_predictive_density": density}, index=shares)
        for name, accuracy, density in (
            ("by ratio", [0.93, 0.93, 0.91], [-0.31, -0.30, -0.34]),
            ("at random", [0.93, 0.46, 0.10], [-0.31, -2.25, -4.09]),
        )
    }
    picture = plot_pruning(tables)
    for axis, column in zip(
        picture.figure.axes, ("accuracy", "log_predictive_density"), strict=True
    ):
        for line, table in zip(axis.lines, tables.values(), strict=True):
            np.testing.assert_allclose(line.get_xdata(), [0, 50, 90])
            np.testing.assert_allclose(line.get_ydata(), table[column])
    assert "at random: 0% removed 0.93 and -0.31, 50% removed 0.46" in picture.alt
