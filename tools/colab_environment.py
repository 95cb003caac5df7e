"""Make an environment as Colab's of today: python -m tools colab-environment.

Colab publishes what it has installed; this installs as much of it as a plain machine can (no GPU,
no packages of the operating system) without resolving anything, then `google.colab` itself, whose
kernel Colab runs. The chapters executed in it (`python -m tools run --colab .colab`) meet what a
reader meets: widgets, Colab's way to show a table, its versions. An environment made today is
kept. Run it with the Python that Colab has.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import time
import urllib.request

from tools.book.root import ROOT
from tools.command_line import parser

FREEZE = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt"
COLABTOOLS = "git+https://github.com/googlecolab/colabtools"
# Bound to a GPU or to packages of the operating system; no chapter imports them.
LEFT_OUT = re.compile(r"torch|nvidia|fastai|accelerate|peft|timm|sentence.transformers|ydf|pip$")
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)$")
MISSING = re.compile(r"No matching distribution found for ([A-Za-z0-9][\w.-]*)==")
NEEDED = ("tensorflow", "tensorflow-probability", "tf_keras", "ipykernel", "ipywidgets", "pandas")


def installable(freeze: str) -> list[str]:
    """The `name==version` lines of a freeze that may have a wheel for a plain machine."""
    pins = (PIN.match(line.strip()) for line in freeze.splitlines())
    return [pin[0] for pin in pins if pin and not LEFT_OUT.match(pin[1])]


def install(python: pathlib.Path, pins: list[str]) -> list[str]:
    """Install wheels of the pins as they are; returns those that have none, which are left out."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:"]
    left, without = list(pins), list[str]()
    while True:
        done = subprocess.run([*command, *left], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return without
        missing = MISSING.search(done.stderr)
        if not missing:
            sys.exit(f"pip could not install Colab's packages:\n{done.stderr[-3000:]}")
        gone = [pin for pin in left if pin.startswith(f"{missing[1]}==")]
        without += gone
        left = [pin for pin in left if pin not in gone]


def refuse_incomplete(without: list[str]) -> None:
    """Stop where a package that chapters live on could not be installed."""
    lacking = [pin for pin in without if pin.split("==")[0].replace("-", "_") in map(norm, NEEDED)]
    if lacking:
        sys.exit(f"no wheel of {', '.join(lacking)} for this Python: is it the one that Colab has?")


def norm(name: str) -> str:
    """A package's name with underscores."""
    return name.replace("-", "_")


def make(folder: pathlib.Path, freeze: str, colabtools: str) -> None:
    """Make the environment in `folder` with the Python that runs this."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    pins = installable(freeze)
    print(f"installing {len(pins)} packages into {folder} (some minutes)", flush=True)
    without = install(python, pins)
    refuse_incomplete(without)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", colabtools], check=True)
    print(f"{len(pins) - len(without)} packages and google.colab; no wheel: {', '.join(without)}")


def read_freeze(place: str) -> str:
    """The text of Colab's list, from a file or an address."""
    if not place.startswith("https://"):
        return pathlib.Path(place).read_text(encoding="utf-8")
    with urllib.request.urlopen(place) as answer:
        return str(answer.read().decode())


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parser("colab-environment", __doc__)
    command.add_argument("--freeze", default=FREEZE, help="Colab's pip-freeze.txt")
    command.add_argument("--colabtools", default=COLABTOOLS, help="where pip finds google.colab")
    command.add_argument("--folder", type=pathlib.Path, default=ROOT / ".colab")
    options = command.parse_args(arguments)
    stamp, made = options.folder / "made", f"{time.strftime('%Y-%m-%d')} {options.freeze}"
    if not stamp.exists() or stamp.read_text() != made:
        make(options.folder, read_freeze(options.freeze), options.colabtools)
        stamp.write_text(made)
    return 0
