"""The commands: python -m tools COMMAND. Only the module of the asked command is imported.

So `environment`, `lock` and `colab-environment` run on a bare Python, before anything is installed.
"""

from __future__ import annotations

import importlib
import sys

COMMANDS = {  # name: its module, which has main(arguments), and what it does
    "build": ("tools.build", "make the whole book: notebooks, outputs, site"),
    "run": ("tools.execute.run", "execute chapters as Colab would"),
    "twice": ("tools.execute.twice", "execute chapters a second time, compare the bytes"),
    "notebooks": ("tools.colab.notebooks", "write the notebooks for Colab, or check them"),
    "address": ("tools.address", "write the book's address everywhere, or check it"),
    "diagram": ("tools.diagram", "write the picture of the packages, or check it"),
    "environment": ("tools.environment", "make .venv what the pins say"),
    "colab-environment": ("tools.colab_environment", "make .colab as Colab is today"),
    "lock": ("tools.lock", "remake the pins from Colab's list"),
    "check": ("tools.check", "run all tests"),
    "audit": ("tools.audit", "measure the built site in a browser"),
    "release": ("tools.release", "publish a version of the book"),
}


def usage() -> str:
    """The list of all commands."""
    rows = [f"  {name:18} {what}" for name, (_, what) in COMMANDS.items()]
    head = "python -m tools COMMAND ...   (COMMAND --help lists its options)"
    return "\n".join([head, "", *rows])


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names; returns its exit code."""
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        print(f"no command is called {name!r}:\n{usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[name][0])
    return int(module.main(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
