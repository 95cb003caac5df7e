"""Sphinx extension: formulas become MathML when the book is built.

KaTeX turns TeX into MathML, in a JavaScript engine that pip installs; browsers draw MathML without
scripts, screen readers read it, and it prints. Three things that KaTeX leaves
to old browsers are done here: letters of another alphabet become those letters (browsers no longer
heed `mathvariant`), the space around log, min and other functions, and the columns of aligned
equations. The font is a part of STIX Two Math that
holds the characters of formulas.
"""

from __future__ import annotations

import functools
import html
import importlib.util
import io
import pathlib
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from tools.colab.markdown import needs_alignment

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)
MATHML = "http://www.w3.org/1998/Math/MathML"
RENDER = """(tex, display) => katex.renderToString(
  tex, {displayMode: display, output: "mathml", throwOnError: true, strict: "error"})"""
ALPHABETS = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT"}
APPLY = "\N{FUNCTION APPLICATION}"
THIN = "0.1667em"
FONT = "book-math.woff2"
FORMULA = re.compile(r"<math\b.*?</math>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def installed(module: str) -> pathlib.Path:
    """Return the folder of an installed module, without importing it."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ImportError(f"{module} is not installed; requirements.txt names its package")
    return pathlib.Path(found.origin).parent


class Renderer:
    """KaTeX, loaded once."""

    def __init__(self) -> None:
        folder = installed("sphinxcontrib.katex")
        self.engine = MiniRacer()
        source = folder / "katex.min.js"
        self.engine.eval(source.read_text(encoding="utf-8"))
        self.engine.eval(f"render = {RENDER}")

    def mathml(self, tex: str, *, display: bool) -> str:
        """Return a formula as MathML; raises JSEvalException where KaTeX refuses the TeX."""
        return finish(str(self.engine.call("render", tex, display)))

    def close(self) -> None:
        """Stop the engine, whose threads would otherwise keep Python from ending."""
        self.engine.close()


@functools.cache
def letter(character: str, alphabet: str) -> str:
    """Return a letter in one of Unicode's mathematical alphabets: E, double-struck ↦ 𝔼."""
    kind = "CAPITAL" if character.isupper() else "SMALL"
    name = f"{ALPHABETS[alphabet]} {kind} {character.upper()}"
    for full in (f"MATHEMATICAL {name}", name):
        try:
            return unicodedata.lookup(full)
        except KeyError:
            continue
    raise ValueError(f"no {alphabet} {character}")


def is_opening(element: ET.Element | None) -> bool:
    """Whether an element opens a bracket."""
    return element is not None and element.tag.endswith("mo") and (element.text or "") in "([{|"


def is_operator(element: ET.Element) -> bool:
    """Whether an element is an operator that brings its own space, or an opening bracket."""
    return element.tag.endswith(("mo", "mspace")) and (element.text or "") not in ")]}!"


def is_function(element: ET.Element) -> bool:
    """Whether an element ends in a function's name: log, or min with what it stands over."""
    while len(element):
        element = element[0] if element.tag.endswith(("sub", "under")) else element[-1]
    return element.text == APPLY


def space_functions(row: ET.Element) -> None:
    """Put TeX's thin space around the names of functions in a row."""
    children = list(row)
    for at, child in enumerate(children):
        if not is_function(child) or child.tag.endswith("mrow"):
            continue
        behind = children[at + 1] if at + 1 < len(children) else None
        if behind is not None and not is_opening(behind):
            row.insert(list(row).index(child) + 1, thin_space())
        name = at - 1 if child.text == APPLY else at
        if name >= 1 and not is_operator(children[name - 1]):
            row.insert(list(row).index(children[name]), thin_space())


def align_columns(table: ET.Element) -> None:
    """Say a table's alignment in the style: browsers no longer heed `columnalign`."""
    sides = (table.attrib.pop("columnalign", "") or "").split()
    table.attrib.pop("columnspacing", None)
    table.attrib.pop("rowspacing", None)
    for row in table:
        for at, (cell, side) in enumerate(zip(row, sides, strict=False)):
            gap = "1.5em" if at and side == "right" else "0"
            cell.set("style", f"text-align: {side}; padding-inline: {gap} 0")


def thin_space() -> ET.Element:
    """Return an element that is nothing but a thin space."""
    return ET.Element(f"{{{MATHML}}}mspace", width=THIN)


def finish(katex: str) -> str:
    """Take the formula out of what KaTeX wraps around it, and finish it for today's browsers."""
    root = ET.fromstring(katex)
    math = root.find(f"{{{MATHML}}}math")
    assert math is not None, "KaTeX writes one formula"
    row = math[0][0]  # math, semantics, and the row in it beside the TeX
    for part in math.iter():
        alphabet = part.get("mathvariant")
        if alphabet in ALPHABETS:
            part.text = "".join(letter(character, alphabet) for character in part.text or "")
            del part.attrib["mathvariant"]
    for part in list(row.iter()):
        space_functions(part)
        if part.tag.endswith("mtable"):
            align_columns(part)
    math[:] = [row]
    ET.register_namespace("", MATHML)
    return ET.tostring(math, encoding="unicode")


def write(translator: HTML5Translator, node: nodes.Element, *, display: bool) -> str:
    """Render a node; warn, with its place, where KaTeX refuses it."""
    tex = needs_alignment(node.astext()) if display else node.astext()
    try:
        return renderer_of(translator.builder.app).mathml(tex, display=display)
    except JSEvalException as error:
        LOGGER.warning("KaTeX refuses %r: %s", tex, str(error).split("\n")[0], location=node)
        return f"<code>{translator.encode(tex)}</code>"


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line."""
    translator.body.append(write(translator, node, display=False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number where it has one."""
    wrapped = isinstance(node.parent, nodes.container) and set(node["ids"]) <= set(
        node.parent["ids"]
    )
    ids = [] if wrapped else node["ids"]
    translator.body.append(translator.starttag({}, "div", CLASS="math", ids=ids))
    translator.body.append(write(translator, node, display=True))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def characters(pages: Iterable[pathlib.Path]) -> set[str]:
    """Return the characters of the formulas of pages, each letter also as browsers slant it."""
    texts = (path.read_text(encoding="utf-8") for path in pages)
    formulas = (formula for text in texts for formula in FORMULA.findall(text))
    used = {c for formula in formulas for c in html.unescape(TAG.sub("", formula))}
    return used | {slanted(character) for character in used}


def slanted(character: str) -> str:
    """Return the mathematical italic of a letter; other characters as they are."""
    name = unicodedata.name(character, "")
    found = re.fullmatch(r"(?:LATIN|GREEK) (SMALL|CAPITAL) LETTER (\w+)", name)
    try:
        return unicodedata.lookup(f"MATHEMATICAL ITALIC {found[1]} {found[2]}" if found else name)
    except KeyError:  # the italic h is Planck's constant
        return "\N{PLANCK CONSTANT}" if character == "h" else character


def font(used: Iterable[str]) -> bytes:
    """Return the part of STIX Two Math that holds the given characters, compressed."""
    whole = TTFont(installed("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf")
    options = subset.Options(layout_features=["ssty", "kern"], hinting=False, flavor="woff2")
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(used))
    subsetter.subset(whole)
    whole.flavor = "woff2"
    compressed = io.BytesIO()
    whole.save(compressed)
    return compressed.getvalue()


def renderer_of(app: Any) -> Renderer:
    """Return the build's renderer; it starts with the first formula, while the build must end."""
    if not hasattr(app, "formulas"):
        app.formulas = Renderer()
    renderer: Renderer = app.formulas
    return renderer


def end(app: Any, _error: Exception | None) -> None:
    """Write the font, and stop the engine."""
    if hasattr(app, "formulas"):
        app.formulas.close()
    outdir = pathlib.Path(app.outdir)
    if (outdir / "_static").exists():
        (outdir / "_static" / FONT).write_bytes(font(characters(outdir.rglob("*.html"))))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("build-finished", end)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
