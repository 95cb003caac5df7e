"""Ctrl-C as a wish: heard, kept until the block asks, and granted at once the second time."""

import signal
import threading

import pytest

from helpers.training.interrupt import deferred_interrupt


def test_without_an_interrupt_nothing_is_heard():
    with deferred_interrupt() as is_stopped:
        assert not is_stopped()


def test_an_interrupt_raises_nothing_and_is_heard_until_the_end():
    with deferred_interrupt() as is_stopped:
        signal.raise_signal(signal.SIGINT)
        assert is_stopped()
        assert is_stopped()


def test_a_second_interrupt_stops_at_once():
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as is_stopped:
        signal.raise_signal(signal.SIGINT)
        assert is_stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_afterwards_an_interrupt_is_again_what_it_was_before():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("own"))
    try:
        with deferred_interrupt():
            signal.raise_signal(signal.SIGINT)
        assert heard == []
        signal.raise_signal(signal.SIGINT)
        assert heard == ["own"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_in_the_block_gives_the_signal_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="within"), deferred_interrupt():
        raise ValueError("within")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_new_block_has_not_heard_the_interrupt_of_the_last():
    with deferred_interrupt():
        signal.raise_signal(signal.SIGINT)
    with deferred_interrupt() as is_stopped:
        assert not is_stopped()


def test_a_block_within_a_block_hears_for_itself():
    with deferred_interrupt() as outer:
        with deferred_interrupt() as inner:
            signal.raise_signal(signal.SIGINT)
            assert inner()
        assert not outer()
        signal.raise_signal(signal.SIGINT)
        assert outer()


def test_another_thread_trains_too_and_leaves_the_signal_alone():
    before, found = signal.getsignal(signal.SIGINT), []

    def in_a_thread():
        with deferred_interrupt() as is_stopped:
            found.extend([is_stopped(), signal.getsignal(signal.SIGINT) is before])

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert found == [False, True]
