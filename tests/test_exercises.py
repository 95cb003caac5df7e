"""The verdict on a reader's answer."""

import numpy as np
import pytest
import tensorflow as tf

from helpers.page.exercises import check_answer

MISTAKES = {"Did you forget the ½?": 24.0, "Take the natural logarithm.": 5.2}


def verdict(answer, **options):
    return check_answer(answer, 12.0, mistakes=MISTAKES, **options)


@pytest.mark.parametrize("answer", [12.0, 12, 12.011, np.float32(12), tf.constant(12.0)])
def test_a_right_answer_is_praised_with_its_unit(answer):
    assert verdict(answer).correct
    assert verdict(answer).text.startswith("Right: 12")
    assert verdict(answer).text.endswith(" nats.")


def test_no_answer_yet_says_what_to_do():
    assert not verdict(None).correct
    assert "replace `None` by yours" in verdict(None).text


@pytest.mark.parametrize(("answer", "hint"), [(v, k) for k, v in MISTAKES.items()])
def test_a_typical_mistake_gets_its_hint(answer, hint):
    assert not verdict(answer).correct
    assert verdict(answer).text == f"Not yet: {answer:.4g} nats. {hint}"


@pytest.mark.parametrize(("answer", "direction"), [(12.1, "too high"), (-3.0, "too low")])
def test_any_other_answer_is_told_its_direction_but_not_the_solution(answer, direction):
    assert not verdict(answer).correct
    assert verdict(answer).text == f"Not yet: {answer:.4g} nats is {direction}."


def test_nan_is_neither_too_high_nor_too_low():
    assert not verdict(float("nan")).correct
    assert "not a number" in verdict(float("nan")).text


def test_the_tolerance_is_relative_and_can_be_changed():
    assert not verdict(12.1).correct
    assert verdict(12.1, tolerance=0.01).correct
    assert not check_answer(1e-6, 2e-6).correct


def test_the_right_answer_wins_over_a_mistake_that_gives_the_same_number():
    assert check_answer(3.0, 3.0, mistakes={"No.": 3.0}).correct


def test_the_unit_is_shown():
    assert check_answer(0.97, 0.97, unit="of the images").text == "Right: 0.97 of the images."


def test_a_notebook_shows_a_mark_and_the_sentence():
    right, wrong = verdict(12.0), verdict(13.0)
    assert right._repr_markdown_() == f"✓ {right.text}"
    assert wrong._repr_markdown_() == f"✏️ {wrong.text}"
    assert repr(right) == right.text


@pytest.mark.parametrize(
    ("answer", "shown"),
    [(10_320_000, "10,320,000"), (20_034.4, "20,034"), (3.0, "3"), (0.123456, "0.1235")],
)
def test_numbers_are_written_without_exponents(answer, shown):
    assert check_answer(answer, answer).text == f"Right: {shown} nats."
