"""What the commands have in common: their options, and what they say. Needs nothing installed."""

from __future__ import annotations

import argparse
import functools
import pathlib
import sys
from collections.abc import Callable

from tools.book.root import ROOT, BookError

Main = Callable[[list[str]], int]


def parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser that names the command as it is called, and says its first line."""
    said = (description or "").partition("\n")[0]
    return argparse.ArgumentParser(prog=f"python -m tools {command}", description=said)


def book_parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of a command that works on a book, which lies in --root."""
    made = parser(command, description)
    made.add_argument("--root", type=pathlib.Path, default=ROOT, help="the book's folder")
    return made


def told(main: Main) -> Main:
    """Let a command that runs kernels say what went wrong, where it would show a traceback."""

    @functools.wraps(main)
    def run(arguments: list[str]) -> int:
        try:
            return main(arguments)
        except BookError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; the kernels are shut down", file=sys.stderr)
            return 130

    return run
