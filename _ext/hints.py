"""Sphinx extension: what a word of the glossary means, on the link to it.

Each link to a term carries the first sentence of its definition; _static/hints.js shows it, and the
formula behind the number of an equation, when the pointer or the keyboard comes to the link.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TERM = re.compile(r'<a class="reference internal" href="([^"]*)#(term-[^"]*)"')
SENTENCE_END = re.compile(
    r"(?<=[.!?]) (?=[A-Z\N{GREEK SMALL LETTER ALPHA}-\N{GREEK SMALL LETTER OMEGA}])"
)


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, on one line."""
    return SENTENCE_END.split(" ".join(text.split()), maxsplit=1)[0]


def definitions(doctree: nodes.document) -> dict[str, str]:
    """Anchor of each term of a page's glossaries ↦ the first sentence of what it means."""
    found = {}
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            meaning = first_sentence(item.next_node(nodes.definition).astext())
            for term in item.findall(nodes.term):
                found.update(dict.fromkeys(term["ids"], meaning))
    return found


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the definitions of a page that has a glossary."""
    kept: dict[str, str] = getattr(app.env, "meanings", {})
    app.env.meanings = {**kept, **definitions(doctree)}  # type: ignore[attr-defined]


def add_hints(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Let the links to terms carry what the terms mean."""
    meanings: dict[str, str] = getattr(app.env, "meanings", {})

    def hint(link: re.Match[str]) -> str:
        meaning = meanings.get(link[2])
        return f'{link[0]} data-hint="{html.escape(meaning)}"' if meaning else link[0]

    if "body" in context:
        context["body"] = TERM.sub(hint, context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-read", collect)
    app.connect("html-page-context", add_hints)
    app.add_js_file("hints.js", loading_method="defer")
    return {"parallel_read_safe": False, "parallel_write_safe": True}
