"""Sphinx extension: the site's own address leads to the first page, a page's earlier ones to it.

A page that leads on is whole: it has a title, a language, and a link for whom it does not lead.
Earlier addresses stand in the sources (`% once: old-name.html`, _ext/section_notes.py).
"""

from __future__ import annotations

import html
import pathlib
from typing import TYPE_CHECKING

from tools.book.settings import read_book

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={first}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="canonical" href="{site}{first}">
<title>{title}</title>
<script>location.replace("{first}" + location.hash)</script>
</head>
<body><p><a href="{first}">{title}</a></p></body>
</html>
"""


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the page that leads on, in place of the bare one of sphinx-external-toc."""
    if error is not None or app.builder.format != "html":
        return
    book = read_book(pathlib.Path(app.srcdir))
    first = f"{app.config.root_doc}.html"
    title = html.escape(book.config["title"])
    index = pathlib.Path(app.outdir) / "index.html"
    if first != index.name:
        index.write_text(PAGE.format(first=first, site=book.site, title=title), encoding="utf-8")
    for name, earlier in getattr(app.env, "earlier_pages", {}).items():
        page = pathlib.PurePosixPath(f"{name}.html")
        site = f"{book.site}{page.parent}/"
        for old in earlier:
            text = PAGE.format(first=page.name, site=site, title=title)
            (pathlib.Path(app.outdir) / page.parent / old).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension, after the one that writes the bare page."""
    app.connect("build-finished", write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
