"""Sphinx extension: what stands in the head of every page, and which scripts and styles it loads.

The description is the question that the page opens with (or its first sentence), the canonical
address follows from `repository.url`. jupyter-book adds scripts and styles for live code, comments,
another theme and another search; a page of this book loads only what it uses.
"""

from __future__ import annotations

import html
import pathlib
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from docutils import nodes

from tools.book.settings import read_book

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

UNUSED = re.compile(
    r"thebe|sphinx-comments|sphinx-book-theme|togglebutton|design-tabs|doctools|sphinx_highlight"
    r"|searchtools|language_data|debug\.css|skeleton\.css|furo-extensions"
)
# Only on pages in whose body the pattern is found.
NEEDED_BY = {
    "sphinx-design": 'class="sd-',
    "copybutton": "<pre",
    "clipboard": "<pre",
    "mystnb": 'class="cell',
    "exercise.css": "exercise",
}
# The font of formulas comes with the first bytes, so that no line moves later; a page that is
# opened as a file may not ask for it so early, nor needs to.
FONT = """<script>
      if (location.protocol !== "file:") {{
        const font = {{rel: "preload", as: "font", crossOrigin: "", href: "{address}"}};
        document.head.append(Object.assign(document.createElement("link"), font));
      }}
    </script>"""
VIEWPORT = re.compile(r'\s*<meta[^>]*name="viewport"[^>]*>')
LONGEST = 200


def set_base(app: Sphinx, config: Config) -> None:
    """Let all addresses follow from the repository's; name the site on its cards."""
    book = read_book(pathlib.Path(app.srcdir))
    config.html_baseurl = config.ogp_site_url = book.site
    config.ogp_site_name = book.config["title"]
    config.notfound_urls_prefix = urllib.parse.urlparse(book.site).path


def set_dark_code(app: Sphinx) -> None:
    """Name the colours of code in the dark: the theme knows the setting only once it is loaded."""
    app.config.pygments_dark_style = "a11y-high-contrast-dark"


def description(doctree: nodes.document) -> str:
    """Return the page's opening question, or else its first paragraph, in one line."""
    places = [*doctree.findall(nodes.block_quote), *doctree.findall(nodes.paragraph)]
    text = " ".join(places[0].astext().split()) if places else ""
    return text if len(text) <= LONGEST else text[: LONGEST - 2].rsplit(" ", 1)[0] + " …"


def is_used(file: Any, body: str) -> bool:
    """Whether a page with this body uses a script or style."""
    attributes = getattr(file, "attributes", {})
    name = f"{getattr(file, 'filename', file)} {attributes.get('body')}"
    if UNUSED.search(name):
        return False
    return all(mark in body for part, mark in NEEDED_BY.items() if part in name)


def complete_head(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Add the description, and leave the unused scripts and styles out."""
    for files in ("script_files", "css_files"):
        kept = [file for file in context[files] if is_used(file, context.get("body", ""))]
        context[files] = list(
            {str(getattr(file, "filename", file)): file for file in kept}.values()
        )
    tags = VIEWPORT.sub("", context.get("metatags", ""))  # the theme writes its own
    text = doctree is not None and description(doctree)
    text = text or f"{context.get('title', 'A page')}: a page of {context['docstitle']}"
    if "<math" in context.get("body", ""):
        tags += FONT.format(address=context["pathto"]("_static/book-math.woff2", 1))
    context["metatags"] = f'{tags}\n    <meta name="description" content="{html.escape(text)}">'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension, after those whose scripts it leaves out."""
    app.connect("config-inited", set_base, priority=100)
    app.connect("builder-inited", set_dark_code, priority=100)
    app.connect("html-page-context", complete_head, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
