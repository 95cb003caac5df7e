"""The pictures of published numbers show what they are given."""

import numpy as np
import pandas as pd
import pytest

from helpers.figures.published import (
    plot_errors,
    plot_printed_kl,
    plot_pruned_by_epoch,
    plot_trainings,
)


def test_the_printed_kl_stands_beside_what_is_expected():
    printed = pd.DataFrame({"kl": [0.012, 0.019, 0.014], "rounding": [1e-3, 2e-3, 1e-3]}, [1, 2, 3])
    picture = plot_printed_kl(printed, expected=0.0144, stddev=0.002)
    (axis,) = picture.figure.axes
    lines = [line.get_ydata() for line in axis.lines]
    assert any(np.allclose(line, 0.0144) for line in lines)
    assert any(np.allclose(line, printed["kl"]) for line in lines if len(line) == 3)
    band = axis.patches[0]
    assert (band.get_y(), band.get_height()) == pytest.approx((0.0104, 0.008))
    assert "2 of them lie within" in picture.alt


def rows(**columns):
    return pd.DataFrame(columns)


def test_every_seed_of_every_training_has_its_line():
    seeds = rows(
        seed=[0, 0, 1, 1],
        epoch=[1, 2, 1, 2],
        loss=[5.0, 4.0, 5.5, 4.5],
        negative_log_likelihood=[0.5, 0.3, 0.6, 0.4],
        kl=[9.0, 8.0, 9.0, 8.0],
    )
    picture = plot_trainings({"first": seeds, "second": seeds.assign(loss=seeds["loss"] * 2)})
    left, right = picture.figure.axes
    assert [line.get_ydata().tolist() for line in left.lines] == [
        [5.0, 4.0], [5.5, 4.5], [10.0, 8.0], [11.0, 9.0],
    ]  # fmt: skip
    assert [line.get_ydata().tolist() for line in right.lines[:2]] == [[0.5, 0.3], [0.6, 0.4]]
    assert "second: −ELBO/N 8.500, NLL 0.350 after 2 epochs" in picture.alt


def test_pruning_has_a_line_for_each_length():
    pruned = rows(
        epoch=[1, 1, 1, 1, 5, 5], seed=[0, 0, 1, 1, 0, 0], removed=[0, 0.95] * 3,
        error=[2.0, 40.0, 4.0, 60.0, 1.5, 3.0],
    )  # fmt: skip
    picture = plot_pruned_by_epoch({"one": pruned, "two": pruned[pruned["epoch"] == 1]}, [1, 5, 9])
    first, second = picture.figure.axes
    assert [line.get_ydata().tolist() for line in first.lines] == [[3.0, 50.0], [1.5, 3.0]]
    assert len(second.lines) == 1
    assert "5 epochs, 1.50 % whole, 3.00 % at 95 %" in picture.alt


def test_errors_stand_in_the_row_of_their_training():
    ours = rows(mean=[1.9, 1.5], low=[1.7, 1.4], high=[2.1, 1.6]).set_axis(["wide", "narrow"])
    others = rows(title=["narrow", "wide", "absent"], who=["A", "A", "B"], value=[1.3, 2.0, 9.9])
    picture = plot_errors(ours, others)
    (axis,) = picture.figure.axes
    lines = [tuple(map(tuple, line.get_xydata().round(2))) for line in axis.lines]
    assert ((1.9, 1.0), (1.5, 0.0)) in lines
    assert ((1.3, 0.18), (2.0, 1.18)) in lines
    assert "wide 1.90 %, 1.70 to 2.10" in picture.alt
    assert "wide by A 2.00" in picture.alt
