"""Execute chapters a second time, compare the bytes: python -m tools twice [--all] [--jobs N].

Two executions must give the same text, tables and pictures. A second execution of the whole book
costs as much as the first, so one run takes one chapter in twenty-two: what was edited last, then
the next chapters from a place that the commit and the Python name. What was compared stays compared
as long as its outputs are stored, so that the runs after this one take the rest. --all, or
TWICE=all in the environment, leaves nothing out (the weekly run).
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from tools.book.root import BookError
from tools.book.settings import Book, read_book
from tools.command_line import book_parser, told
from tools.execute.cache import OutputCache
from tools.execute.outputs import first_difference
from tools.execute.run import Job, choose, cores, run_chapters

SHARE = 21  # one in so many chapters


def git(root: pathlib.Path, *arguments: str) -> str:
    """What git prints, or nothing where it fails (no repository, no earlier commit)."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def edited(root: pathlib.Path) -> set[str]:
    """The chapters that the last commit changed, or that changed since."""
    names = git(root, "diff", "--name-only", "HEAD~1") or git(root, "diff", "--name-only", "HEAD")
    return {pathlib.PurePosixPath(name).stem for name in names.splitlines()}


def turn(root: pathlib.Path, minor: int = sys.version_info.minor) -> int:
    """Which share of the book it is the turn of: another one for another commit or Python."""
    return (int(git(root, "rev-parse", "HEAD")[:8] or "0", 16) + minor) % SHARE


def due(
    waiting: list[pathlib.Path], total: int, number: int, first: set[str]
) -> list[pathlib.Path]:
    """Choose at most a share of `total` chapters of those waiting: `first`, then by turn."""
    limit = -(-total // SHARE)
    start = number * limit
    order = waiting[start:] + waiting[:start]
    return sorted(order, key=lambda path: path.stem not in first)[:limit]


def differences(book: Book, paths: list[pathlib.Path]) -> list[str]:
    """Say where the outputs of the two executions of each chapter differ, byte for byte."""
    first, second = OutputCache(book), OutputCache(book, again=True)
    found = []
    for path in paths:
        once, again = first.find(path), second.find(path)
        if once is None or again is None:
            found.append(f"{path.stem}: not executed twice")
        elif difference := first_difference(once[0], again[0]):
            found.append(f"{path.stem}: {difference}")
    return found


def execute_again(book: Book, jobs: int, *, everything: bool) -> list[str]:
    """Execute what is due into the second cache; returns where any two executions differ."""
    paths = choose(book, [])
    cache = OutputCache(book, again=True)
    waiting = [path for path in paths if cache.find(path) is None]
    chosen = waiting
    if not everything:
        chosen = due(waiting, len(paths), turn(book.root), edited(book.root))
    if chosen and run_chapters(book, [path.stem for path in chosen], Job(jobs, again=True)):
        raise BookError("the second execution failed (see above)")
    later = [path.stem[:2] for path in waiting if path not in chosen]
    done = [path for path in paths if path.stem[:2] not in later]
    print(f"{len(done)} chapters executed twice; in later runs: {', '.join(later) or 'none'}")
    return differences(book, done)


@told
def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = book_parser("twice", __doc__)
    parser.add_argument("--all", action="store_true", help="leave no chapter to a later run")
    parser.add_argument("--jobs", type=int, default=cores(), help="chapters at a time")
    options = parser.parse_args(arguments)
    everything = options.all or os.environ.get("TWICE") == "all"
    found = execute_again(read_book(options.root), options.jobs, everything=everything)
    if found:
        print("two executions differ:", *found, sep="\n", file=sys.stderr)
    return min(1, len(found))
