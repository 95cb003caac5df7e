"""Sphinx extension: markup that Sphinx or pandas write wrongly becomes what it is.

Each correction is one pattern, with the reason beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SIGNATURE = re.compile(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>")
SCOPED_STYLE = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)
EXERCISE = re.compile(r'<section id="(?:exercise|solution)-content">(.*?)</section>', re.DOTALL)
EMPTY_HEADING = re.compile(r"<th( [^>]*)?>\s*(?:<p>\s*</p>)?\s*</th>")
TABLE = re.compile(r"<table[^>]*>.*?</table>", re.DOTALL)


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


def correct_exercises(body: str) -> str:
    """Make boxes of sphinx-exercise's sections, which have no heading and one id for all."""
    return EXERCISE.sub(r"<div>\1</div>", body)


def correct_table(table: str) -> str:
    """Take obsolete attributes from a table of pandas; an empty corner is no heading."""
    table = EMPTY_HEADING.sub(r"<td\1></td>", table.replace(' border="1"', ""))
    obsolete = r'(<t[rhd][^>]*?) (?:style="text-align: right;"|valign="top"|halign="left")'
    return re.sub(obsolete, r"\1", table)


def correct(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Correct the body of a page."""
    if "body" in context:
        body = correct_exercises(correct_lists(SCOPED_STYLE.sub("", context["body"])))
        context["body"] = TABLE.sub(lambda table: correct_table(table[0]), body)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", correct)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
