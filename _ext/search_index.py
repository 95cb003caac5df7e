"""Sphinx extension: the book's search, one record per section, in place of Sphinx's own.

_static/search/engine.js cuts words and builds the index, here in V8 as it ranks in the browser. A
section's record holds its heading, the words under which readers look for it (`% asked as:`), its
prose, and its code and outputs.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ENGINE = pathlib.Path(__file__).parents[1] / "_static" / "search" / "engine.js"
SUMMARY = 110
# Answers to questions come a little earlier; lists of names and what ends every chapter, later.
BOOST = {
    "chapters/questions": 1.25,
    "chapters/symptoms": 1.1,
    "chapters/21-error-index": 0.9,
    "chapters/api": 0.5,
    "chapters/glossary": 0.6,
    "chapters/references": 0.3,
    "chapters/symbols": 0.5,
}
LATE_HEADINGS = ("Exercise", "Takeaways", "In one sentence", "Where to go", "Solution")
LATE, PAGE_TOP = 0.5, 0.7


def own_parts(section: nodes.Element) -> Iterator[nodes.Node]:
    """Yield the parts of a section that belong to none of its sections."""
    for child in section.children:
        if not isinstance(child, (nodes.section, nodes.title, nodes.comment)):
            yield child


def prose_and_code(section: nodes.Element) -> tuple[str, str]:
    """Return a section's own prose, and its own code and outputs."""
    prose, code = [], []
    for part in own_parts(section):
        literal = list(part.findall(nodes.literal_block))
        code += [block.astext() for block in literal]
        outputs = isinstance(part, nodes.container) and part.get("nb_element")
        if not isinstance(part, nodes.literal_block) and not outputs:
            prose += [p.astext() for p in part.findall(is_text)]
    return " ".join(" ".join(prose).split()), " ".join(" ".join(code).split())


def is_text(node: nodes.Node) -> bool:
    """Whether a node holds a run of prose."""
    return isinstance(node, (nodes.paragraph, nodes.term, nodes.title, addnodes.desc_signature))


def boost(page: str, heading: str, depth: int, prose: str) -> float:
    """Return by how much a section comes earlier or later than its words alone would have it.

    What ends every chapter comes later, and so does a heading that only groups others.
    """
    late = heading.startswith(LATE_HEADINGS) or not prose
    return BOOST.get(page, 1.0) * (LATE if late else PAGE_TOP if depth == 0 else 1.0)


def records_of(page: str, doctree: nodes.document) -> Iterator[dict[str, Any]]:
    """Yield a record for each section of a page."""
    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title)
        if title is None or not section["ids"]:
            continue
        above: list[str] = []
        parent = section.parent
        while isinstance(parent, nodes.section):
            above.insert(0, parent.next_node(nodes.title).astext())
            parent = parent.parent
        prose, code = prose_and_code(section)
        yield {
            "page": f"{page}.html",
            "anchor": section["ids"][0] if above else "",
            "heading": title.astext(),
            "path": " › ".join(above),
            "asked": section.get("asked", []),
            "text": prose,
            "code": code,
            "summary": prose if len(prose) <= SUMMARY else prose[:SUMMARY].rsplit(" ", 1)[0] + " …",
            "boost": boost(page, title.astext(), len(above), prose),
        }


def build_index(records: list[dict[str, Any]]) -> str:
    """Return the index of records as JSON."""
    with closing(MiniRacer()) as engine:
        engine.eval(ENGINE.read_text(encoding="utf-8"))
        engine.eval("indexed = (text) => JSON.stringify(BookSearch.build(JSON.parse(text)))")
        return str(engine.call("indexed", json.dumps(records)))


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write the index of the whole book."""
    if error is not None or app.builder.format != "html":
        return
    names = sorted(app.env.found_docs)
    records = [record for name in names for record in records_of(name, app.env.get_doctree(name))]
    target = pathlib.Path(app.outdir) / "_static" / "search" / "index.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f"BookSearch.load({build_index(records)});\n", encoding="utf-8")
    for name in ("searchindex.js", "_static/searchtools.js", "_static/language_data.js"):
        (pathlib.Path(app.outdir) / name).unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_js_file("search/search.js", loading_method="defer")
    app.add_js_file("reach.js", loading_method="defer")
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
