"""Sphinx extension: a folded code cell shows its :title: on the fold, as it does on Colab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def name_folds(_: Sphinx, doctree: nodes.document) -> None:
    """Put each cell's title where myst-nb puts "Show code cell source"."""
    for cell in doctree.findall(nodes.container):
        title = (cell.get("cell_metadata") or {}).get("title")
        if title and cell.get("hide_mode"):
            cell["prompt_show"] = cell["prompt_hide"] = str(title)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-read", name_folds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
