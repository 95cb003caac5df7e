"""Sphinx extension: the lines under a heading that name what readers type, and earlier anchors.

`% asked as: words, words` gives the section words for the search (_ext/search_index.py);
`% once: old-anchor` gives it an anchor that links from elsewhere may still use, and under the title
`% once: old-name.html` the page an earlier address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.writers.html5 import HTML5Translator

from tools.book.syntax import SECTION_NOTE

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGE = ".html"


def read_notes(comment: nodes.comment) -> tuple[list[str], list[str]]:
    """Return the words and the earlier anchors that a comment holds."""
    asked, once = [], []
    for line in comment.astext().splitlines():
        note = SECTION_NOTE.match(f"% {line.strip()}")
        if note and note["key"] == "asked as":
            asked += [phrase.strip() for phrase in note["words"].split(",")]
        elif note:
            once.append(note["words"])
    return asked, once


def place_notes(app: Sphinx, doctree: nodes.document) -> None:
    """Keep each section's words with it, and give it its earlier anchors."""
    pages: dict[str, list[str]] = getattr(app.env, "earlier_pages", {})
    earlier: list[str] = []
    taken = {name for node in doctree.findall(nodes.Element) for name in node.get("ids", [])}
    for comment in list(doctree.findall(nodes.comment)):
        section = comment.parent
        asked, once = read_notes(comment)
        if not isinstance(section, nodes.section) or not (asked or once):
            continue
        earlier += [name for name in once if name.endswith(PAGE)]
        anchors = [name for name in once if not name.endswith(PAGE)]
        new = [anchor for anchor in anchors if anchor not in taken]  # or it is a heading of today
        taken.update(new)
        section["asked"] = [*section.get("asked", []), *asked]
        section["once"] = [*section.get("once", []), *new]
        section.remove(comment)
    app.env.earlier_pages = {**pages, app.env.docname: earlier}  # type: ignore[attr-defined]


def visit_section(translator: HTML5Translator, node: nodes.section) -> None:
    """Begin a section; its earlier anchors name the whole of it, as its own does."""
    for anchor in node.get("once", []):
        translator.body.append(f'<section id="{anchor}">\n')
    HTML5Translator.visit_section(translator, node)


def depart_section(translator: HTML5Translator, node: nodes.section) -> None:
    """End a section."""
    HTML5Translator.depart_section(translator, node)
    translator.body.extend("</section>\n" for _ in node.get("once", []))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_node(nodes.section, override=True, html=(visit_section, depart_section))
    app.connect("doctree-read", place_notes, priority=50)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
