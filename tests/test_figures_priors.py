"""Figures of priors: what is drawn and told is what the data say."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_probability as tfp

from helpers.figures import priors as figures
from helpers.figures.style import DescribedFigure

tfd = tfp.distributions
MIXTURE = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.25, 0.75]), tfd.Normal(0.0, [2.0, 0.5]))
ESTIMATES = [0.0, 0.5, 0.75, 1.5]
MEANS = {"first": [0.0, 0.25, 0.375, 0.72], "second": [0.0, 0.11, 0.41, 1.44]}
VALUES = [1.5, -0.5, 2.5, 0.5, 3.0]


def history(values):
    return pd.DataFrame({"step": range(1, len(values) + 1), "kl": values})


def all_figures():
    yield figures.plot_prior_densities({"normal": tfd.Normal(0.0, 2.0), "mixture": MIXTURE})
    yield figures.plot_shrinkage(ESTIMATES, MEANS)
    yield figures.plot_one_draw_values(VALUES, 1.25)
    yield figures.plot_kl_from_starts({"a": history([90.0, 60.0, 30.0]), "b": history([0.0, 7.0])})


@pytest.mark.parametrize("index", range(4))
def test_every_figure_labels_its_axes_and_carries_a_sentence(index):
    picture = list(all_figures())[index]
    assert isinstance(picture, DescribedFigure)
    assert picture.figure.axes[-1].get_xlabel()
    assert all(axis.get_ylabel() and not axis.get_title() for axis in picture.figure.axes)
    assert picture.alt.endswith(".")
    assert len(picture.alt) > 60


def test_densities_are_those_of_the_formula():
    picture = next(all_figures())
    weights, density = picture.figure.axes[0].lines[1].get_data()
    parts = [0.25 / 2.0 * np.exp(-(weights**2) / 8.0), 0.75 / 0.5 * np.exp(-2.0 * weights**2)]
    np.testing.assert_allclose(density, sum(parts) / np.sqrt(2 * np.pi), rtol=1e-4)
    assert f"mixture: {density.max():.2f} at its peak" in picture.alt


def test_each_prior_has_its_line_and_its_ends_are_told():
    picture = list(all_figures())[1]
    alone, *lines = picture.figure.axes[0].lines
    np.testing.assert_array_equal(alone.get_ydata(), ESTIMATES)
    for line, means in zip(lines, MEANS.values(), strict=True):
        np.testing.assert_array_equal(line.get_data(), [ESTIMATES, means])
    assert "from 0.00 by way of 0.75 to 1.50" in picture.alt
    assert "second: 0.41 there and 1.44 at the end" in picture.alt


def test_negative_values_are_marked_and_counted():
    picture = list(all_figures())[2]
    positive, negative, exact = picture.figure.axes[0].lines[:3]
    np.testing.assert_array_equal(positive.get_xdata(), [1, 3, 4, 5])
    np.testing.assert_array_equal(negative.get_data(), [[2], [-0.5]])
    assert set(exact.get_ydata()) == {1.25}
    assert "20% are negative" in picture.alt


def test_each_start_has_its_own_panel_and_its_ends_are_told():
    picture = list(all_figures())[3]
    upper, lower = picture.figure.axes
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), [90.0, 60.0, 30.0])
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), [0.0, 7.0])
    assert "a: from 90 to 30 nats; b: from 0 to 7 nats" in picture.alt
