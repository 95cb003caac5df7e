"""The pictures of the comparison show its numbers."""

import numpy as np
from test_uncertainty_results import DENSITY, UNSEEN, results

from helpers.figures.uncertainty import (
    plot_alarms,
    plot_convergence,
    plot_quality,
    plot_units_in_use,
)
from helpers.prediction.seed_intervals import t_interval

__all__ = ["results"]  # a fixture


def test_quality_shows_means_and_intervals_in_the_order_of_the_methods(results):
    picture = plot_quality(results, ["good", "plain"], {"log_predictive_density": "density (nats)"})
    (axis,) = picture.figure.axes
    spans = [tuple(s[:, 0]) for c in axis.collections for s in c.get_segments()]
    expected = [t_interval(DENSITY[name]) for name in ("good", "plain")]
    np.testing.assert_allclose(spans, [(it.low, it.high) for it in expected])
    assert [it.get_text() for it in axis.get_yticklabels()] == ["GOOD", "PLAIN"]
    assert axis.get_yticks()[0] > axis.get_yticks()[1]
    assert axis.get_xlabel() == "density (nats)"
    assert f"GOOD {expected[0].mean:.3f}" in picture.alt


def test_alarms_show_each_score_that_a_method_has(results):
    frame = results.measurements
    for images in ("noise", "unseen classes"):
        for signal in ("mutual_information", "distance"):
            frame[f"{images}, {signal}, auroc"] = np.where(frame["method"] == "good", 0.9, np.nan)
    picture = plot_alarms(results, ["plain", "good"], ["noise", "unseen classes"])
    noise, unseen = picture.figure.axes
    assert noise.get_title() == "noise"
    assert len(noise.collections) == 4  # entropy of both, two more scores of one
    assert "PLAIN by entropy 0.60" in picture.alt
    assert "GOOD by mutual information 0.90" in picture.alt
    assert unseen.get_xlabel() == "AUROC"
    assert UNSEEN in frame


def test_convergence_has_a_line_for_each_seed(results):
    (axis,) = plot_convergence(results, ["plain"]).figure.axes
    lines = [list(line.get_ydata()) for line in axis.lines]
    np.testing.assert_allclose(lines, [[2.0, 1.0, 0.5], [3.0, 1.0, 0.6], [4.0, 1.0, 0.7]])
    assert "3.000 after 25%" in plot_convergence(results, ["plain"]).alt


def test_units_in_use_are_described_with_their_range(results):
    picture = plot_units_in_use(results)
    assert "all layers Bayesian: 3 to 5 of 5, 3 to 5 of 9" in picture.alt
    assert "plain + L2: 5 to 5 of 5, 9 to 9 of 9" in picture.alt
