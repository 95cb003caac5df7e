"""Give a page the outputs of its notebook, which was executed in its place.

The notebook has a set-up cell in front, titles on folded cells and whole addresses in its links;
the page has none of the three. Apart from these, page and reader see the same code and the same
outputs.
"""

from __future__ import annotations

import copy
import re

from nbformat import NotebookNode

from tools.colab.code import targets
from tools.colab.set_up_cell import CELL_ID

FORM_TITLE = re.compile(r"\A# @title [^\n]*\n")


def chapter_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells of a notebook that come from its chapter."""
    return [c for c in notebook.cells if c.cell_type == "code" and c.get("id") != CELL_ID]


def page_form(page: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """The page with the outputs of the executed notebook, links as the page writes them."""
    result = copy.deepcopy(page)
    cells = [cell for cell in result.cells if cell.cell_type == "code"]
    for cell, ran in zip(cells, chapter_cells(executed), strict=True):
        code = FORM_TITLE.sub("", ran.source)
        links = dict(zip(targets(code), targets(cell.source), strict=True))
        cell.outputs = [_with_links(output, links) for output in ran.outputs]
        cell.execution_count = ran.execution_count
    return result


def _with_links(output: NotebookNode, links: dict[str, str]) -> NotebookNode:
    """An output with the page's own links in its Markdown."""
    output = copy.deepcopy(output)
    text = output.get("data", {}).get("text/markdown")
    if text is not None:
        for address, link in links.items():
            text = text.replace(f"]({address})", f"]({link})")
        output["data"]["text/markdown"] = text
    return output
