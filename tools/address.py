"""Write the repository's address everywhere it is needed: python -m tools address [--check].

The address lives in `_config.yml` alone (`repository.url`). After a change of it this command
rewrites what cannot be derived when the book is built: links and badges in the README and its
companions, CITATION.cff, the helpers that name the site; then it writes the notebooks anew.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

from tools.book.root import BookError
from tools.book.settings import ADDRESS, Book
from tools.colab.notebooks import generate
from tools.write_or_check import run_command

PLACEHOLDER = ("your_account", "tfp-losses-book")
CITED = re.compile(r'^repository-code:\s*["\']?(?P<address>[^"\'\s]+)', re.MULTILINE)
FETCHED = re.compile(r'\bADDRESS = \\"(?P<address>[^"\\]*)\\"')  # in a notebook, which is JSON
PATTERNS = (
    "*.md",
    "CITATION.cff",
    "pyproject.toml",
    "chapters/*.md",
    "helpers/**/*.py",
    ".github/**/*.yml",
    ".github/**/*.md",
)


@dataclasses.dataclass(frozen=True)
class Change:
    """A line that names another address than `_config.yml`."""

    path: pathlib.Path
    line: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.old.strip()}"


def files(book: Book) -> list[pathlib.Path]:
    """The files that may name the address."""
    found = {path for pattern in PATTERNS for path in book.root.glob(pattern)}
    return sorted(path for path in found if path.is_file())


def former_addresses(book: Book) -> set[tuple[str, str]]:
    """Accounts and names that the book had: what its files still name, and the placeholder."""
    found = {PLACEHOLDER}
    named = [(path, CITED) for path in files(book)]
    named += [(path, FETCHED) for path in sorted(book.root.glob("chapters/*.ipynb"))]
    for path, pattern in named:
        for match in pattern.finditer(path.read_text(encoding="utf-8")):
            address = ADDRESS.fullmatch(match["address"])
            if address is None:
                place = f"{path.relative_to(book.root)}: {match[0]}"
                raise BookError(f"{place} is no address: write https://github.com/ACCOUNT/NAME")
            found.add((address["owner"], address["name"]))
    return found - {book.owner_and_name}


def replacements(book: Book) -> list[tuple[re.Pattern[str], str]]:
    """Patterns for all forms of former addresses, and what to put there."""
    owner, name = book.owner_and_name
    rules = []
    for old_owner, old_name in sorted(former_addresses(book)):
        pair = rf"(?<![\w.-]){re.escape(old_owner)}/{re.escape(old_name)}(?![\w-])"
        rules.append((re.compile(pair), f"{owner}/{name}"))
        site = rf"https://{re.escape(old_owner)}\.github\.io/{re.escape(old_name)}(?![\w-])/?"
        rules.append((re.compile(site, re.IGNORECASE), book.site))
    here = rf"(?P<start>{re.escape(owner)}/{re.escape(name)}/(?:blob|tree|raw)/)[\w.-]+(?=/)"
    rules.append((re.compile(here), rf"\g<start>{book.branch}"))
    return rules


def find_changes(book: Book) -> list[Change]:
    """All lines that have to change."""
    rules = replacements(book)
    changes = []
    for path in files(book):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, old in enumerate(lines, 1):
            new = old
            for pattern, text in rules:
                new = pattern.sub(text, new)
            if new != old:
                changes.append(Change(path.relative_to(book.root), number, old, new))
    return changes


def apply(book: Book, changes: list[Change]) -> None:
    """Rewrite the lines."""
    for path in {change.path for change in changes}:
        lines = (book.root / path).read_text(encoding="utf-8").splitlines(keepends=True)
        for change in changes:
            if change.path == path:
                lines[change.line - 1] = change.new
        (book.root / path).write_text("".join(lines), encoding="utf-8")


def run(book: Book, *, check: bool) -> list[str]:
    """Rewrite (or list) what differs; returns the complaints."""
    changes = find_changes(book)
    if check:
        stale = generate(book, check=True)
        return [f"{change} (should name {book.address})" for change in changes] + stale
    apply(book, changes)
    for change in changes:
        print(f"rewritten {change.path}:{change.line}")
    return generate(book, check=False)


def praise(book: Book) -> str:
    """What to say when all is in order."""
    return f"the book's address is {book.address}, its site {book.site}"


def main(arguments: list[str]) -> int:
    """Run the command."""
    return run_command("address", __doc__, run, praise, arguments)
