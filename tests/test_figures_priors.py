"""Figures of priors: what is drawn and told is what the data say."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_probability as tfp

from helpers.figures import priors as figures
from helpers.figures.style import DescribedFigure

tfd = tfp.distributions
MIXTURE = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.25, 0.75]), tfd.Normal(0.0, [2.0, 0.5]))
MEANS = {"first": np.array([-0.31, 0.02, 0.05, 0.92]), "second": np.array([0.01, -1.44])}
VALUES = [1.5, -0.5, 2.5, 0.5, 3.0]


def history(values):
    return pd.DataFrame({"step": range(1, len(values) + 1), "kl": values})


def all_figures():
    yield figures.plot_prior_densities({"normal": tfd.Normal(0.0, 2.0), "mixture": MIXTURE})
    yield figures.plot_posterior_means(MEANS, near_zero=0.1)
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


def test_every_mean_is_counted_once_and_the_shares_are_told():
    picture = list(all_figures())[1]
    for axis, means in zip(picture.figure.axes, MEANS.values(), strict=True):
        assert sum(bar.get_height() for bar in axis.patches[:-1]) == len(means)
    assert "first: 50% of 4 means" in picture.alt
    assert "second: 50% of 2 means" in picture.alt


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
