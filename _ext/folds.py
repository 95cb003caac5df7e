"""Sphinx extension: what is folded opens without scripts.

A box of the class `dropdown` (the solutions of exercises) becomes a `details` element with its
title as the summary. The title of a folded cell, which myst-nb writes twice, is written once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

CELL_SUMMARY = re.compile(
    r'<summary aria-label="Toggle hidden content">\s*<p class="collapsed[^>]*>(.*?)</p>\s*'
    r"<p class=\"expanded.*?</p>\s*</summary>",
    re.DOTALL,
)


class fold(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """A box that the reader opens."""


class fold_title(nodes.Part, nodes.TextElement):  # noqa: N801
    """What stands on the closed box."""


class FoldDropdowns(SphinxPostTransform):
    """Make folds of the boxes that ask for it, when their titles are known."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Replace the boxes."""
        for box in list(self.document.findall(nodes.Admonition)):
            if "dropdown" not in box.get("classes", []):
                continue
            title, *content = box.children
            if len(content) == 1 and isinstance(content[0], nodes.section):
                content = content[0].children  # a solution's section has no heading, and no own id
            classes = ["admonition", *(name for name in box["classes"] if name != "dropdown")]
            summary = fold_title("", title.astext())  # a link in a summary could not be reached
            box.replace_self(fold("", summary, *content, ids=box["ids"], classes=classes))


def visit_fold(translator: HTML5Translator, node: fold) -> None:
    """Open the box."""
    translator.body.append(translator.starttag(node, "details"))


def depart_fold(translator: HTML5Translator, _node: fold) -> None:
    """Close the box."""
    translator.body.append("</details>\n")


def visit_title(translator: HTML5Translator, node: fold_title) -> None:
    """Begin the summary."""
    translator.body.append(translator.starttag(node, "summary", "", CLASS="admonition-title"))


def depart_title(translator: HTML5Translator, _node: fold_title) -> None:
    """End the summary."""
    translator.body.append("</summary>\n")


def write_titles_once(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Let a folded cell's summary hold its title, once, as text of the line."""
    if "body" in context:
        context["body"] = CELL_SUMMARY.sub(
            r'<summary class="admonition-title">\1</summary>', context["body"]
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_node(fold, html=(visit_fold, depart_fold))
    app.add_node(fold_title, html=(visit_title, depart_title))
    app.add_post_transform(FoldDropdowns)
    app.connect("html-page-context", write_titles_once)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
