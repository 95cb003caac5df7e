"""Author-year links for citations: what the site shows, with the work's own address behind it."""

from __future__ import annotations

import pathlib

from pybtex.backends.plaintext import Backend
from pybtex.database import Entry, Person, parse_file

from tools.book.root import BookError

SOURCES = {"doi": "https://doi.org/{}", "url": "{}", "eprint": "https://arxiv.org/abs/{}"}
PLAIN = Backend()  # made once: looking it up by name reads what all installed packages offer


class Citations:
    """The entries of the book's bibliography, read when the first one is asked for."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._entries: dict[str, Entry] = {}

    def entry(self, key: str) -> Entry:
        """The entry called `key`."""
        if not self._entries and self.path.exists():
            self._entries = dict(parse_file(str(self.path), "bibtex").entries)
        if key not in self._entries:
            raise BookError(f"{key!r} is not in {self.path.name}: add the entry or mend the key")
        return self._entries[key]

    def textual(self, key: str) -> str:
        """A citation that is part of the sentence: `[Kingma and Welling (2014)](address)`."""
        entry = self.entry(key)
        return f"[{authors(entry)} ({year(key, entry)})]({address(key, entry)})"

    def parenthetical(self, keys: list[str]) -> str:
        """Citations in brackets: `([Kingma and Welling, 2014](address))`."""
        parts = []
        for key in keys:
            entry = self.entry(key)
            parts.append(f"[{authors(entry)}, {year(key, entry)}]({address(key, entry)})")
        return f"({'; '.join(parts)})"


def last_name(person: Person) -> str:
    """A person's last name with its particles, LaTeX accents resolved."""
    words = [*person.rich_prelast_names, *person.rich_last_names]
    return " ".join(word.render(PLAIN) for word in words)


def authors(entry: Entry) -> str:
    """Up to two names in full, more as the first name and others."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [last_name(person) for person in people]
    if not names:
        raise BookError(f"{entry.key!r} has no author in the bibliography")
    return f"{names[0]} et al." if len(names) > 2 else " and ".join(names)


def year(key: str, entry: Entry) -> str:
    """The year of an entry."""
    if "year" not in entry.fields:
        raise BookError(f"{key!r} has no year in the bibliography")
    return str(entry.fields["year"])


def address(key: str, entry: Entry) -> str:
    """Where to read the work: by DOI, else by URL, else on arXiv."""
    for field, pattern in SOURCES.items():
        if field in entry.fields:
            return pattern.format(entry.fields[field]).replace("(", "%28").replace(")", "%29")
    raise BookError(f"{key!r} has no doi, url or eprint in the bibliography, so nothing to link to")
