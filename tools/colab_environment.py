"""Make an environment as Colab's: python tools/colab_environment.py --freeze pip-freeze.txt.

Colab publishes what it has installed; this installs as much of it as a plain machine can (no GPU,
no packages of the operating system) without resolving anything, then `google.colab` itself, whose
kernel Colab runs. The chapters executed in it (`tools/run_chapters.py --colab .colab`) meet what a
reader meets: widgets, Colab's way to show a table, its versions. The list of the day and the
source of google.colab:
https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt
https://github.com/googlecolab/colabtools
"""

from __future__ import annotations

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
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
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:"]
    left, without = list(pins), []
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
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, colabtools], check=True)
    print(f"{len(pins) - len(without)} packages and google.colab; no wheel: {', '.join(without)}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--freeze", type=pathlib.Path, required=True, help="Colab's pip-freeze.txt")
    parser.add_argument("--colabtools", default=COLABTOOLS, help="what pip takes google.colab from")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / ".colab")
    options = parser.parse_args()
    make(options.folder, options.freeze.read_text(encoding="utf-8"), options.colabtools)


if __name__ == "__main__":
    main()
