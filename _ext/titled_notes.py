"""Sphinx extension: notes, tips, warnings and important remarks with a title of their own.

docutils takes the words after `:::{note}` as the beginning of the note's text. In this book they
are its title, on the site as on Colab; a note without words there keeps the usual title.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

NODES: dict[str, type[nodes.Element]] = {
    "note": nodes.note,
    "tip": nodes.tip,
    "warning": nodes.warning,
    "important": nodes.important,
}


class TitledNote(SphinxDirective):
    """An admonition whose argument is its title."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: ClassVar = {"class": directives.class_option}

    def run(self) -> list[nodes.Node]:
        """Build the admonition, as docutils does for `{admonition}`."""
        self.assert_has_content()
        note = nodes.admonition(classes=[self.name]) if self.arguments else NODES[self.name]()
        note["classes"] += self.options.get("class", [])
        self.set_source_info(note)
        if self.arguments:
            parts, messages = self.state.inline_text(self.arguments[0], self.lineno)
            note += [nodes.title(self.arguments[0], "", *parts), *messages]
        self.state.nested_parse(self.content, self.content_offset, note)
        return [note]


def setup(app: Sphinx) -> dict[str, bool]:
    """Put the directives in the place of docutils' own."""
    for name in NODES:
        app.add_directive(name, TitledNote, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
