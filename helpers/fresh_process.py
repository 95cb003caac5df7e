"""Running short programs, each in a Python interpreter of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

SWITCH = "TF_USE_LEGACY_KERAS"
# Looking for garbage seldom, and not at all at the end, saves a third of the time that it takes to
# start a Python with TensorFlow and to end it.
SELDOM = (
    "import atexit, gc\n"
    "gc.set_threshold(100_000, 20, 20)\n"
    "atexit.register(gc.freeze)\n"
    "del atexit, gc\n"
)


class Finished(NamedTuple):
    """What a program printed, and the last line of its traceback ("" if it ended well)."""

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
    done = subprocess.run(
        [sys.executable, "-c", SELDOM + source],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    last_line = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    return Finished(_mask(done.stdout.strip()), _mask(last_line) if done.returncode else "")


def _mask(text: str) -> str:
    """Hide what differs between machines and runs: memory addresses, the installation's folder."""
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", text.replace(sys.prefix, "…"))
