"""Numbers and places of everything that one page may refer to on another.

Sphinx numbers equations, figures and exercises of a numbered chapter as "chapter.count" and those
of all other pages together as "count", in the order of the contents. The notebooks show the same.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from docutils import nodes as docutils_nodes
from sphinx.util.nodes import _make_id

from tools.book.citations import Citations
from tools.book.page_source import Heading, PageSource, read_page
from tools.book.root import BookError
from tools.book.settings import Book, Page
from tools.book.syntax import plain_title

KINDS = ("equations", "figures", "exercises")
GLOSSARY = "chapters/glossary"


@dataclasses.dataclass(frozen=True)
class Target:
    """A numbered thing: its number as shown, its page, and the cell of the notebook to jump to."""

    number: str
    page: Page
    cell: str


class References:
    """The numbered things, anchors, terms and citations of a whole book."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.citations = Citations(book.root / "references.bib")
        present = [page for page in book.pages if (book.root / f"{page.name}.md").exists()]
        self.pages: dict[str, PageSource] = {page.name: read_page(book, page) for page in present}
        self.targets = {kind: self._number(kind) for kind in KINDS}

    def _number(self, kind: str) -> dict[str, Target]:
        """Number all things of one kind through the book."""
        counts: dict[int | None, int] = {}
        targets: dict[str, Target] = {}
        for source in self.pages.values():
            chapter = source.page.number
            for label, cell in getattr(source.labels, kind).items():
                if label in targets:
                    other = targets[label].page.name
                    raise BookError(f"{source.page.name}.md: {label!r} is a label of {other} too")
                counts[chapter] = counts.get(chapter, 0) + 1
                number = f"{chapter}.{counts[chapter]}" if chapter else str(counts[chapter])
                targets[label] = Target(number, source.page, cell)
        return targets

    def target(self, kind: str, label: str) -> Target:
        """The thing of the kind with this label."""
        if label not in self.targets[kind]:
            raise BookError(f"no page of the book has {label!r} among its {kind}")
        return self.targets[kind][label]

    def leads(self, address: str) -> bool:
        """Whether an address in an output leads to a page and a place that the book has.

        Addresses of other sites are not asked for.
        """
        for start, end, mark in (
            (self.book.colab, ".ipynb", "scrollTo="),
            (self.book.site, ".html", ""),
        ):
            path, _, anchor = address.partition("#")
            if path.startswith(start) and path != start:
                name = path.removeprefix(start).removesuffix(end)
                known = [page.name for page in self.book.pages]
                return (
                    path.endswith(end)
                    and name in known
                    and (not anchor or anchor.removeprefix(mark) in self._anchors(name, end))
                )
        return True

    def _anchors(self, name: str, end: str) -> set[str]:
        """The places of a page, on Colab (``.ipynb``) or on the site."""
        headings = self.pages[name].headings
        if end == ".ipynb":
            return {heading.cell for heading in headings}
        return {docutils_nodes.make_id(plain_title(heading.text)) for heading in headings}

    def page_link(self, name: str, anchor: str) -> str:
        """Where a link to a page leads from Colab: chapters to Colab, other pages to the site."""
        listed = [page for page in self.book.pages if page.name == name]
        if not listed:
            raise BookError(f"{name}.md is no page of the book (_toc.yml)")
        heading = self._heading(name, anchor) if anchor else None
        if listed[0].is_chapter:
            end = f"#scrollTo={heading.cell}" if heading else ""
            return f"{self.book.colab}{name}.ipynb{end}"
        end = f"#{docutils_nodes.make_id(plain_title(heading.text))}" if heading else ""
        return f"{self.book.site}{name}.html{end}"

    def _heading(self, name: str, anchor: str) -> Heading:
        """The heading of a page that the anchor leads to."""
        source = self.pages.get(name)
        if source is None:
            raise BookError(f"{name}.md does not exist, so #{anchor} leads nowhere")
        found = [heading for heading in source.headings if heading.slug == anchor]
        if not found:
            slugs = ", ".join(f"#{heading.slug}" for heading in source.headings)
            raise BookError(f"{name}.md has no heading with the anchor #{anchor}, only {slugs}")
        return found[0]

    @functools.cached_property
    def terms(self) -> dict[str, str]:
        """The glossary's terms, lower case, with their anchors on the site."""
        path = self.book.root / f"{GLOSSARY}.md"
        if not path.exists():
            return {}
        text = path.read_text(encoding="utf-8")
        pattern = r"^(:{3,}|`{3,})\{glossary\}[^\n]*\n(.*?)^\1[ \t]*$"
        bodies = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
        lines = [line for _, body in bodies for line in body.splitlines()]
        names = [line.strip() for line in lines if re.match(r"[^\s:.]", line)]
        return {name.lower(): _make_id(f"term-{name}") for name in names}

    def term_link(self, term: str) -> str:
        """The glossary's entry on the site."""
        if term.lower() not in self.terms:
            raise BookError(f"{term!r} is not in {GLOSSARY}.md: add the term or mend its spelling")
        return f"{self.book.site}{GLOSSARY}.html#{self.terms[term.lower()]}"
