"""Turn what MyST knows within a line into plain Markdown: roles, and links between pages."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from tools.book.page_source import PageSource
from tools.book.references import References, Target
from tools.book.root import BookError

INLINE = re.compile(
    r"""(?P<escape>\\.)
    |\{(?P<role>[\w:.-]+)\}(?P<ticks>`+)(?P<content>.+?)(?P=ticks)
    |(?P<code>(?P<fence>`+)(?!`).+?(?<!`)(?P=fence)(?!`))
    |(?P<math>\${1,2}(?!\s).+?\$)
    |(?P<bang>!?)\[(?P<label>(?:[^\[\]\\]|\\.|\[[^\]]*\])*)\]
     \((?P<target>(?:[^()\s]|\([^()\s]*\))*)(?P<title>\s+"[^"]*")?\)
    |<(?P<auto>(?:project|path|inv|myst|doc):[^>]*)>
    """,
    re.VERBOSE | re.DOTALL,
)


class InlineTranslator:
    """Translate roles and links of one page."""

    def __init__(self, source: PageSource, references: References) -> None:
        self.source = source
        self.references = references
        self.roles: dict[str, Callable[[str], str]] = {
            "eq": self._equation_number,
            "numref": self._figure_number,
            "term": self._term,
            "cite:t": references.citations.textual,
            "cite:p": lambda keys: references.citations.parenthetical(_split(keys)),
        }

    def refuse(self, line: int, message: str) -> BookError:
        """An error that names the file and the line."""
        path = self.source.path.relative_to(self.references.book.root)
        return BookError(f"{path}:{line}: {message}")

    def inline(self, text: str, line: int) -> str:
        """Translate roles and links; code, mathematics and escapes stay as they are."""

        def replace(match: re.Match[str]) -> str:
            place = line + text.count("\n", 0, match.start())
            if match["role"]:
                return self._role(match["role"], match["content"], place)
            if match["label"] is not None:
                return self._link(match, place)
            if match["auto"]:
                raise self.refuse(place, f"write <{match['auto']}> as [text](page.md#anchor)")
            return match[0]

        return INLINE.sub(replace, text)

    def _role(self, name: str, content: str, line: int) -> str:
        """Translate one role."""
        if name not in self.roles:
            known = ", ".join(self.roles)
            advice = f"use one of {known} (vocabulary in CONTRIBUTING.md)"
            raise self.refuse(line, f"the role {{{name}}}`{content}` is not known: {advice}")
        try:
            return self.roles[name](" ".join(content.split()))
        except BookError as error:
            raise self.refuse(line, str(error)) from error

    def _link(self, match: re.Match[str], line: int) -> str:
        """Translate a link; its words may hold roles of their own."""
        target = match["target"]
        if match["bang"] and "://" not in target:
            advice = "draw figures in a code cell with mystnb: figure:"
            raise self.refuse(line, f"the picture {target} would be missing on Colab: {advice}")
        label = self.inline(match["label"], line)
        if "://" not in target and not target.startswith("mailto:"):
            target = self.link_target(target, line)
        return f"{match['bang']}[{label}]({target}{match['title'] or ''})"

    def link_target(self, target: str, line: int) -> str:
        """Where a link to a page or an anchor of the book leads from Colab."""
        path, _, anchor = target.partition("#")
        if path and not path.endswith(".md"):
            raise self.refuse(line, f"the link {target!r} leads to no page: write page.md#anchor")
        here = self.source.page.name
        name = posixpath.normpath(posixpath.join(posixpath.dirname(here), path[:-3]))
        try:
            address = self.references.page_link(name if path else here, anchor)
        except BookError as error:
            raise self.refuse(line, str(error)) from error
        return f"#{address.partition('#')[2]}" if not path else address

    def address(self, target: str, line: int) -> str:
        """The whole address of a page or an anchor of the book, for what is not in the text."""
        here = f"{self.source.page.stem}.md" if target.startswith("#") else ""
        return self.link_target(here + target, line)

    def _number(self, target: Target, shown: str) -> str:
        """A number, as a link when the thing stands in another notebook."""
        if target.page == self.source.page:
            return shown
        book = self.references.book
        end = f"#scrollTo={target.cell}" if target.cell else ""
        return f"[{shown}]({book.colab}{target.page.name}.ipynb{end})"

    def _equation_number(self, label: str) -> str:
        target = self.references.target("equations", label)
        return self._number(target, f"({target.number})")

    def _figure_number(self, label: str) -> str:
        target = self.references.target("figures", label)
        return self._number(target, f"Fig. {target.number}")

    def _term(self, content: str) -> str:
        named = re.fullmatch(r"(.+?)\s*<([^<>]+)>", content)
        shown, term = named.groups() if named else (content, content)
        return f"[{shown}]({self.references.term_link(term)})"


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",")]
