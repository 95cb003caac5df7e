"""Sphinx extension: `:::{play} network`, `kl` or `weight`: what readers can move on the page.

The HTML is made when the book is built, by the same JavaScript that moves it in the browser, run in
V8: readers without scripts, printers and screen readers find a picture and a table there. Scripts
and styles (`_static/play/`) come only with the pages that hold such a thing.
"""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import directives
from py_mini_racer import MiniRacer
from sphinx.util.docutils import SphinxDirective

from tools.colab.markdown import PLAYS

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "_static" / "play"
MOUNTED = re.compile(r'data-play="(\w+)"')


def scripts(kind: str) -> list[str]:
    """Names of the scripts that a play needs, in their order."""
    return ["engine.js", "draw.js", f"{kind}.js"]


def render(kind: str) -> str:
    """Return the HTML of a play, with its still picture."""
    with MiniRacer() as v8:
        for name in scripts(kind):
            v8.eval((FOLDER / name).read_text(encoding="utf-8"))
        return str(v8.eval(f"BookPlay.{kind}.render()"))


class Play(SphinxDirective):
    """Something to move: its argument says what."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Put the HTML on the page, and read the page again when a script changes."""
        kind = directives.choice(self.arguments[0], tuple(PLAYS))
        for name in scripts(kind):
            self.env.note_dependency(str(FOLDER / name))
        return [nodes.raw("", render(kind), format="html")]


def leave_out(_app: Sphinx, config: Config) -> None:
    """Keep the plays' files off all other pages: jupyter-book names what it finds in `_static`."""
    for files in ("html_js_files", "html_css_files"):
        kept = [file for file in config[files] if not str(file).startswith("play/")]
        config[files] = kept


def add_files(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Add scripts and styles to a page that holds a play."""
    kinds = MOUNTED.findall(context.get("body", ""))
    for name in dict.fromkeys(name for kind in kinds for name in scripts(kind)):
        app.add_js_file(f"play/{name}", loading_method="defer")
    if kinds:
        app.add_css_file("play/play.css")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_directive("play", Play)
    app.connect("config-inited", leave_out, priority=100)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
