"""What the picture of intervals shows, against the numbers that it was given."""

import numpy as np
import pytest

from helpers.figures.likelihood import plot_prediction_intervals
from helpers.figures.style import DescribedFigure

RNG = np.random.default_rng(4)
INPUTS = RNG.uniform(-1.0, 2.0, 23)
TARGETS = RNG.normal(size=23)
GRID = np.linspace(-1.5, 4.0, 12)
UNSEEN = (INPUTS.min() > GRID) | (INPUTS.max() < GRID)
ALEATORIC = np.where(UNSEEN, 0.81, 0.09)  # variances
EPISTEMIC = np.where(UNSEEN, 1.44, 0.0025)


@pytest.fixture(scope="module")
def picture():
    ends = GRID - 1.0, GRID + 2.0
    return plot_prediction_intervals(INPUTS, TARGETS, GRID, ends, ALEATORIC, EPISTEMIC, level=0.85)


def test_axes_are_labelled_and_the_sentence_names_the_level(picture):
    assert isinstance(picture, DescribedFigure)
    above, below = picture.figure.axes
    assert all([above.get_ylabel(), below.get_xlabel(), below.get_ylabel()])
    assert picture.alt.startswith("Above, 23 targets")
    assert "85%" in picture.alt


def test_the_lower_panel_draws_roots_of_the_variances(picture):
    drawn = {line.get_label(): line.get_ydata() for line in picture.figure.axes[1].lines}
    np.testing.assert_allclose(drawn["aleatoric"] ** 2, ALEATORIC)
    np.testing.assert_allclose(drawn["epistemic"] ** 2, EPISTEMIC)


def test_the_sentence_tells_seen_from_unseen(picture):
    assert "aleatoric standard deviation is 0.30 " in picture.alt
    assert "epistemic standard deviation is 0.05 " in picture.alt
    assert "and 0.90 where there are none" in picture.alt
    assert "and 1.20 where there are none" in picture.alt


def test_the_band_has_the_given_ends(picture):
    band = picture.figure.axes[0].collections[0].get_paths()[0].get_extents()
    assert band.ymin == pytest.approx(GRID[0] - 1.0)
    assert band.ymax == pytest.approx(GRID[-1] + 2.0)
