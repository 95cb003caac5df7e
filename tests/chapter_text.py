"""A chapter taken apart for its tests: cells, prose, sections."""

import functools
import pathlib
import re
from dataclasses import dataclass, field

import yaml

from tools.book.syntax import SECTION_NOTE

ROOT = pathlib.Path(__file__).resolve().parents[1]
CODE_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
HEADER = re.compile(r"\A---\n(.*?)^---\n", re.MULTILINE | re.DOTALL)
SHORT_HEADER = re.compile(r"\A((?::[\w-]+:[^\n]*\n)+)\n?")
FENCE = re.compile(r"^```.*?^```[ ]*$", re.MULTILINE | re.DOTALL)
MATH = re.compile(r"\$\$.*?\$\$(?:[ ]*\([\w:-]+\))?|\$[^$\n]+(?:\n[^$\n]+)*\$", re.DOTALL)
CODE = re.compile(r"``[^`]+``|`[^`\n]+`")
TARGET = re.compile(r"\]\([^)\s]*\)|<?https?://[^\s>)]+>?")
ROLE = re.compile(r"\{[\w:]+\}")
DIRECTIVE_LINE = re.compile(r"^[ ]*:{3,}.*$|^[ ]*:[\w-]+:.*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A code cell, or the Markdown between two code cells."""

    kind: str
    text: str
    options: dict = field(default_factory=dict)

    @property
    def tags(self) -> list[str]:
        """The cell's tags."""
        return list(self.options.get("tags", []))

    @property
    def speaks(self) -> bool:
        """Whether the cell is a computed sentence, which reads as prose."""
        return "remove-input" in self.tags and re.search(r"\bsay\(", self.text) is not None


@dataclass(frozen=True)
class Chapter:
    """One chapter: its name without suffix, its text without front matter, its blocks."""

    name: str
    text: str
    blocks: tuple[Block, ...]

    @property
    def is_numbered(self) -> bool:
        """Whether the whole contract applies: the landing page and the error index keep a part."""
        return not self.name.startswith(("00-", "21-"))

    @property
    def cells(self) -> list[Block]:
        """The code cells."""
        return [block for block in self.blocks if block.kind == "code"]

    @property
    def markdown(self) -> str:
        """All that is no code cell."""
        return "\n\n".join(block.text for block in self.blocks if block.kind == "markdown")

    @property
    def prose(self) -> str:
        """The sentences: no code, no mathematics, no addresses, no directive lines."""
        text = FENCE.sub("", self.markdown)
        for pattern in (MATH, CODE, TARGET, ROLE, DIRECTIVE_LINE):
            text = pattern.sub(" ", text)
        return text

    @property
    def words(self) -> int:
        """How many words a reader reads; code and formulas count apart."""
        return len(re.findall(r"[A-Za-z][\w'’-]*", self.prose))

    def section(self, title: str) -> str:
        """The Markdown and code below a heading of the second level, or ""."""
        found = re.search(
            rf"^## {re.escape(title)}[ ]*\n(.*?)(?=^## |\Z)", self.text, re.MULTILINE | re.DOTALL
        )
        return found[1] if found else ""


def read_cell(body: str) -> Block:
    """Split a code cell into its options and its code."""
    for pattern in (HEADER, SHORT_HEADER):
        found = pattern.match(body)
        if found:
            header = found[1] if pattern is HEADER else re.sub(r"^:", "", found[1], flags=re.M)
            return Block("code", body[found.end() :].strip("\n"), yaml.safe_load(header) or {})
    return Block("code", body.strip("\n"))


def parse(text: str, name: str = "01-sample") -> Chapter:
    """Take a chapter apart."""
    lines = HEADER.sub("", text, count=1).split("\n")
    body = "\n".join(line for line in lines if not SECTION_NOTE.match(line))  # nobody reads these
    blocks, start = [], 0
    for found in CODE_CELL.finditer(body):
        blocks.append(Block("markdown", body[start : found.start()].strip()))
        blocks.append(read_cell(found[1]))
        start = found.end()
    blocks.append(Block("markdown", body[start:].strip()))
    filled = tuple(block for block in blocks if block.kind == "code" or block.text)
    return Chapter(name, body, filled)


@functools.cache
def chapters() -> tuple[Chapter, ...]:
    """All chapters of the book, in order."""
    paths = sorted((ROOT / "chapters").glob("[0-9][0-9]-*.md"))
    return tuple(parse(path.read_text(encoding="utf-8"), path.stem) for path in paths)
