"""Errors that a page shows: their exact text, and a failure when they no longer occur."""

import pytest

from helpers.page.errors import error_message, wrapped


def fail(error):
    raise error


def test_shows_the_class_and_the_text():
    assert error_message(lambda: 1 + "1").startswith("TypeError: unsupported operand type(s) for +")
    assert error_message(lambda: fail(ValueError("two\nlines"))) == "ValueError: two\nlines"


def test_memory_addresses_are_masked_and_other_numbers_are_kept():
    text = "<object at 0x7fadb6b51c0> with flags 0x1f and shape (7, 5)"
    expected = "ValueError: <object at 0x…> with flags 0x1f and shape (7, 5)"
    assert error_message(lambda: fail(ValueError(text))) == expected


def test_the_text_is_the_same_at_every_run():
    first, again = (error_message(lambda: fail(TypeError(object()))) for _ in range(2))
    assert first == again == "TypeError: <object object at 0x…>"


def test_an_error_that_no_longer_occurs_turns_the_page_red():
    with pytest.raises(AssertionError, match="expected to fail, but it ran without an error"):
        error_message(lambda: 1)


def test_stopping_by_hand_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        error_message(lambda: fail(KeyboardInterrupt()))


def test_long_messages_are_cut_to_the_width_of_a_page_and_lose_no_word():
    long = " ".join(f"word{i}" for i in range(40))
    lines = wrapped(f"First:\n\n  {long}", "second").splitlines()
    assert max(map(len, lines)) <= 76
    assert lines[0] == "First:"
    assert lines[-1] == "second"
    assert " ".join(lines[1:-1]) == long
