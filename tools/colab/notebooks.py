"""Write chapters/NN-*.ipynb from chapters/NN-*.md: python -m tools notebooks [--check].

The .md is the source. The .ipynb is for Colab, which opens nothing else: the same code cells
without outputs, and Markdown that Colab shows as it should. It depends on the chapter,
`_config.yml`, `_toc.yml`, `references.bib` and, for numbers and anchors, on the other pages, byte
for byte.
"""

from __future__ import annotations

import pathlib

from tools.book.references import References
from tools.book.root import BookError
from tools.book.settings import Book
from tools.colab.writer import NotebookWriter
from tools.write_or_check import run_command


def notebook_text(references: References, path: pathlib.Path) -> str:
    """The text of the notebook that belongs to the chapter at `path`."""
    page = references.book.page_at(path)
    return NotebookWriter(references.pages[page.name], references).write()


def step(references: References, path: pathlib.Path, *, check: bool) -> str:
    """Write one notebook, or say that it differs; returns a complaint or nothing."""
    target = path.with_suffix(".ipynb")
    text = notebook_text(references, path)
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return ""
    if check:
        return f"chapters/{target.name} is not what {path.name} gives: run make notebooks"
    target.write_text(text, encoding="utf-8")
    return ""


def generate(book: Book, *, check: bool, paths: list[pathlib.Path] | None = None) -> list[str]:
    """Write (or check) the notebooks of the book; returns all complaints."""
    references = References(book)
    complaints = []
    for path in paths or book.chapters():
        try:
            complaints.append(step(references, path, check=check))
        except BookError as error:
            complaints.append(str(error))
    stems = {path.stem for path in book.chapters()}
    strays = sorted({path.stem for path in (book.root / "chapters").glob("*.ipynb")} - stems)
    complaints += [f"chapters/{stem}.ipynb has no {stem}.md: take it away" for stem in strays]
    return [complaint for complaint in complaints if complaint]


def praise(book: Book) -> str:
    """What to say when all is in order."""
    return f"{len(book.chapters())} notebooks in step with their chapters"


def main(arguments: list[str]) -> int:
    """Run the command."""
    return run_command("notebooks", __doc__, generate, praise, arguments)
