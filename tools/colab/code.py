"""Links in the sentences that code cells say: on Colab they lead to the notebook or the site.

A page resolves `say("see [the ELBO](04-elbo.md)")` when it is built. On Colab the output stands in
a frame of another host, so the notebook's code needs the whole address.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Iterator

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?P<target>[^()\s]*)\)")
# Other ways of writing one, which are neither translated nor checked: with a title, with spaces or
# angle brackets around the target, with brackets in brackets, by reference.
ODD = re.compile(r"\]\(|^ {0,3}\[[^\]\n]+\]:[ \t]*\S|\]\[[^\]\n]+\]", re.MULTILINE)
# Code and formulas, in which nothing is a link.
QUOTED = re.compile(r"```.*?```|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|\$[^$\n]+\$", re.DOTALL)
WHOLE = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
PAGE = re.compile(r"#|[\w./-]*\.(?:md|ipynb|html)(?:#|$)")
Translate = Callable[[str, int], str]
COMPUTED = "\0"  # stands for what an f-string computes
SPEAKERS = {"say", "Markdown", "check_answer", "Verdict"}  # what shows its strings as Markdown


class CodeLinkError(Exception):
    """A link in code that cannot be translated; `line` counts from 0 within the cell."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclasses.dataclass(frozen=True)
class Text:
    """A string of the source: its node, what it says, and whether a reader will see it said."""

    node: ast.expr
    says: str
    spoken: bool


def translate_links(source: str, translate: Translate) -> str:
    """Replace the targets of links in the strings of `source`.

    `translate` takes a target such as ``04-elbo.md#a-heading`` and its line (from 0), and returns
    the whole address.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a chapter may show one; it says nothing with links
        return source
    result = source.encode()
    lines = [len(line) for line in result.splitlines(keepends=True)]
    for node, texts in sorted(_outermost(tree), key=lambda pair: _place(pair[0]), reverse=True):
        start = sum(lines[: node.lineno - 1]) + node.col_offset
        end = sum(lines[: (node.end_lineno or 0) - 1]) + (node.end_col_offset or 0)
        segment = result[start:end].decode()
        new = _translate_segment(segment, texts, translate)
        result = result[:start] + new.encode() + result[end:]
    return result.decode()


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _outermost(tree: ast.AST) -> Iterator[tuple[ast.expr, list[Text]]]:
    """Yield each string that stands in no other string, with all strings within it."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, spoken = waiting.pop()
        if isinstance(node, ast.Call):
            spoken = spoken or _name(node.func) in SPEAKERS
        if isinstance(node, ast.JoinedStr) or _is_text(node):
            assert isinstance(node, ast.expr), "both kinds are expressions"
            yield node, list(_texts(node, spoken=spoken))
        else:
            waiting += [(child, spoken) for child in ast.iter_child_nodes(node)]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _name(function: ast.expr) -> str:
    """The last name of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _texts(node: ast.expr, *, spoken: bool) -> Iterator[Text]:
    """Yield the text of a string and of all strings that it computes with."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else COMPUTED for part in node.values]
        yield Text(node, "".join(map(str, parts)), spoken)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                for _, texts in _outermost(part.value):
                    yield from (dataclasses.replace(text, spoken=spoken) for text in texts)
    elif isinstance(node, ast.Constant):
        yield Text(node, str(node.value), spoken)


def _translate_segment(segment: str, texts: list[Text], translate: Translate) -> str:
    """Translate the links of one string where they stand in the source."""
    for text in texts:
        if text.spoken and (odd := odd_links(text.says)):
            advice = "write links as [text](page.md#anchor), without a title"
            raise CodeLinkError(f"{odd[0]!r}: {advice}", text.node.lineno - 1)
    for target, text in _local_targets(texts).items():
        line = text.node.lineno - 1
        if COMPUTED in target:
            raise CodeLinkError("a link whose target is computed cannot be translated", line)
        if not PAGE.match(target):
            advice = "write page.md#anchor"
            raise CodeLinkError(f"the link {target!r} leads to no page: {advice}", line)
        if f"]({target})" not in segment:
            advice = "write it in one piece, on one line"
            raise CodeLinkError(f"the link {target!r} is put together: {advice}", line)
        segment = segment.replace(f"]({target})", f"]({translate(target, line)})")
    return segment


def links(text: str) -> Iterator[re.Match[str]]:
    """Yield the links of a Markdown text, those in code and formulas left out."""
    yield from LINK.finditer(QUOTED.sub(_blank, text))


def odd_links(text: str) -> list[str]:
    """Pieces of a Markdown text that may be links, but are not written as ``[text](target)``."""
    seen = QUOTED.sub(_blank, text)
    return [found[0] for found in ODD.finditer(LINK.sub("", seen))]


def _blank(found: re.Match[str]) -> str:
    """Something of the same length in which there is no link."""
    return " " * len(found[0])


def _local_targets(texts: list[Text]) -> dict[str, Text]:
    """The targets that are no whole address, each once, with a string that holds it.

    What only looks like a link in a string that nobody reads as Markdown (``"losses[0](x)"``) is
    left out.
    """
    found = [(link["target"], text) for text in texts for link in links(text.says)]
    return {
        target: text
        for target, text in found
        if not WHOLE.match(target) and (text.spoken or PAGE.match(target))
    }


def targets(source: str) -> list[str]:
    """The targets of all links in a text, in order."""
    return [link["target"] for link in LINK.finditer(source)]
