"""The command line of a tool that writes files of the book or, with --check, compares them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from tools.book.root import BookError
from tools.book.settings import Book, read_book
from tools.command_line import book_parser


class Work(Protocol):
    """What the tool does: write (or check) and return the complaints."""

    def __call__(self, book: Book, *, check: bool) -> list[str]:
        """Return one sentence for everything that is not in order."""


def run_command(
    command: str,
    description: str | None,
    work: Work,
    praise: Callable[[Book], str],
    arguments: list[str],
) -> int:
    """Do the work, print complaints or, without any, praise; returns the exit code."""
    parser = book_parser(command, description)
    parser.add_argument("--check", action="store_true", help="write nothing, list differences")
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
