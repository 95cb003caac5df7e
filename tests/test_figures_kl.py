"""What the pictures of the KL say, against numbers from another route."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_probability as tfp

from helpers.figures import kl as figures
from helpers.figures.style import DescribedFigure

tfd = tfp.distributions
MEAN, STDDEV = -0.4, 0.25
STANDARD = tfd.Normal(0.0, 1.0)


def parts_table(names):
    return pd.DataFrame({"mean": [30.0, 5.0, 1.0], "scale": [10.0, 15.0, 99.0]}, index=names)


def all_figures():
    yield figures.plot_kl_as_area(MEAN, STDDEV)
    yield figures.plot_both_directions(MEAN, np.geomspace(0.05, 1.0, 7))
    yield figures.plot_kl_parts(parts_table(["a", "b", "c"]))
    yield figures.plot_kl_against_stddev(np.geomspace(0.1, 4.0, 301), 0.2)


@pytest.mark.parametrize("index", range(4))
def test_every_figure_names_its_unit_and_carries_a_sentence(index):
    picture = list(all_figures())[index]
    assert isinstance(picture, DescribedFigure)
    labels = [axis.get_xlabel() + axis.get_ylabel() for axis in picture.figure.axes]
    assert any("nats" in label for label in labels)
    assert not any(axis.get_title() for axis in picture.figure.axes)
    assert picture.alt.endswith(".")
    assert len(picture.alt) > 80


def test_the_area_of_the_lower_curve_is_the_kl_that_the_sentence_tells():
    picture = figures.plot_kl_as_area(MEAN, STDDEV)
    weights, integrand = picture.figure.axes[1].lines[0].get_data()
    expected = float(tfd.kl_divergence(tfd.Normal(MEAN, STDDEV), STANDARD))
    assert np.trapezoid(integrand, weights) == pytest.approx(expected, abs=2e-3)
    assert f"{expected:.3f} nats" in picture.alt


def test_the_curve_reaches_as_far_as_the_posterior_does():
    weights = figures.plot_kl_as_area(5.0, 2.0).figure.axes[0].lines[0].get_xdata()
    assert weights.max() >= 13.0
    assert weights.min() <= -3.0


def test_the_two_directions_are_not_confused():
    stddevs = np.geomspace(0.05, 1.0, 7)
    lines = figures.plot_both_directions(MEAN, stddevs).figure.axes[0].lines
    drawn = {line.get_label()[:9]: line.get_ydata() for line in lines}
    posterior = tfd.Normal(MEAN, stddevs.astype(np.float32))
    np.testing.assert_allclose(drawn["KL(q ‖ p)"], posterior.kl_divergence(STANDARD), rtol=1e-5)
    np.testing.assert_allclose(drawn["KL(p ‖ q)"], STANDARD.kl_divergence(posterior), rtol=1e-5)


def test_the_bars_tell_the_share_of_the_l2_part_of_each_row():
    picture = figures.plot_kl_parts(parts_table(["first", "second", "third"]))
    shown = [text.get_text() for text in picture.figure.axes[0].texts]
    assert shown == ["L2 part: 75.0%", "L2 part: 25.0%", "L2 part: 1.0%"]
    assert "second: 5 nats of L2 part and 15 nats of scale part, a share of 25.0%" in picture.alt


def test_bars_of_one_row_start_where_the_last_one_ended():
    axis = figures.plot_kl_parts(parts_table(["a", "b", "c"])).figure.axes[0]
    mean_bars, scale_bars = axis.containers
    for left, right in zip(mean_bars, scale_bars, strict=True):
        assert right.get_x() == pytest.approx(left.get_width())


def test_the_kl_against_the_stddev_is_lowest_at_one_and_equals_the_sum_of_its_terms():
    stddevs = np.geomspace(0.1, 4.0, 301)
    picture = figures.plot_kl_against_stddev(stddevs, 0.2)
    quadratic, logarithm, kl = (line.get_ydata() for line in picture.figure.axes[0].lines[:3])
    np.testing.assert_allclose(quadratic + logarithm, kl, atol=1e-12)
    assert stddevs[np.argmin(kl)] == pytest.approx(1.0, abs=0.02)
    start = float(tfd.kl_divergence(tfd.Normal(0.0, 0.2), STANDARD))
    assert f"{start:.2f} at 0.200" in picture.alt
