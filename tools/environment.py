"""Make .venv what requirements.txt and constraints.txt say: python -m tools environment.

Runs on a bare Python, before anything is installed. A stamp inside .venv names the interpreter, the
folder and the two files it was made from. Same stamp: nothing to do. Other files: updated. No stamp
(an interrupted installation), another interpreter or another folder: made anew.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

from tools.book.root import ROOT
from tools.command_line import parser
from tools.machine import this_machine, what_is_missing

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "stamp"
PINS = ("requirements.txt", "constraints.txt")
PROGRESS = re.compile(r"\s*(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9][\w.-]*)")
KEEP = {"pip"}


def interpreter() -> str:
    """Return what a change of interpreter changes: its version and its base installation."""
    return f"{sys.version.split()[0]} {sys.base_prefix}"


def stamp(folder: pathlib.Path = ROOT) -> list[str]:
    """Return the stamp of a finished environment: interpreter, then a hash of the pins."""
    pins = b"\0".join((folder / name).read_bytes() for name in PINS)
    return [interpreter(), str(folder), hashlib.sha256(pins).hexdigest()]


def plan(found: str | None, wanted: list[str]) -> str:
    """Return "keep", "update" or "create" for the stamp found in .venv (None: there is none)."""
    if found is None:
        return "create"
    lines = found.splitlines()
    if lines == wanted:
        return "keep"
    return "update" if lines[:2] == wanted[:2] else "create"


def normal(name: str) -> str:
    """Return the one spelling of a package's name that all its spellings share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> set[str]:
    """Return the names that the two files pin."""
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in PINS)
    return {normal(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, re.MULTILINE)}


def create() -> None:
    """Make an empty environment, or say how to get the module that makes one."""
    version = "python{}.{}".format(*sys.version_info[:2])
    probe = [sys.executable, "-c", "import venv, ensurepip"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        sys.exit(
            f"{sys.executable} has no working venv module, which makes the environment.\n"
            f"On Debian or Ubuntu: sudo apt install {version}-venv"
        )
    base = getattr(sys, "_base_executable", sys.executable)  # this may be .venv's own python
    subprocess.run([base, "-m", "venv", "--clear", str(VENV)], check=True)


def install() -> None:
    """Install the pins with pip, one line for every ten packages, all lines if it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-r", "requirements.txt", "-c", "constraints.txt"]
    total, log = len(locked()), list[str]()
    names: set[str] = set()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            log.append(line)
            show_progress(line, names, total)
    if pip.returncode:
        sys.exit("".join(log[-60:]) + "pip could not install the packages: see its lines above.")


def show_progress(line: str, names: set[str], total: int) -> None:
    """Print every tenth package that pip turns to, and the start of the copying."""
    found = PROGRESS.match(line)
    if found and normal(found[1]) not in names:
        names.add(normal(found[1]))
        if len(names) % 10 == 0:
            print(f"  {len(names):3d} of about {total} packages fetched", flush=True)
    elif line.startswith("Installing collected packages"):
        print("  copying them into .venv (a minute or two)", flush=True)


def remove_strays() -> None:
    """Uninstall what the pins no longer name, so that an update equals a fresh installation."""
    command = [str(PYTHON), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = {normal(package["name"]) for package in json.loads(listed)}
    strays = sorted(names - locked() - KEEP)
    if strays:
        print(f"  removing {', '.join(strays)}")
        uninstall = [str(PYTHON), "-m", "pip", "uninstall", "--quiet", "--yes", *strays]
        subprocess.run(uninstall, check=True)


def make(step: str) -> None:
    """Create or update the environment; the stamp comes last, so a broken one has none."""
    start = time.monotonic()
    verb = {"create": "Creating", "update": "Updating"}[step]
    print(f"{verb} .venv with Python {sys.version.split()[0]} (some minutes)", flush=True)
    STAMP.unlink(missing_ok=True)
    if step == "create":
        create()
    install()
    remove_strays()
    subprocess.run([str(PYTHON), "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    STAMP.write_text("\n".join(stamp()) + "\n", encoding="utf-8")
    print(f".venv is ready after {time.monotonic() - start:.0f} s", flush=True)


def bring_up_to_date() -> None:
    """Make .venv what the pins say, one process at a time."""
    import fcntl  # not on Windows, where the check has ended the command

    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / "environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = STAMP.read_text(encoding="utf-8") if STAMP.is_file() else None
        step = plan(found, stamp())
        if step != "keep":
            make(step)


def is_finished() -> bool:
    """Whether .venv is what the pins say, so that there is nothing to do."""
    return STAMP.is_file() and plan(STAMP.read_text(encoding="utf-8"), stamp()) == "keep"


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser("environment", __doc__).parse_args(arguments)
    if is_finished():
        return 0
    if missing := what_is_missing(this_machine()):
        sys.exit(missing)
    try:
        bring_up_to_date()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; the next command makes .venv again")
    return 0
