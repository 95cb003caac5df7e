"""The pictures of chapter 9 show the numbers that they are given."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures.estimators import plot_drawn_functions, plot_gradient_noise

SIZES = (1, 8, 32)


@pytest.fixture
def noise():
    rows = [
        (name, part, size, height / size, 0.1 * height / size, 1.5 * height / size)
        for part, height in (("means", 6.0), ("scales", 0.2))
        for name in ("DenseReparameterization", "DenseFlipout")
        for size in SIZES
    ]
    columns = ["class", "part", "batch_size", "value", "error", "theory"]
    return pd.DataFrame(rows, columns=columns)


def test_points_errors_and_theory_stand_where_the_table_says(noise):
    picture = plot_gradient_noise(noise)
    means, scales = picture.figure.axes
    for axis, height in ((means, 6.0), (scales, 0.2)):
        assert axis.get_xscale() == axis.get_yscale() == "log"
        points, theory = axis.containers[0].lines[0], axis.lines[-1]
        sizes, values = points.get_xydata().T
        np.testing.assert_allclose(sizes, SIZES)
        np.testing.assert_allclose(values, height / np.array(SIZES))
        np.testing.assert_allclose(theory.get_xydata()[:, 1], 1.5 * height / np.array(SIZES))
        bars = np.asarray(axis.containers[0].lines[2][0].get_segments(), float)
        np.testing.assert_allclose(bars[0][:, 1], [0.8 * height, 1.2 * height])  # two errors
        assert "examples" in axis.get_xlabel()
    assert "nats²" in means.get_ylabel()


def test_classes_differ_in_colour_and_marker(noise):
    axis = plot_gradient_noise(noise).figure.axes[0]
    first, second = (container.lines[0] for container in axis.containers)
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()


def test_alt_text_gives_first_and_last_of_each_curve(noise):
    alt = plot_gradient_noise(noise).alt
    assert "from 1 to 32" in alt
    assert "means, DenseReparameterization: from 6 to 0.19" in alt
    assert f"scales, DenseFlipout: from 0.2 to {0.2 / 32:.2g}." in alt


def test_drawn_functions_have_a_chart_for_each_class_and_a_line_for_each_call():
    positions = np.linspace(0.0, 1.0, 5)
    smooth = np.stack([positions, 2 * positions, 3 * positions])
    jagged = np.tile([0.0, 4.0, 0.0, 4.0, 0.0], (3, 1))
    drawn = {"DenseReparameterization": smooth, "DenseFlipout": jagged}
    picture = plot_drawn_functions(positions, drawn, "logit")
    for axis, outputs in zip(picture.figure.axes, (smooth, jagged), strict=True):
        assert len(axis.lines) == 3
        np.testing.assert_array_equal([line.get_ydata() for line in axis.lines], outputs)
    assert "3 calls" in picture.alt
    assert "5 images" in picture.alt
    assert "DenseReparameterization 0.5; DenseFlipout 4." in picture.alt
