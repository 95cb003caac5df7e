"""Programs in interpreters of their own: what they print, how they fail, what they inherit."""

import os
import sys

import pytest

from helpers.page.fresh_process import run_programs


def test_each_program_has_a_process_of_its_own():
    source = "import os; print(os.getpid())"
    done = run_programs({"a": source, "b": source, "c": source})
    numbers = {int(finished.output) for finished in done.values()} | {os.getpid()}
    assert list(done) == ["a", "b", "c"]
    assert len(numbers) == 4


def test_a_failing_program_shows_its_exception_and_what_it_printed_before():
    done = run_programs({"bad": "print('so far')\nimport no_such_module", "good": "print(1)"})
    assert done["bad"].output == "so far"
    assert done["bad"].error == "ModuleNotFoundError: No module named 'no_such_module'"
    assert done["good"] == ("1", "")


def test_a_program_that_ends_without_a_word_still_counts_as_failed():
    assert run_programs({"silent": "raise SystemExit(3)"})["silent"].error == "ended with 3"


LAST_WORDS = "import sys; print(' 40%|████      | 4/10 [00:01<00:02]', file=sys.stderr, flush=True)"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("import os; os.abort()", "killed by SIGABRT"),
        ("import os; os._exit(4)", "ended with 4"),
        ("import os", ""),
    ],
)
def test_the_last_line_of_stderr_is_not_taken_for_the_error(end, reason):
    """A progress bar, or a line of a log, may be the last thing that a program says there."""
    assert run_programs({"it": f"{LAST_WORDS}\n{end}"})["it"].error == reason


def test_what_is_logged_after_the_exception_does_not_hide_it():
    late = f"import atexit\natexit.register(lambda: exec({LAST_WORDS!r}))\n1 / 0"
    assert run_programs({"it": late})["it"].error == "ZeroDivisionError: division by zero"


def test_the_words_of_sys_exit_are_told_and_a_childs_error_is_not():
    fork = "import os, sys\nif os.fork() == 0: raise ValueError('child')\nos.wait(); sys.exit(3)"
    done = run_programs({"exit": "import sys; sys.exit('bad input')", "fork": fork})
    assert done["exit"].error == "SystemExit: bad input"
    assert done["fork"].error == "ended with 3"


def test_bytes_that_are_no_text_do_not_take_the_others_down():
    done = run_programs({"a": "import os; os.write(1, b'x\\xffy')", "b": "print(1)"})
    assert done["a"] == ("x\ufffdy", "")
    assert done["b"] == ("1", "")


def test_all_lines_of_a_message_and_errors_of_syntax_are_told():
    done = run_programs({"lines": "raise ValueError('one\\ntwo')", "syntax": "x = = 1"})
    assert done["lines"].error == "ValueError: one\ntwo"
    assert done["syntax"].error.endswith("SyntaxError: invalid syntax")


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
