"""Sphinx extension: every chapter opens on Colab, as a whole from its top and at each section.

The links at the top of a page come in through the template (`page_tools`); those of the sections
stand behind the headings, next to the link to the section itself.
"""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes as docutils_nodes

from tools.book.page_source import read_page
from tools.book.settings import Book, read_book
from tools.book.syntax import plain_title

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEADER_LINK = re.compile(r'<a class="headerlink" href="#([^"]*)"[^>]*>.*?</a>(?=</h[23]>)')


def cells(book: Book, name: str) -> dict[str, str]:
    """Anchor of a chapter's section on the site ↦ id of its first cell in the notebook."""
    page = next(page for page in book.pages if page.name == name)
    headings = read_page(book, page).headings
    return {docutils_nodes.make_id(plain_title(heading.text)): heading.cell for heading in headings}


def with_section_links(body: str, notebook: str, by_anchor: dict[str, str]) -> str:
    """Put a link to the section's place on Colab behind each heading that has one."""

    def add(link: re.Match[str]) -> str:
        cell = by_anchor.get(link[1])
        if cell is None:
            return link[0]
        address = f"{notebook}#scrollTo={cell}"
        says = 'aria-label="Open this section on Colab" title="Open this section on Colab"'
        return f'{link[0]}<a class="colab-here" href="{address}" {says}>▷</a>'

    return HEADER_LINK.sub(add, body)


def add_links(
    app: Sphinx, name: str, _template: str, context: dict[str, Any], doctree: object
) -> None:
    """Add the links to a page."""
    book = read_book(pathlib.Path(app.srcdir))
    context["issues"] = f"{book.address}/issues"
    if doctree is None or not (book.root / f"{name}.ipynb").exists():
        return
    notebook = f"{book.colab}{name}.ipynb"
    file = context["pathto"](f"_sources/{name}.ipynb", 1)
    context["page_tools"] = [
        {"text": "Open on Colab", "address": notebook},
        {"text": "Download the notebook", "address": file, "download": True},
    ]
    context["body"] = with_section_links(context["body"], notebook, cells(book, name))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
