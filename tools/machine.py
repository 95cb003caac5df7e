"""Whether the packages of the book exist for this machine and this Python: asked before pip.

Runs on a bare Python. pip would say it, too, but after minutes, and in a list of versions.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from typing import NamedTuple

OLDEST, NEWEST = (3, 11), (3, 13)
OLDEST_MACOS = 12
LINUX = {"x86_64", "amd64", "aarch64", "arm64"}
ELSEWHERE = "Run the book on Colab (see README.md), or on a machine or in a container with Linux."


class Machine(NamedTuple):
    """What decides which packages there are.

    ``system`` and ``processor`` are those that Python was built for; ``translated`` is whether
    macOS runs an Intel program on Apple silicon; ``macos`` is the first number of its version;
    ``libc`` is the C library of a Linux ("" where Python cannot tell, as with musl).
    """

    system: str
    processor: str
    python: tuple[int, int]
    implementation: str = "cpython"
    bits: int = 64
    free_threaded: bool = False
    translated: bool = False
    macos: int = OLDEST_MACOS
    libc: str = "glibc"


def this_machine() -> Machine:
    """Return what Python says of the machine that it runs on."""
    macos = platform.mac_ver()[0].partition(".")[0]
    return Machine(
        system=platform.system(),
        processor=platform.machine().lower(),
        python=(sys.version_info.major, sys.version_info.minor),
        implementation=sys.implementation.name,
        bits=64 if sys.maxsize > 2**32 else 32,
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        translated=platform.system() == "Darwin" and _is_translated(),
        macos=int(macos) if macos else 0,
        libc=platform.libc_ver()[0],
    )


def what_is_missing(machine: Machine) -> str:
    """Return one sentence on why the packages cannot be installed here, or "" if they can."""
    return _of_python(machine) or _of_system(machine)


def _of_python(machine: Machine) -> str:
    """Return what is wrong with the interpreter."""
    version = "{}.{}".format(*machine.python)
    name = "make environment PYTHON=/path/to/python3.13"
    if not OLDEST <= machine.python <= NEWEST:
        return f"This is Python {version}, and the book needs 3.11, 3.12 or 3.13: {name}"
    if machine.implementation != "cpython":
        return f"This is {machine.implementation}, and TensorFlow exists for CPython alone: {name}"
    if machine.free_threaded:
        return (
            f"This is the free-threaded Python {version}t, for which there is no TensorFlow: "
            f"take the usual one, {name}"
        )
    if machine.bits != 64:
        return f"This Python is one of 32 bits, and TensorFlow exists for 64 bits alone: {name}"
    return ""


def _of_system(machine: Machine) -> str:
    """Return what is wrong with the system or the processor."""
    if machine.system == "Darwin":
        return _of_mac(machine)
    if machine.system == "Linux":
        if machine.processor not in LINUX:
            return (
                f"There is no TensorFlow for Linux on {machine.processor}, only for x86_64 and "
                f"arm64. {ELSEWHERE}"
            )
        if machine.libc != "glibc":
            return (
                "TensorFlow needs a Linux with glibc, and this one has another C library (Alpine "
                "has musl): take an image of Debian or Ubuntu."
            )
        return ""
    if machine.system == "Windows" or machine.system.startswith(("CYGWIN", "MSYS", "MINGW")):
        return (
            "On Windows the book runs in WSL: call wsl --install once, then clone the book and "
            "call make in the Ubuntu that it opens."
        )
    return f"There is no TensorFlow for {machine.system}. {ELSEWHERE}"


def _of_mac(machine: Machine) -> str:
    """Return what is wrong with a Mac, or with the Python that runs on it."""
    if machine.processor == "x86_64" and machine.translated:
        return (
            "This Python is made for Intel processors, and runs translated on a Mac with Apple "
            "silicon, for which there is a TensorFlow: install Python from python.org, or with "
            "the Homebrew in /opt/homebrew, and call make environment "
            "PYTHON=/opt/homebrew/bin/python3.13"
        )
    if machine.processor == "x86_64":
        return (
            "There is no TensorFlow of the book's version for Macs with an Intel processor (the "
            f"last one was 2.16). {ELSEWHERE}"
        )
    if machine.macos < OLDEST_MACOS:
        return f"TensorFlow needs macOS {OLDEST_MACOS} or newer, and this is {machine.macos}."
    return ""


def _is_translated() -> bool:
    """Whether macOS runs this process translated, as an Intel program on Apple silicon."""
    asked = ["/usr/sbin/sysctl", "-n", "sysctl.proc_translated"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    except OSError:  # no sysctl there: an old Mac
        return False
    return said.strip() == "1"
