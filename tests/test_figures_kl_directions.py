"""The pictures of the KL's sign and directions, against numbers from another route."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow_probability as tfp

from helpers.figures.kl_directions import plot_kl_directions, plot_kl_is_not_negative

tfd = tfp.distributions


@pytest.mark.parametrize(("mean", "stddev"), [(0.8, 0.3), (-2.0, 0.1), (0.0, 3.0)])
def test_the_upper_curve_never_falls_below_the_lower_and_the_areas_are_kl_and_zero(mean, stddev):
    picture = plot_kl_is_not_negative(mean, stddev)
    integrand, bound = picture.figure.axes[0].lines[:2]
    weights = integrand.get_xdata()
    assert (integrand.get_ydata() >= bound.get_ydata() - 1e-12).all()
    expected = float(tfd.Normal(mean, stddev).kl_divergence(tfd.Normal(0.0, 1.0)))
    assert np.trapezoid(integrand.get_ydata(), weights) == pytest.approx(expected, abs=2e-3)
    assert np.trapezoid(bound.get_ydata(), weights) == pytest.approx(0.0, abs=2e-3)


def test_the_sentence_tells_the_kl_and_where_the_densities_are_equal():
    alt = plot_kl_is_not_negative(0.8, 0.3).alt
    # q = p where (w/1)² − ((w − 0.8)/0.3)² = 2 log 0.3, a quadratic equation in w.
    first, second = np.sort(np.roots([1 - 1 / 0.09, 1.6 / 0.09, -0.64 / 0.09 - 2 * np.log(0.3)]))
    assert f"w = {first:.1f} and w = {second:.1f}" in alt
    assert f"{float(tfd.Normal(0.8, 0.3).kl_divergence(tfd.Normal(0.0, 1.0))):.3f} nats" in alt


@pytest.fixture
def two_panels():
    grid = np.linspace(-6.0, 6.0, 241)
    ends = {"mean": [1.0, -2.0, 1.0001], "stddev": [0.5, 0.25, 0.5], "nats": [0.7, 0.3, 0.7]}
    one = {"mean": [-0.001], "stddev": [2.0], "nats": [0.1]}
    fits = {"KL(q ‖ target)": pd.DataFrame(ends), "KL(target ‖ q)": pd.DataFrame(one)}
    return grid, plot_kl_directions(grid, scipy.stats.laplace.pdf(grid), fits)


def test_equal_ends_are_drawn_once_and_the_lowest_solid(two_panels):
    grid, picture = two_panels
    left, right = picture.figure.axes
    solid, dashed = left.lines
    np.testing.assert_allclose(solid.get_ydata(), scipy.stats.norm(-2.0, 0.25).pdf(grid))
    np.testing.assert_allclose(dashed.get_ydata(), scipy.stats.norm(1.0, 0.5).pdf(grid))
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
    assert [line.get_label() for line in right.lines] == ["0.10 nats"]


def test_the_sentence_counts_the_starts_of_each_end(two_panels):
    alt = two_panels[1].alt
    assert "mean 1.00, standard deviation 0.50 and 0.70 nats (2 of 3 starts)" in alt
    assert "Minimising KL(target ‖ q) ends at mean 0.00, standard deviation 2.00" in alt
    assert "minimise KL(q ‖ target)" in two_panels[1].figure.axes[0].get_title()
