"""Read a page: its cells, headings, equations, figures and exercises, with the lines they stand on.

Chapters are read with myst-nb's own reader. It is the one that Sphinx uses, so that the code cells
of the generated notebook are those of the site to the byte (their hash is the key of the outputs),
and it tells each cell's line, which error messages need.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any

import nbformat
from myst_nb.core.read import MystMetadataParsingError, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from myst_parser.mdit_to_docutils.base import default_slugify

from tools.book.root import BookError
from tools.book.settings import Book, Page
from tools.book.syntax import (
    DIRECTIVE,
    EQUATION_LABEL,
    EXTENSIONS,
    FENCE,
    HEADING,
    OPTION,
    outside_code,
    outside_fences,
    plain_title,
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a page; `line` is the line of its first source line (from 1)."""

    kind: str
    source: str
    metadata: dict[str, Any]
    line: int


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading: `slug` is its anchor in MyST links, `cell` the id of its notebook cell."""

    level: int
    text: str
    slug: str
    cell: str


@dataclasses.dataclass
class Labels:
    """What a page numbers, in order: label to the id of the notebook cell that shows it."""

    equations: dict[str, str] = dataclasses.field(default_factory=dict)
    figures: dict[str, str] = dataclasses.field(default_factory=dict)
    exercises: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class PageSource:
    """Everything that is read from one page's file."""

    page: Page
    path: pathlib.Path
    metadata: dict[str, Any]
    cells: list[Cell]
    headings: list[Heading]
    labels: Labels


def read_notebook(book: Book, path: pathlib.Path) -> nbformat.NotebookNode:
    """Read a chapter just as Sphinx does."""
    text = path.read_text(encoding="utf-8")
    config = MdParserConfig(enable_extensions=EXTENSIONS)
    try:
        return read_myst_markdown_notebook(text, config, add_source_map=True, path=path)
    except MystMetadataParsingError as error:
        raise BookError(f"{path.relative_to(book.root)}: {error}") from error


def read_cells(book: Book, path: pathlib.Path) -> tuple[dict[str, Any], list[Cell]]:
    """Read a chapter's front matter and cells with their lines."""
    text = path.read_text(encoding="utf-8")
    notebook = read_notebook(book, path)
    lines = notebook.metadata.pop("source_map")
    cells = []
    for cell, line in zip(notebook.cells, lines, strict=True):
        cells.append(Cell(cell.cell_type, cell.source, dict(cell.metadata), _first(text, line)))
    return dict(notebook.metadata), cells


def _first(text: str, line: int) -> int:
    """The number (from 1) of the first line from `line` (from 0) on that is not blank."""
    for number, content in enumerate(text.splitlines()[line:], line + 1):
        if content.strip():
            return number
    return line + 1


def cell_id(text: str, taken: set[str]) -> str:
    """A notebook cell id made of `text` that is not taken yet."""
    base = re.sub(r"[^a-z0-9_-]", "", text.lower())[:48].strip("-_") or "part"
    name, count = base, 2
    while name in taken:
        name, count = f"{base}-{count}", count + 1
    taken.add(name)
    return name


def make_heading(match: re.Match[str], slugs: set[str], ids: set[str]) -> Heading:
    """The heading of a matched line, its anchor counted up as MyST counts it."""
    slug = default_slugify(plain_title(match["text"]))
    count = 1
    while slug in slugs:
        slug, count = f"{slug}-{count}", count + 1
    slugs.add(slug)
    return Heading(len(match["marks"]), match["text"], slug, cell_id(slug, ids))


def exercise_label(lines: list[str]) -> str:
    """The label of the numbered exercise that begins with the first line, or nothing."""
    fence = FENCE.match(lines[0])
    directive = DIRECTIVE.match(fence["info"].strip()) if fence else None
    if not directive or directive["name"] != "exercise":
        return ""
    options: dict[str, str] = {}
    for line in lines[1:]:
        option = OPTION.match(line.strip())
        if not option:
            break
        options[option["key"]] = option["value"].strip()
    return "" if "nonumber" in options else options.get("label", "")


class Scanner:
    """Collect headings and labels of a page cell by cell."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.headings: list[Heading] = []
        self.labels = Labels()
        self.slugs: set[str] = set()
        self.ids: set[str] = set()

    def note(self, labels: dict[str, str], label: str) -> None:
        """Keep a label with the notebook cell of the section that it stands in."""
        if label in labels:
            raise BookError(f"{self.name}.md: the label {label!r} is given twice")
        labels[label] = self.headings[-1].cell if self.headings else ""

    def scan(self, cell: Cell) -> None:
        """Take up what one cell numbers."""
        if cell.kind == "code":
            figure = (cell.metadata.get("mystnb") or {}).get("figure") or {}
            if "name" in figure:
                self.note(self.labels.figures, figure["name"])
            return
        lines = list(outside_code(cell.source))
        top = {number for number, _ in outside_fences(cell.source)}
        for at, (number, line) in enumerate(lines):
            heading = HEADING.match(line)
            if heading and number in top:
                self.headings.append(make_heading(heading, self.slugs, self.ids))
            if equation := EQUATION_LABEL.search(line):
                self.note(self.labels.equations, equation["label"])
            if exercise := exercise_label([text for _, text in lines[at:]]):
                self.note(self.labels.exercises, exercise)


def read_page(book: Book, page: Page) -> PageSource:
    """Read one page of the book."""
    path = book.root / f"{page.name}.md"
    if page.is_chapter:
        metadata, cells = read_cells(book, path)
    else:
        metadata, cells = {}, [Cell("markdown", path.read_text(encoding="utf-8"), {}, 1)]
    scanner = Scanner(page.name)
    for cell in cells:
        scanner.scan(cell)
    return PageSource(page, path, metadata, cells, scanner.headings, scanner.labels)
