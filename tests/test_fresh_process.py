"""Programs in interpreters of their own: what they print, how they fail, what they inherit."""

import os
import sys

import pytest

from helpers.fresh_process import run_programs


def test_each_program_has_a_process_of_its_own():
    source = "import os; print(os.getpid())"
    done = run_programs({"a": source, "b": source, "c": source})
    numbers = {int(finished.output) for finished in done.values()} | {os.getpid()}
    assert list(done) == ["a", "b", "c"]
    assert len(numbers) == 4


def test_a_failing_program_shows_its_last_line_and_what_it_printed_before():
    done = run_programs({"bad": "print('so far')\nimport no_such_module", "good": "print(1)"})
    assert done["bad"].output == "so far"
    assert done["bad"].error == "ModuleNotFoundError: No module named 'no_such_module'"
    assert done["good"] == ("1", "")


def test_a_program_that_ends_without_a_word_still_counts_as_failed():
    assert run_programs({"silent": "raise SystemExit(3)"})["silent"].error == "ended with 3"


def test_nothing_of_the_machine_or_the_run_is_shown():
    source = "import sys; print(sys.prefix, object()); raise ValueError(sys.prefix, object())"
    output, error = run_programs({"shown": source})["shown"]
    assert output == "… <object object at 0x…>"
    assert sys.prefix not in error
    assert "0x…" in error


def test_variables_reach_their_program_only_and_the_switch_is_not_inherited(monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    source = "import os; print(os.environ.get('TF_USE_LEGACY_KERAS'))"
    done = run_programs({"plain": source, "shell": source}, {"shell": {"TF_USE_LEGACY_KERAS": "0"}})
    assert [finished.output for finished in done.values()] == ["None", "0"]


def test_it_imports_what_the_caller_can():
    done = run_programs({"book": "import helpers; print(helpers.__name__)"})
    assert done["book"] == ("helpers", "")


def test_variables_without_a_program_are_refused():
    with pytest.raises(KeyError, match="no program's name"):
        run_programs({"a": "1"}, {"b": {}})
