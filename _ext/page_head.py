"""Sphinx extension: what stands in the head of every page, and marks for screen readers.

The description is the question that the page opens with (or its first sentence), the canonical
address follows from `repository.url`, and the scripts of live code and comments, which jupyter-book
always adds and which name other hosts, are left out: this book uses neither. In the page itself,
lists that Sphinx marks up wrongly become what they are.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes

from tools.book.settings import published_at

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

UNUSED = re.compile(r"thebe|sphinx-comments")
LONGEST = 200
# The theme lets the keyboard reach code that scrolls, but looks for it only when the page's size
# changes: what a reader opens later would be out of reach.
REACH_OPENED_CODE = """document.addEventListener("click", (event) => {
  if (event.target.closest("summary, .admonition.toggle > .admonition-title")) {
    setTimeout(() => window.dispatchEvent(new Event("resize")), 400);
  }
});"""
SIGNATURE = re.compile(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>")


def set_base(_app: Sphinx, config: Config) -> None:
    """Let the canonical addresses follow from the repository's."""
    config.html_baseurl = published_at(config.html_theme_options["repository_url"])


def description(doctree: nodes.document) -> str:
    """Return the page's opening question, or else its first paragraph, in one line."""
    places = [*doctree.findall(nodes.block_quote), *doctree.findall(nodes.paragraph)]
    text = " ".join(places[0].astext().split()) if places else ""
    return text if len(text) <= LONGEST else text[: LONGEST - 2].rsplit(" ", 1)[0] + " …"


def is_unused(script: Any) -> bool:
    """Whether a script belongs to live code or comments."""
    attributes = getattr(script, "attributes", {})
    return (
        UNUSED.search(f"{getattr(script, 'filename', script)} {attributes.get('body')}") is not None
    )


def correct_lists(body: str) -> str:
    """Mark up the bibliography as a list, and a signature's lines as parts of the signature.

    Sphinx gives the entries of the list a role that is none of a list's, and writes a signature of
    several lines as definitions without terms.
    """
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    return SIGNATURE.sub(
        lambda lines: re.sub(
            "<dd>(.*)</dd>", r'<span class="signature-line">\1</span>', lines[1].rstrip()
        ),
        body,
    )


def complete_head(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Add the description, and leave the unused scripts and styles out."""
    for files in ("script_files", "css_files"):
        context[files] = [file for file in context[files] if not is_unused(file)]
    if "body" in context:
        context["body"] = correct_lists(context["body"])
    if doctree is not None:
        text = description(doctree) or f"{context['title']}: a page of {context['docstitle']}"
        tag = f'<meta name="description" content="{html.escape(text)}" />'
        context["metatags"] = f"{context.get('metatags', '')}\n    {tag}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension, after those whose scripts it leaves out."""
    app.connect("config-inited", set_base, priority=900)
    app.connect("html-page-context", complete_head, priority=900)
    app.add_js_file(None, body=REACH_OPENED_CODE)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
