"""What the pictures of exact and approximate posteriors show, against numbers from elsewhere."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from helpers.exact.linear_regression import best_factorised_gaussian, exact_posterior
from helpers.figures import exact as figures
from helpers.figures.style import DescribedFigure

RNG = np.random.default_rng(5)
FEATURES = RNG.normal(size=(31, 3)) @ np.array([[1.0, 0.9, 0.0], [0.0, 0.3, 0.1], [0.0, 0.0, 1.0]])
EXACT = exact_posterior(FEATURES, FEATURES @ [0.4, -0.2, 1.0], 0.5)
BEST = best_factorised_gaussian(EXACT)
NAMES = ["first", "second", "third"]
GRID = np.linspace(-3.0, 4.0, 29)


def coefficients():
    columns = {"mean": EXACT.mean, "exact_stddev": EXACT.stddev, "factorised_stddev": BEST.stddev}
    return figures.plot_coefficients(pd.DataFrame(columns, index=NAMES))


def pairs():
    chosen = [("first", "second"), ("third", "second")]
    return figures.plot_pairs(EXACT, BEST, NAMES, chosen)


def bands():
    slopes = RNG.normal(size=(400, 1))
    draws = {"sampled": slopes * GRID, "trained": 0.5 * slopes * GRID}
    train, held_out = (GRID[:5], np.zeros(5)), (GRID[5:12], np.ones(7))
    return figures.plot_predictive_bands(GRID, draws, train, held_out)


@pytest.mark.parametrize("plot", [coefficients, pairs, bands])
def test_every_figure_labels_its_axes_and_carries_a_sentence(plot):
    picture = plot()
    assert isinstance(picture, DescribedFigure)
    assert all(axis.get_xlabel() for axis in picture.figure.axes)
    assert picture.alt.endswith(".")
    assert len(picture.alt) > 80


def test_coefficients_tell_the_ratio_of_the_widths():
    picture = coefficients()
    ratio = BEST.stddev / EXACT.stddev
    bars = [bar.get_width() for bar in picture.figure.axes[1].patches]
    np.testing.assert_allclose(bars, ratio)
    for name, value in zip(NAMES, ratio, strict=True):
        assert f"{name} {value:.2f}" in picture.alt


def test_the_intervals_hold_nine_tenths():
    segments = coefficients().figure.axes[0].collections[0].get_segments()
    low, high = segments[1][:, 0]
    normal = scipy.stats.norm(EXACT.mean[1], EXACT.stddev[1])
    assert normal.cdf(high) - normal.cdf(low) == pytest.approx(0.9, abs=1e-3)


def test_the_ellipse_holds_nine_tenths_of_the_draws():
    picture = pairs()
    outline = picture.figure.axes[1].patches[0].get_path()
    draws = RNG.multivariate_normal(EXACT.mean, EXACT.covariance, size=20_000)[:, [2, 1]]
    assert outline.contains_points(draws).mean() == pytest.approx(0.9, abs=0.01)
    correlation = np.corrcoef(draws.T)[0, 1]
    told = float(picture.alt.split("third and second, exact correlation ")[1].rstrip("."))
    assert told == pytest.approx(correlation, abs=0.03)


def test_bands_are_as_high_as_the_middle_nine_tenths_of_the_functions():
    picture = bands()
    first, second = (
        axis.collections[0].get_paths()[0].get_extents() for axis in picture.figure.axes
    )
    assert second.height == pytest.approx(first.height / 2)
    assert first.height == pytest.approx(4.0 * 2 * 1.645, rel=0.2)
    assert "sampled" in picture.alt
    assert "0.00 at 0.0" in picture.alt
