"""Turn the book's MyST Markdown into the plain Markdown that Colab shows.

Only the vocabulary listed in CONTRIBUTING.md is known here. Everything else is refused with its
file and line, so that no reader ever sees raw markup in a notebook.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

from tools.book.page_source import PageSource
from tools.book.references import References
from tools.book.syntax import DIRECTIVE, FENCE, OPTION, SECTION_NOTE, parser
from tools.colab.inline import InlineTranslator

NOTES = {"note": "Note", "tip": "Tip", "warning": "Warning", "important": "Important"}
LOUD = {"warning", "important"}  # kinds that the site tells by colour and Colab by a word
LOOKS = {"gutter", "columns", "margin", "padding", "shadow", "text-align", "class-card", "class"}
PLAYS = {  # what readers can move on the site, and how a notebook speaks of it
    "network": "On the site, a network learns here in your browser",
    "kl": "On the site, you can move μ, σ and the prior here, and see the KL in nats",
    "weight": "On the site, you can change the weight of the KL here, and see where q goes",
}
FORBIDDEN = {
    "myst_role": "a role",
    "colon_fence": "a directive",
    "myst_target": "a target (name)=",
    "myst_block_break": "a block break +++",
    "myst_line_comment": "a comment line %",
    "math_block_label": "the label of an equation",
    "amsmath": "a bare LaTeX environment (write it between $$ and $$)",
    "dl_open": "a definition list",
    "footnote_ref": "a footnote",
    "footnote_block_open": "a footnote",
    "front_matter": "front matter",
}


@dataclasses.dataclass(frozen=True)
class Directive:
    """A directive of the source, taken apart."""

    name: str
    argument: str
    options: dict[str, str]
    body: list[str]
    line: int  # of its opening fence
    body_line: int

    @property
    def what(self) -> str:
        """How messages call it."""
        return f"{{{self.name}}}"


class Translator(InlineTranslator):
    """Translate the Markdown of one page."""

    def __init__(self, source: PageSource, references: References) -> None:
        super().__init__(source, references)
        self.directives: dict[str, Callable[[Directive], list[str]]] = {
            **dict.fromkeys(NOTES, self._note),
            "exercise": self._exercise,
            "grid": self._grid,
            "play": self._play,
        }

    def translate(self, text: str, line: int) -> str:
        """Translate Markdown that begins on line `line` of the page, and check the result."""
        result = "\n".join(self._lines(text.splitlines(), line)).strip("\n")
        self._check(result, line)
        return result

    def _check(self, text: str, line: int) -> None:
        """Refuse a result in which MyST still finds syntax of its own."""
        tokens = parser().parse(text)
        for token in [*tokens, *(child for t in tokens for child in t.children or [])]:
            what = FORBIDDEN.get(token.type)
            if token.type == "heading_open" and not token.markup.startswith("#"):
                what = "a heading by underlining (write # signs)"
            if what:
                shown = token.content.strip() or token.info.strip()
                raise self.refuse(line, f"below here {what} that Colab cannot show: {shown[:60]}")

    def _lines(self, lines: list[str], line: int) -> list[str]:
        """Translate a run of lines block by block."""
        result: list[str] = []
        at = 0
        while at < len(lines):
            end, translated = self._block(lines, at, line)
            result += translated
            at = end
        return result

    def _block(self, lines: list[str], at: int, line: int) -> tuple[int, list[str]]:
        """Translate the block that begins at `at`; return where the next one begins."""
        if SECTION_NOTE.match(lines[at]):  # for the site's search and for old links
            return at + 1, []
        fence = FENCE.match(lines[at])
        if fence and fence["info"].strip().startswith("{"):
            directive, end = self.take_directive(lines, at, line)
            return end, _indent(self._directive(directive), fence["indent"])
        if fence and fence["mark"].startswith(":"):
            raise self.refuse(line + at, f"{fence['mark']} without the name of a directive")
        if fence:
            end = self._closing(lines, at, fence["mark"], line)
            return end, lines[at:end]
        if lines[at].lstrip().startswith("$$"):
            return self._math(lines, at, line)
        return self._paragraph(lines, at, line)

    def _closing(self, lines: list[str], at: int, mark: str, line: int) -> int:
        """The index behind the fence that closes the one at `at`."""
        for end in range(at + 1, len(lines)):
            fence = FENCE.match(lines[end])
            if fence and not fence["info"].strip() and fence["mark"].startswith(mark):
                return end + 1
        raise self.refuse(line + at, f"nothing closes {lines[at].strip()}")

    def take_directive(self, lines: list[str], at: int, line: int) -> tuple[Directive, int]:
        """Take apart the directive that opens at `at`; return it and where it ends."""
        fence = FENCE.match(lines[at])
        assert fence is not None, "only called on a fence"
        head = DIRECTIVE.match(fence["info"].strip())
        if not head or not fence["mark"].startswith(":"):
            advice = "open directives with colons, :::{name}"
            raise self.refuse(line + at, f"{lines[at].strip()!r} is not known: {advice}")
        end = self._closing(lines, at, fence["mark"], line)
        width = len(fence["indent"])
        body = [text[width:] for text in lines[at + 1 : end - 1]]
        options: dict[str, str] = {}
        while body and (option := OPTION.match(body[0])):
            options[option["key"]] = option["value"].strip()
            body.pop(0)
        body_line = line + at + 1 + len(options)
        argument = head["argument"].strip()
        return Directive(head["name"], argument, options, body, line + at, body_line), end

    def _directive(self, directive: Directive) -> list[str]:
        """Translate a directive."""
        handler = self.directives.get(directive.name)
        if handler is None:
            known = ", ".join(sorted([*self.directives, "solution-start", "solution-end"]))
            advice = f"write it with one of {known} (vocabulary in CONTRIBUTING.md)"
            raise self.refuse(directive.line, f"{directive.what} is not known here: {advice}")
        return handler(directive)

    def allow_options(self, directive: Directive, allowed: set[str]) -> None:
        """Refuse options that the notebook would lose without a word."""
        for key, value in directive.options.items():
            if key not in allowed or (key == "class" and value != "dropdown"):
                shown = f":{key}: {value}".strip()
                raise self.refuse(directive.line, f"{directive.what} with {shown} is not known")

    def _note(self, directive: Directive) -> list[str]:
        """A note becomes a quotation with its title in bold."""
        self.allow_options(directive, {"class"})
        kind, title = NOTES[directive.name], self.inline(directive.argument, directive.line)
        loud = f"{kind}: {title}" if directive.name in LOUD else title
        body = self._lines(directive.body, directive.body_line)
        return quote([f"**{loud if title else kind}**", "", *_one_line_math(body)])

    def _exercise(self, directive: Directive) -> list[str]:
        """An exercise becomes its number in bold, then its text."""
        self.allow_options(directive, {"class", "label", "nonumber"})
        label = directive.options.get("label")
        if not label:
            raise self.refuse(directive.line, "an exercise needs a :label: for its solution")
        number = "Exercise"
        if "nonumber" not in directive.options:
            number += f" {self.references.target('exercises', label).number}"
        title = self.inline(directive.argument, directive.line)
        body = self._lines(directive.body, directive.body_line)
        return [f"**{number}{f' ({title})' if title else ''}**", "", *_trim(body)]

    def _play(self, directive: Directive) -> list[str]:
        """Something to move, which a notebook does not hold, becomes a link to the site's page."""
        self.allow_options(directive, set())
        sentence = PLAYS.get(directive.argument)
        if sentence is None or any(line.strip() for line in directive.body):
            advice = f"write it with one of {', '.join(PLAYS)} and nothing within"
            raise self.refuse(directive.line, f"{{play}} {directive.argument!r}: {advice}")
        page = f"{self.references.book.site}{self.source.page.name}.html"
        return [f"*{sentence}: [open it]({page}#play-{directive.argument}).*"]

    def _grid(self, directive: Directive) -> list[str]:
        """A grid of cards becomes a list of links."""
        result: list[str] = []
        at = 0
        while at < len(directive.body):
            if not directive.body[at].strip():
                at += 1
                continue
            fence = FENCE.match(directive.body[at])
            if not fence or not fence["info"].strip().startswith("{grid-item-card}"):
                place = directive.body_line + at
                raise self.refuse(place, "a {grid} holds {grid-item-card} and nothing else")
            card, at = self.take_directive(directive.body, at, directive.body_line)
            result.append(self._card(card))
        return result

    def _card(self, card: Directive) -> str:
        """A card becomes an item of a list: its title as the link, then its text."""
        known = {"link", "link-type", "link-alt"} | LOOKS
        unknown = sorted(set(card.options) - known)
        if unknown or card.options.get("link-type") != "doc" or "link" not in card.options:
            advice = "give it :link: PAGE and :link-type: doc"
            raise self.refuse(card.line, f"this card is not known {unknown or ''}: {advice}")
        target = self.link_target(f"{card.options['link']}.md", card.line)
        text = " ".join(part.strip() for part in self._lines(card.body, card.body_line)).strip()
        title = self.inline(card.argument, card.line)
        return f"- **[{title}]({target})**{f': {text}' if text else ''}"

    def _math(self, lines: list[str], at: int, line: int) -> tuple[int, list[str]]:
        """Displayed mathematics: its label becomes the number that the site shows."""
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        end = at
        while not _ends_math(lines[end], first=end == at):
            end += 1
            if end == len(lines) or not lines[end].strip():
                raise self.refuse(line + at, "nothing closes $$ (no blank line may stand within)")
        whole = "\n".join(text.strip() for text in lines[at : end + 1])
        found = re.fullmatch(r"\$\$(.*)\$\$[ \t]*(?:\(([^)\s]+)\))?", whole, re.DOTALL)
        if found is None:
            raise self.refuse(line + at, "after $$ nothing but the equation's (label) may follow")
        body = needs_alignment(found[1].strip())
        tag = ""
        if found[2]:
            tag = f" \\tag{{{self.references.target('equations', found[2]).number}}}"
        return end + 1, [indent + text for text in ["$$", *f"{body}{tag}".split("\n"), "$$"]]

    def _paragraph(self, lines: list[str], at: int, line: int) -> tuple[int, list[str]]:
        """Translate the lines up to a blank line or another kind of block."""
        end = at + 1
        while end < len(lines) and lines[end].strip():
            if FENCE.match(lines[end]) or lines[end].lstrip().startswith("$$"):
                break
            if SECTION_NOTE.match(lines[end]):
                break
            end += 1
        return end, self.inline("\n".join(lines[at:end]), line + at).split("\n")


def _trim(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")


def _indent(lines: list[str], indent: str) -> list[str]:
    return [f"{indent}{line}".rstrip() for line in lines] if indent else lines


def quote(lines: list[str]) -> list[str]:
    """Lines as a quotation."""
    return [f"> {line}".rstrip() for line in _trim(lines)]


def _ends_math(line: str, *, first: bool) -> bool:
    """Whether a line closes displayed mathematics; the opening $$ does not count."""
    text = line.strip()
    return re.search(r"\$\$[ \t]*(\([^)\s]+\))?$", text[2:] if first else text) is not None


def needs_alignment(body: str) -> str:
    """Give bare alignment marks the environment that Sphinx puts around them unasked."""
    bare = re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", "", body, flags=re.DOTALL)
    if re.search(r"(?<!\\)&|\\\\", bare):
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    return body


def _one_line_math(lines: list[str]) -> list[str]:
    """Put displayed mathematics on one line each.

    Within a quotation Colab would take the > at the beginning of each further line for a sign of
    the formula.
    """
    return list(_join_math(iter(lines)))


def _join_math(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.strip() != "$$":
            yield line
            continue
        parts = [line]
        while parts[-1].strip() != "$$" or len(parts) == 1:
            parts.append(next(lines))
        yield " ".join(part.strip() for part in parts)
