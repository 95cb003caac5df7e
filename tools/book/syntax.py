"""MyST's syntax line by line: its parser, and where code blocks and directives stand."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath"}
FENCE = re.compile(r"^(?P<indent>[ >]*)(?P<mark>`{3,}(?=[^`]*$)|~{3,}|:{3,})(?P<info>.*)$")
HEADING = re.compile(r"^(?P<marks>#{1,6})[ \t]+(?P<text>.+?)(?:[ \t]+#+)?[ \t]*$")
EQUATION_LABEL = re.compile(r"\$\$[ \t]*\((?P<label>[^)\s]+)\)[ \t]*$")
DIRECTIVE = re.compile(r"^\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>.*)$")
OPTION = re.compile(r"^:(?P<key>[\w-]+):[ \t]*(?P<value>.*)$")
# Under a heading: what readers type when they look for the section, and its earlier anchors.
SECTION_NOTE = re.compile(r"^% (?P<key>asked as|once): (?P<words>.*\S)[ \t]*$")


@functools.cache
def parser(inline: bool = True) -> MarkdownIt:
    """MyST's Markdown parser, with or without the inline stage."""
    config = MdParserConfig(enable_extensions=EXTENSIONS)
    if not inline:
        config = dataclasses.replace(config, disable_syntax=["inline"])
    return create_md_parser(config, RendererHTML)


def plain_title(text: str) -> str:
    """A heading's words as MyST's anchors see them: text and code, no mathematics."""
    tokens = parser().parse(f"# {text}")
    children = tokens[1].children or []
    return "".join(part.content for part in children if part.type in ("text", "code_inline"))


def outside_fences(source: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that stand in no code block and in no directive."""
    open_marks: list[str] = []
    for number, line in enumerate(source.splitlines()):
        fence = FENCE.match(line)
        if fence:
            mark, info = fence["mark"], fence["info"].strip()
            if open_marks and not info and mark.startswith(open_marks[-1]):
                open_marks.pop()
            elif not open_marks or open_marks[-1].startswith(":"):
                open_marks.append(mark)
        elif not open_marks:
            yield number, line


def outside_code(source: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines outside code blocks; directives are looked into."""
    mark = ""
    for number, line in enumerate(source.splitlines()):
        fence = FENCE.match(line)
        if fence and not fence["mark"].startswith(":"):
            if not mark:
                mark = fence["mark"]
            elif fence["mark"].startswith(mark) and not fence["info"].strip():
                mark = ""
        elif not mark:
            yield number, line
