"""The command line of a tool that writes files of the book or, with --check, compares them."""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Callable
from typing import Protocol

from book_settings import ROOT, Book, BookError, read_book


class Work(Protocol):
    """What the tool does: write (or check) and return the complaints."""

    def __call__(self, book: Book, *, check: bool) -> list[str]:
        """Return one sentence for everything that is not in order."""


def run_command(
    description: str | None, work: Work, praise: Callable[[Book], str], arguments: list[str] | None
) -> int:
    """Do the work, print complaints or, without any, praise; returns the exit code."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, list differences")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the book's folder")
    options = parser.parse_args(arguments)
    try:
        book = read_book(options.root)
        complaints = work(book, check=options.check)
    except BookError as error:
        complaints = [str(error)]
    if complaints:
        print("\n".join(complaints), file=sys.stderr)
        return 1
    print(praise(book))
    return 0
