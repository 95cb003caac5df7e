"""What the figures about training and predictions draw, and what their descriptions say."""

import re

import numpy as np
import pandas as pd
import pytest

from helpers.figures.predictions import (
    plot_doubtful_digits,
    plot_number_of_draws,
    plot_reliability,
    plot_rotated_digit,
    plot_rotation,
)
from helpers.figures.training import plot_posterior_weights, plot_training_terms
from helpers.prediction.calibration import reliability_table

NUM_CLASSES = 10


def probabilities(*shape):
    generator = np.random.default_rng(len(shape))
    return generator.dirichlet([0.5] * NUM_CLASSES, size=shape)


def axis_labels(described):
    axes = described.figure.axes
    return " ".join(axis.get_xlabel() + axis.get_ylabel() for axis in axes)


@pytest.fixture
def history():
    return pd.DataFrame(
        {
            "step": [1, 2, 3, 4, 5, 6],
            "epoch": [0, 0, 1, 1, 2, 2],
            "negative_log_likelihood": [3.0, 2.0, 1.0, 0.8, 0.5, 0.7],
            "kl": [50.0, 40.0, 30.0, 20.0, 10.0, 10.0],
            "kl hidden_1": [35.0, 25.0, 20.0, 12.0, 7.0, 6.0],
            "kl logits": [15.0, 15.0, 10.0, 8.0, 3.0, 4.0],
            "loss": [8.0, 6.0, 4.0, 2.8, 1.5, 1.7],
        }
    )


def test_training_terms_are_epoch_means_per_example_and_per_layer(history):
    described = plot_training_terms(history, num_examples=10)
    left, right = described.figure.axes
    drawn = {line.get_label(): line for axis in (left, right) for line in axis.get_lines()}
    np.testing.assert_allclose(drawn["KL / N"].get_ydata(), [4.5, 2.5, 1.0])
    np.testing.assert_allclose(drawn["−ELBO / N"].get_ydata(), [7.0, 3.4, 1.6])
    np.testing.assert_allclose(drawn["logits"].get_ydata(), [15.0, 9.0, 3.5])
    assert list(drawn["logits"].get_xdata()) == [1, 2, 3]
    assert "hidden_1 from 30.00 to 6.50" in described.alt
    assert axis_labels(described).count("nats") == 2


def test_posterior_weights_are_drawn_one_dot_each_with_the_prior():
    before = pd.DataFrame({"layer": list("aab"), "mean": [0, 0.1, -0.2], "stddev": [0.05] * 3})
    after = before.assign(mean=[2.0, 0.0, -1.0], stddev=[0.3, 1.0, 0.9])
    described = plot_posterior_weights(before, after)
    right = described.figure.axes[1]
    dots = [line.get_xydata() for line in right.get_lines() if line.get_marker() == "."]
    expected = [[2.0, 0.3], [0.0, 1.0], [-1.0, 0.9]]
    np.testing.assert_allclose(np.concatenate(dots), expected)
    assert "3 weights" in described.alt
    assert "means from -1.00 to 2.00" in described.alt
    assert "67% of them above 0.8" in described.alt


def test_the_number_of_draws_starts_at_one_and_the_line_is_the_middle():
    densities = np.array([[-3.0, -1.0, -0.4], [-2.0, -1.5, -0.5], [-1.0, -0.9, -0.6]])
    described = plot_number_of_draws({"probabilities": densities, "logits": 2 * densities})
    first, second = described.figure.axes[0].get_lines()
    assert list(first.get_xdata()) == [1, 2, 3]
    np.testing.assert_allclose(first.get_ydata(), [-2.0, -1.0, -0.5])
    np.testing.assert_allclose(second.get_ydata(), [-4.0, -2.0, -1.0])
    assert "for probabilities from -2.000 (middle of 3 repetitions" in described.alt
    assert "nats per example" in axis_labels(described)


def test_reliability_shows_every_bin_and_its_count():
    labels = np.arange(53) % NUM_CLASSES
    names = ("Bayesian", "plain")
    tables = {
        name: reliability_table(probabilities(53, *[1] * i)[:, *[0] * i], labels, 5)
        for i, name in enumerate(names)
    }
    described = plot_reliability(tables)
    above, below = described.figure.axes[:2], described.figure.axes[2:]
    for name, upper, lower in zip(names, above, below, strict=True):
        dots = upper.get_lines()[-1].get_xydata()
        np.testing.assert_allclose(dots, tables[name][["confidence", "accuracy"]])
        heights = [bar.get_height() for bar in lower.patches]
        assert heights == tables[name]["count"].tolist()
        assert sum(heights) == 53
    count, confidence, accuracy = tables["plain"].iloc[0]
    assert f"plain: {count:.0f} at {confidence:.2f} with accuracy {accuracy:.2f}" in described.alt


def test_doubtful_digits_name_the_true_class_and_the_favourite():
    draws, labels = probabilities(6, 3), np.array([7, 1, 0])
    described = plot_doubtful_digits(np.zeros((3, 64), np.float32), labels, draws)
    bars = described.figure.axes[3].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], draws.mean(axis=0)[0])
    assert bars[7].get_facecolor() != bars[6].get_facecolor()
    means = draws.mean(axis=0)
    for mean, label in zip(means, labels, strict=True):
        sentence = f"a {label} with probability {mean[label]:.2f} for {label}"
        assert sentence in described.alt
        assert f"for the favourite, {mean.argmax()}" in described.alt


def test_a_rotated_digit_shows_each_network_s_class_and_probability():
    answers = {"Bayesian": probabilities(2), "plain": probabilities(2, 1)[:, 0]}
    described = plot_rotated_digit(np.zeros((2, 64), np.float32), [0, 45], answers)
    second = [text.get_text() for text in described.figure.axes[3].texts]
    expected = [f"{p[1].argmax()}: {p[1].max():.0%}" for p in answers.values()]
    assert second == expected
    for text in expected:
        assert re.sub(r": (.*)", r" (\1) at 45°", text) in described.alt


def test_rotation_draws_four_measures_of_each_network_over_the_angle():
    rows = [
        (name, angle, 0.9 - angle / 200, -angle / 10 - k, angle / 100, angle / 300)
        for k, name in enumerate(["Bayesian", "plain", "plain + L2"])
        for angle in (0, 90, 180)
    ]
    columns = ["network", "angle", "accuracy", "log_predictive_density", "total"]
    table = pd.DataFrame(rows, columns=[*columns, "mutual_information"])
    described = plot_rotation(table)
    axes = described.figure.axes
    assert len(axes) == 4
    assert [len(axis.get_lines()) for axis in axes] == [3] * 4
    np.testing.assert_allclose(axes[1].get_lines()[2].get_ydata(), [-2.0, -11.0, -20.0])
    assert "plain at 90°: accuracy 0.45, log predictive density -10.00" in described.alt
    assert axis_labels(described).count("nats") == 3
