"""Publish a version of the book: python -m tools release 1.2.0 (what `make release` calls).

The commit that gets the tag v1.2.0 holds the version everywhere, and notebooks that fetch exactly
this version, so that a copy saved in Drive still runs when the book has moved on. The commit after
it lets the notebooks of the branch fetch the branch again. Nothing is committed unless all tests
pass (every chapter executed twice) and every notebook runs in Colab's own kernel. Nothing is
pushed: the last line says how.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

from tools import address
from tools.book.root import BookError
from tools.book.settings import Book, read_book
from tools.command_line import book_parser

BRANCH = "main"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
CHANGES = re.compile(r"^## Unreleased\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
CHECKS = (
    ["make", "test", "FORCE=1", "TWICE=all"],
    ["make", "colab"],
)

Check = Callable[[pathlib.Path], None]


@dataclasses.dataclass(frozen=True)
class Edit:
    """One place that names the version: a file, a pattern for one line, and the line's new text."""

    name: str
    pattern: str
    text: str

    def apply(self, root: pathlib.Path) -> None:
        """Rewrite the line."""
        path = root / self.name
        old = path.read_text(encoding="utf-8")
        new, count = re.subn(self.pattern, lambda _: self.text, old, flags=re.MULTILINE)
        if count != 1:
            raise BookError(f"{self.name} has {count} lines {self.pattern}: one is needed")
        path.write_text(new, encoding="utf-8")


def fetch_from(ref: str) -> Edit:
    """Let links and notebooks lead to a branch or a tag."""
    return Edit("_config.yml", r"^  branch: .*$", f"  branch: {ref}")


def edits(version: str, day: datetime.date) -> list[Edit]:
    """What a release changes by hand; links and notebooks follow from it."""
    return [
        Edit("pyproject.toml", r'^version = ".*"$', f'version = "{version}"'),
        Edit("helpers/__init__.py", r'^__version__ = ".*"$', f'__version__ = "{version}"'),
        Edit("CITATION.cff", r"^version: .*$", f"version: {version}\ndate-released: {day}"),
        Edit("CHANGELOG.md", r"^## Unreleased$", f"## Unreleased\n\n## {version} ({day})"),
        fetch_from(f"v{version}"),
    ]


def git(root: pathlib.Path, *arguments: str) -> str:
    """What git prints; its own words where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BookError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def numbers(version: str) -> tuple[int, ...]:
    """The three numbers of a version."""
    found = VERSION.fullmatch(version)
    if not found:
        raise BookError(f"{version!r} is no version: write three numbers, as in 1.2.0")
    return tuple(map(int, found.groups()))


def refuse_what_is_not_ready(book: Book, version: str) -> None:
    """Stop before anything is changed; each message says what to do."""
    asked = numbers(version)
    tags = git(book.root, "tag", "--list", "v*").split()
    newer = [tag for tag in tags if VERSION.fullmatch(tag[1:]) and numbers(tag[1:]) >= asked]
    if newer:
        raise BookError(f"{newer[-1]} is there already: take a higher version than {version}")
    if git(book.root, "status", "--porcelain"):
        raise BookError("commit or take away what git status lists: a release is a commit")
    if git(book.root, "branch", "--show-current") != BRANCH:
        raise BookError(f"releases are made on {BRANCH}: git switch {BRANCH}")
    changes = CHANGES.search((book.root / "CHANGELOG.md").read_text(encoding="utf-8"))
    if not changes or not changes["text"].strip():
        raise BookError("CHANGELOG.md says nothing below '## Unreleased': say what has changed")


def rewrite(root: pathlib.Path, changes: list[Edit]) -> None:
    """Make the edits, then all links and notebooks that follow from them."""
    for change in changes:
        change.apply(root)
    complaints = address.run(read_book(root), check=False)
    if complaints:
        raise BookError("\n".join(complaints))


def commit(root: pathlib.Path, message: str) -> None:
    """Commit all that the release changed."""
    git(root, "commit", "--quiet", "--all", "-m", message)


def run_checks(root: pathlib.Path) -> None:
    """Run all tests, and all notebooks in Colab's own kernel."""
    for command in CHECKS:
        print(f"$ {' '.join(command)}", flush=True)
        if subprocess.run(command, cwd=root, check=False).returncode:
            raise BookError(f"{' '.join(command)} is red: nothing was released")


def drop_release_day(root: pathlib.Path) -> None:
    """Take the day of the last release out of CITATION.cff; the new one comes with the version."""
    path = root / "CITATION.cff"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^date-released: .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")


def release(book: Book, version: str, check: Check = run_checks) -> None:
    """Make the two commits and the tag between them; leaves everything as it was where it fails."""
    refuse_what_is_not_ready(book, version)
    root, tag = book.root, f"v{version}"
    try:
        drop_release_day(root)
        rewrite(root, edits(version, datetime.date.today()))
        check(root)
    except BaseException:
        git(root, "restore", "--staged", "--worktree", ".")
        raise
    commit(root, f"Release {version}")
    git(root, "tag", "--annotate", tag, "-m", f"Version {version}")
    rewrite(root, [fetch_from(BRANCH)])
    commit(root, f"After {version}: the notebooks of {BRANCH} fetch {BRANCH}")
    print(f"released {version}; publish it with: git push origin {BRANCH} {tag}")


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = book_parser("release", __doc__)
    parser.add_argument("version", help="three numbers, as in 1.2.0")
    options = parser.parse_args(arguments)
    try:
        release(read_book(options.root), options.version)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
