"""What a block would print to stderr is collected, and only there."""

import logging
import warnings

import pytest
from absl import logging as absl_logging

import helpers  # noqa: F401  (importing it silences one warning)
from helpers.page.errors import recorded_warnings


def test_both_kinds_are_collected_once_each(capsys):
    with recorded_warnings() as messages:
        absl_logging.warning("a log line")
        for _ in range(3):
            warnings.warn("twice is enough", UserWarning, stacklevel=1)
        warnings.warn("another", FutureWarning, stacklevel=1)
        absl_logging.warning("a log line")
    assert messages == [
        "UserWarning: twice is enough",
        "FutureWarning: another",
        "WARNING: a log line",
    ]
    assert capsys.readouterr().err == ""


def test_the_warning_that_helpers_silence_stays_silent():
    with recorded_warnings() as messages:
        warnings.filterwarnings("ignore", message=r"`layer\.add_variable` is deprecated")
        warnings.warn("`layer.add_variable` is deprecated and more", UserWarning, stacklevel=1)
    assert messages == []


def test_what_python_does_not_print_is_not_collected():
    with recorded_warnings() as messages:
        warnings.simplefilter("ignore", DeprecationWarning)  # pytest shows them, Python does not
        warnings.warn("for developers", DeprecationWarning, stacklevel=1)
    assert messages == []


def test_nothing_of_it_stays_behind_even_after_an_error():
    logger = logging.getLogger("absl")
    before = list(logger.handlers), logger.propagate, list(warnings.filters)
    found = []

    def fail():
        with recorded_warnings() as messages:
            found.append(messages)
            warnings.warn("seen before the error", UserWarning, stacklevel=1)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert (list(logger.handlers), logger.propagate, list(warnings.filters)) == before
    assert found == [["UserWarning: seen before the error"]]
