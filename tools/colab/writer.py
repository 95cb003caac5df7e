"""Write the notebook of one chapter: its code cells, its Markdown as Colab shows it, its folds."""

from __future__ import annotations

import re
from typing import Any

import nbformat

from tools.book.page_source import Cell, PageSource, cell_id
from tools.book.references import References
from tools.book.root import BookError
from tools.book.syntax import DIRECTIVE, FENCE, HEADING, outside_code, outside_fences
from tools.colab.code import CodeLinkError, translate_links
from tools.colab.markdown import Directive, Translator
from tools.colab.set_up_cell import CELL_ID, TITLE, set_up_code

FOLDED = {"hide-input", "remove-input"}  # on Colab: a form, of which the title is seen
TAGS = {*FOLDED, "hide-output"}
FIRST_RUN = (
    "Before the first cell runs, Colab says that this notebook was not authored by Google, as it "
    "does of every notebook from GitHub: choose *Run anyway*. To keep a copy with changes of your "
    "own, choose *File → Save a copy in Drive*."
)
CHECK = re.compile(r"^(?:check\w*\(|assert\b)", re.MULTILINE)
GENERATOR = "python -m tools notebooks"


class NotebookWriter:
    """Build the notebook of one chapter cell by cell."""

    def __init__(self, source: PageSource, references: References) -> None:
        self.source = source
        self.references = references
        self.translator = Translator(source, references)
        self.headings = iter(source.headings)
        self.ids = {CELL_ID, *(heading.cell for heading in source.headings)}
        self.section = source.headings[0].cell if source.headings else "top"
        self.cells: list[nbformat.NotebookNode] = []
        self.collapsed: list[str] = []
        self.exercise = False  # whether an exercise waits for its solution
        self.solution = ""  # label of the exercise whose solution is open
        self.hidden = False  # whether a collapsed section would swallow what follows

    def write(self) -> str:
        """Return the notebook as text."""
        self._refuse_breaks()
        for cell in self.source.cells:
            if cell.kind == "code":
                self._code(cell)
            elif cell.kind == "markdown" and not cell.metadata:
                self._markdown(cell)
            else:
                message = f"a cell of kind {cell.kind} with {cell.metadata} is not known"
                raise self.translator.refuse(cell.line, message)
        if self.solution:
            raise self._at_end(f"nothing ends the solution of {self.solution}: {{solution-end}}")
        notebook = nbformat.v4.new_notebook(cells=self.cells, metadata=self._metadata())
        nbformat.validate(notebook)
        return nbformat.writes(notebook) + "\n"

    def _refuse_breaks(self) -> None:
        """Refuse block breaks: the reader drops them, and with them whatever they say."""
        text = self.source.path.read_text(encoding="utf-8")
        for number, line in outside_code(text):
            if re.match(r"[ ]{0,3}\+\+\+", line):
                raise self.translator.refuse(number + 1, "a block break +++ is not known here")

    def _at_end(self, message: str) -> BookError:
        return self.translator.refuse(self.source.cells[-1].line, message)

    def _metadata(self) -> dict[str, Any]:
        """What the notebook says of itself: its kernel, where it is from, what Colab folds."""
        if "kernelspec" not in self.source.metadata:
            raise self.translator.refuse(1, "the front matter names no kernelspec")
        colab: dict[str, Any] = {"provenance": [], "toc_visible": True}
        if self.collapsed:
            colab["collapsed_sections"] = self.collapsed
        return {
            "colab": colab,
            "generated_from": f"{self.source.page.name}.md by {GENERATOR}; do not edit",
            "kernelspec": self.source.metadata["kernelspec"],
        }

    def _code(self, cell: Cell) -> None:
        """Take over a code cell, folded as on the site; a figure's caption follows it."""
        figure, title = self._figure(cell), self._title(cell)
        if self.hidden and not self.solution:
            raise self.translator.refuse(cell.line, self._swallowed())
        if not any(made.cell_type == "code" for made in self.cells):
            self._append_code(set_up_code(self.references.book), TITLE, CELL_ID)
        name = cell_id(f"{self.section}_code", self.ids)
        self._append_code(self._with_addresses(cell), title, name)
        if figure:
            target = self.references.target("figures", figure["name"])
            caption = self.translator.translate(figure["caption"].strip(), cell.line)
            self._append(f"**Fig. {target.number}.** {caption}")

    def _append_code(self, code: str, title: str, name: str) -> None:
        """Add a code cell; with a title it is folded, in what Colab calls a form."""
        source = f"# @title {title}\n{code}" if title else code
        metadata = {"cellView": "form"} if title else {}
        self.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata, id=name))

    def _title(self, cell: Cell) -> str:
        """The title of a folded cell, "" for an open one; refuses what would show an answer."""
        title = str(cell.metadata.get("title", "")).strip()
        folded = FOLDED & set(cell.metadata.get("tags", []))
        if folded and not title:
            message = "a folded cell needs a :title: that says what is inside"
            raise self.translator.refuse(cell.line, message)
        if title and not folded:
            message = "a :title: stands on cells with hide-input or remove-input only"
            raise self.translator.refuse(cell.line, message)
        if self.exercise and not folded and CHECK.search(cell.source):
            message = "a check shows what is expected: fold it with :tags: [hide-input]"
            raise self.translator.refuse(cell.line, message)
        return title

    def _with_addresses(self, cell: Cell) -> str:
        """The code with whole addresses in the links of its sentences."""

        def address(target: str, line: int) -> str:
            return self.translator.address(target, cell.line + line)

        try:
            return translate_links(cell.source, address)
        except CodeLinkError as error:
            raise self.translator.refuse(cell.line + error.line, str(error)) from error

    def _figure(self, cell: Cell) -> dict[str, Any]:
        """The figure of a code cell, if it makes one; refuses metadata that is not known."""
        rest = {key: value for key, value in cell.metadata.items() if key != "title"}
        tags = set(rest.pop("tags", []))
        shown = dict(rest.pop("mystnb", {}))
        figure = shown.pop("figure", {})
        unknown = [*rest, *shown, *sorted(tags - TAGS), *sorted(set(figure) - {"name", "caption"})]
        if unknown:
            raise self.translator.refuse(cell.line, f"the cell's {unknown[0]!r} is not known")
        if figure and set(figure) != {"name", "caption"}:
            raise self.translator.refuse(cell.line, "a figure needs both a name and a caption")
        return figure

    def _append(self, text: str, name: str = "") -> None:
        """Add a Markdown cell; its id stands in the metadata too, where Colab looks for it."""
        if text:
            name = name or cell_id(f"{self.section}_text", self.ids)
            cell = nbformat.v4.new_markdown_cell(text, metadata={"id": name}, id=name)
            self.cells.append(cell)

    def _markdown(self, cell: Cell) -> None:
        """Cut a Markdown cell at headings and solutions, and translate each piece."""
        lines = cell.source.splitlines()
        starts = sorted({0, *self._cuts(cell.source)})
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            self._piece(lines[start:end], cell.line + start)

    @staticmethod
    def _cuts(source: str) -> list[int]:
        """The lines at which a new cell begins."""
        cuts = [number for number, line in outside_fences(source) if HEADING.match(line)]
        for number, line in enumerate(source.splitlines()):
            fence = FENCE.match(line)
            if fence and re.match(r"\s*\{solution-(start|end)\}", fence["info"]):
                cuts.append(number)
        return cuts

    def _piece(self, lines: list[str], line: int) -> None:
        """Add one piece: a section's beginning, a solution's border, or plain text."""
        fence = FENCE.match(lines[0])
        directive = DIRECTIVE.match(fence["info"].strip()) if fence else None
        if directive and directive["name"].startswith("solution-"):
            taken, end = self.translator.take_directive(lines, 0, line)
            self._solution(taken)
            self._text(lines[end:], line + end)
        elif HEADING.match(lines[0]):
            self._section(lines, line)
        else:
            self._text(lines, line)

    def _text(self, lines: list[str], line: int) -> None:
        text = self.translator.translate("\n".join(lines), line)
        self.exercise = self.exercise or any("{exercise}" in text for text in lines)
        if text and self.hidden and not self.solution:
            raise self.translator.refuse(line, self._swallowed())
        self._append(text)

    @staticmethod
    def _swallowed() -> str:
        return "what follows a solution without a heading would be folded away with it on Colab"

    def _section(self, lines: list[str], line: int) -> None:
        """Begin a section: its heading's anchor is the cell's id."""
        heading = next(self.headings)
        if self.solution and heading.level <= 4:
            raise self.translator.refuse(line, "a heading within a solution would cut it on Colab")
        self.hidden = self.hidden and bool(self.solution)
        self.exercise = any("{exercise}" in text for text in lines)
        first = not self.cells
        self.section = heading.cell
        text = self.translator.translate("\n".join(lines), line)
        if first:
            title, _, rest = text.partition("\n")
            text = f"{title}\n\n{self._origin()}\n{rest}".rstrip()
        self._append(text, heading.cell)

    def _origin(self) -> str:
        """The lines under the title: where the notebook is from; on the first, how to run it.

        Colab asks a question before it runs a notebook that it does not know.
        """
        book = self.references.book
        page = f"{book.site}{self.source.page.name}.html"
        origin = f"*This notebook is generated from the book: [read this page there]({page}).*"
        if self.source.page != book.pages[0]:
            return origin
        return f"{origin}\n\n{FIRST_RUN}"

    def _solution(self, directive: Directive) -> None:
        """Open or close a solution: on Colab a section that is folded at first."""
        self.translator.allow_options(directive, {"class", "label"})
        if directive.name == "solution-end":
            if not self.solution:
                message = "{solution-end} without {solution-start}"
                raise self.translator.refuse(directive.line, message)
            self.solution = ""
            return
        if self.solution:
            raise self.translator.refuse(directive.line, "a solution within a solution")
        if directive.argument not in self.source.labels.exercises:
            message = f"this page has no exercise with the label {directive.argument!r}"
            raise self.translator.refuse(directive.line, message)
        self.solution, self.hidden, self.exercise = directive.argument, True, False
        name = cell_id(f"solution-{directive.argument}", self.ids)
        self.collapsed.append(name)
        body = self.translator.translate("\n".join(directive.body), directive.body_line)
        self._append(f"#### Solution\n\n{body}".strip(), name)
