"""The pictures of chapter 4 show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures.elbo import plot_falling_loss, plot_kl_weights, plot_two_splits
from helpers.losses.gaussian_kl import log_normal_density


@pytest.fixture
def results():
    return pd.DataFrame(
        {
            "accuracy": [0.1, 0.96, 0.97],
            "test": [-2.31, -0.15, -0.11],
            "kl": [0.04, 1999.6, 6751.0],
            "mean_stddev": [1.0, 0.68, 0.04],
        },
        index=["1", "1/N", "0"],
    )


def test_both_bars_of_a_split_end_at_minus_elbo():
    # One weight with prior N(0, 1) and one observation 1.0 of it with noise 1, conjugate by hand:
    # the exact posterior is N(0.5, 0.5), the evidence is N(1.0; 0, 2).
    grid = np.linspace(-8, 8, 301)
    minus_log_evidence = -log_normal_density(0.0, np.sqrt(2.0))(1.0)
    rows = {}
    for name, mean, variance in (("narrow", 0.3, 0.1), ("exact", 0.5, 0.5)):
        expected_nll = 0.5 * np.log(2 * np.pi) + 0.5 * ((1.0 - mean) ** 2 + variance)
        kl_to_prior = 0.5 * (mean**2 + variance - 1 - np.log(variance))
        ratio = variance / 0.5
        kl_to_exact = 0.5 * ((mean - 0.5) ** 2 / 0.5 + ratio - 1 - np.log(ratio))
        rows[name] = (expected_nll, kl_to_prior, minus_log_evidence, kl_to_exact)
    columns = ["expected_nll", "kl_to_prior", "minus_log_evidence", "kl_to_exact"]
    splits = pd.DataFrame(rows, index=columns).T
    densities = {name: np.exp(log_normal_density(0.3, 0.3)(grid)) for name in rows}
    picture = plot_two_splits(grid, densities["exact"], densities, splits)
    for axis in picture.figure.axes[2:]:
        tops = {}
        for bar in axis.patches:
            middle = bar.get_x() + bar.get_width() / 2
            tops[middle] = max(tops.get(middle, 0.0), bar.get_y() + bar.get_height())
        assert len(tops) == 2
        assert np.ptp(list(tops.values())) < 1e-9
    assert f"exact {splits.loc['exact', 'expected_nll']:.2f}" in picture.alt
    assert "in nats" in picture.alt


def test_the_right_weight_has_a_colour_of_its_own(results):
    picture = plot_kl_weights(results, right="1/N")
    for axis in picture.figure.axes:
        wrong, right, other = (bar.get_facecolor() for bar in axis.patches)
        assert wrong == other
        assert right != wrong


def test_each_chart_shows_its_column_and_the_alt_text_says_it(results):
    picture = plot_kl_weights(results, right="1/N")
    for axis, column in zip(picture.figure.axes, results, strict=True):
        assert [bar.get_width() for bar in axis.patches] == pytest.approx(list(results[column]))
    assert "1/N: accuracy 0.96" in picture.alt
    assert "KL 2,000 nats" in picture.alt
    assert "nats" in picture.figure.axes[2].get_xlabel()


def test_the_line_of_guessing_is_the_log_of_the_number_of_classes():
    history = pd.DataFrame(
        {"step": [1, 2, 3], "loss": [900.0, 30.0, 2.5], "negative_log_likelihood": [2.0, 2.2, 2.4]}
    )
    picture = plot_falling_loss(history, num_classes=7)
    axis = picture.figure.axes[0]
    assert axis.get_ylabel() == "nats per example"
    loss, _, guessing = axis.get_lines()
    assert list(loss.get_ydata()) == [900.0, 30.0, 2.5]
    assert set(guessing.get_ydata()) == {np.log(7)}
    assert "900.0 to 2.50" in picture.alt
    assert "1.95 marks guessing" in picture.alt
