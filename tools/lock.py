"""Remake the pins: python -m tools lock --colab pip-freeze.txt python3.13 python3.12 python3.11.

requirements.txt gets Colab's version of each package that it pins and Colab has. Then pip resolves
it with each of the named interpreters (nothing is installed), and constraints.txt gets the version
of every package that came out: Colab's, except for what jupyter-book 1.x needs otherwise. The list:
https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable

from tools.book.root import ROOT
from tools.command_line import parser
from tools.environment import normal

# jupyter-book 1.x needs Sphinx 7 and markdown-it-py 3; Colab has newer ones, no chapter needs them.
BUILD_TOOLS = re.compile(r"sphinx|alabaster|docutils|markdown-it-py|mdit|myst")
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([\w.!+-]+)")

Versions = dict[str, str]


def read_freeze(text: str) -> Versions:
    """Return name -> version of the `name==version` lines, without the build's tools."""
    pins = (PIN.match(line.strip()) for line in text.splitlines())
    found = {normal(pin[1]): pin[2] for pin in pins if pin}
    return {name: version for name, version in found.items() if not BUILD_TOOLS.match(name)}


def with_colab_versions(requirements: str, colab: Versions) -> str:
    """Return requirements.txt's text with each pin that Colab has set to Colab's version."""

    def renew(line: str) -> str:
        pin = PIN.match(line)
        if not pin:
            return line
        return line[: pin.start(2)] + colab.get(normal(pin[1]), pin[2]) + line[pin.end(2) :]

    return "\n".join(renew(line) for line in requirements.splitlines()) + "\n"


def resolve(python: str, requirements: pathlib.Path, wanted: Versions) -> tuple[str, Versions]:
    """Return the interpreter's "3.x" and the versions that pip would install with it."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        constraints = scratch / "constraints.txt"
        constraints.write_text("".join(f"{name}=={wanted[name]}\n" for name in wanted))
        subprocess.run([python, "-m", "venv", scratch / "venv"], check=True)
        own = scratch / "venv" / "bin" / "python"
        command = [str(own), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["-r", str(requirements), "-c", str(constraints)]
        command += ["--report", str(scratch / "report")]
        subprocess.run(command, check=True)
        report = json.loads((scratch / "report").read_text())
    found = {
        normal(item["metadata"]["name"]): item["metadata"]["version"] for item in report["install"]
    }
    return ".".join(report["environment"]["python_full_version"].split(".")[:2]), found


def lines(found: dict[str, Versions], names: Iterable[str]) -> list[str]:
    """Return one constraint a package; one with a marker a Python where Pythons differ."""
    result = []
    for name in sorted(names):
        pythons: dict[str, list[str]] = defaultdict(list)
        for python, versions in found.items():
            if name in versions:
                pythons[versions[name]].append(python)
        for version, where in pythons.items():
            marker = " or ".join(f'python_version == "{python}"' for python in sorted(where))
            result.append(f"{name}=={version}" + (f" ; {marker}" if len(pythons) > 1 else ""))
    return result


def render(found: dict[str, Versions], colab: Versions) -> str:
    """Return the text of constraints.txt: first what Colab has too, then the rest."""
    names = {name for versions in found.values() for name in versions}
    same = {
        name
        for name in names
        if {versions.get(name, colab.get(name)) for versions in found.values()} == {colab.get(name)}
    }
    return "\n".join(
        [
            "# Made by python -m tools lock: every package that requirements.txt pulls in.",
            f"# Resolved with Python {', '.join(sorted(found))}.",
            "",
            "# Colab's versions.",
            *lines(found, same),
            "",
            "# Not on Colab, or there in a version that jupyter-book 1.x cannot use.",
            *lines(found, names - same),
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    """Rewrite requirements.txt and constraints.txt."""
    options = parser("lock", __doc__)
    options.add_argument("--colab", type=pathlib.Path, required=True, help="Colab's pip-freeze.txt")
    options.add_argument("python", nargs="*", default=[sys.executable], help="Colab's first")
    asked = options.parse_args(arguments)
    colab = read_freeze(asked.colab.read_text())
    requirements = ROOT / "requirements.txt"
    requirements.write_text(with_colab_versions(requirements.read_text(), colab))
    found: dict[str, Versions] = {}
    wanted = colab
    for python in asked.python:
        name, versions = resolve(python, requirements, wanted)
        found[name] = versions
        wanted = versions | wanted
        print(f"Python {name}: {len(versions)} packages")
    (ROOT / "constraints.txt").write_text(render(found, colab))
    return 0
