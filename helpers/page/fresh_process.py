"""Running short programs, each in a Python interpreter of its own.

Introduced in chapters/06-then-and-now.md, "Run the 2018 code unchanged: three switches".
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

SWITCH = "TF_USE_LEGACY_KERAS"
# What goes before a program. Looking for garbage seldom, and not at all at the end, saves a third
# of the time that it takes to start a Python with TensorFlow and to end it. The exception that ends
# the program is written to a file of its own: what stands last on stderr may be a progress bar, or
# a log line of TensorFlow's.
BEFORE = """
import atexit, gc, os, sys, traceback

def write_error(kind, error, trace, show=sys.excepthook, process=os.getpid(), now=os.getpid):
    if now() == process:  # not in a process that it forked
        with open({path!r}, "w", encoding="utf-8") as file:
            file.writelines(traceback.format_exception_only(kind, error))
    show(kind, error, trace)

gc.set_threshold(100_000, 20, 20)
atexit.register(gc.freeze)
sys.excepthook = write_error
del atexit, gc, os, sys, write_error
"""


RUN = """
try:
    exec(compile({source!r}, "<program>", "exec"), globals())
except SystemExit as end:  # which no hook sees
    if isinstance(end.code, str):
        with open({path!r}, "w", encoding="utf-8") as file:
            file.write("SystemExit: " + end.code)
    raise
"""


class Finished(NamedTuple):
    """What a program printed, and why it ended early ("" if it ended well).

    The reason is the exception that ended it, with its message, or "killed by SIGKILL" (or another
    signal's name), or "ended with 3" (an exit code without an exception).
    """

    output: str
    error: str


def run_programs(
    programs: Mapping[str, str], variables: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Finished]:
    """Run each program in a fresh interpreter, two at a time, and return what came of it.

    Each starts as from a shell: nothing is imported yet, no seed is set, and the environment
    variable ``TF_USE_LEGACY_KERAS`` is absent unless ``variables`` sets it. The programs can import
    whatever the caller can. Only Python's garbage collector looks less often, and not at the end.

    Parameters
    ----------
    programs
        Name ↦ source code.
    variables
        Name ↦ environment variables for the program of that name.

    Returns
    -------
    dict of str to Finished
        In the order of ``programs``. Memory addresses read ``0x…`` and the folder of the Python
        installation ``…``, as both differ from one machine or run to the next.

    Raises
    ------
    KeyError
        If ``variables`` names a program that is not there.
    """
    variables = variables or {}
    if unknown := set(variables) - set(programs):
        raise KeyError(f"variables are given for {sorted(unknown)}, which is no program's name.")
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting = {
            name: pool.submit(_run, source, variables.get(name, {}))
            for name, source in programs.items()
        }
    return {name: future.result() for name, future in waiting.items()}


def _run(source: str, variables: Mapping[str, str]) -> Finished:
    kept = {name: value for name, value in os.environ.items() if name != SWITCH}
    with tempfile.TemporaryDirectory() as folder:
        error = pathlib.Path(folder, "error")
        done = subprocess.run(
            [sys.executable, "-c", _program(source, error)],
            env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        said = error.read_text(encoding="utf-8").strip() if error.exists() else ""
    return Finished(_mask(done.stdout.strip()), _mask(_reason(done.returncode, said)))


def _program(source: str, error: pathlib.Path) -> str:
    """The program as it is run: compiled by itself, so that an error in its syntax is told too."""
    return f"{BEFORE.format(path=str(error))}{RUN.format(source=source, path=str(error))}"


def _reason(code: int, exception: str) -> str:
    """Return why a program with this exit code ended early, or "" where it did not."""
    if code == 0:
        return ""
    if code < 0:
        names = {it.value: it.name for it in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}"
    return exception or f"ended with {code}"


def _mask(text: str) -> str:
    """Hide what differs between machines and runs: memory addresses, the installation's folder."""
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", text.replace(sys.prefix, "…"))
