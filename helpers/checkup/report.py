"""What a check-up found: findings with their numbers, and the report that holds them."""

import html
import textwrap
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from .kinds import link_to

Verdict = Literal["wrong", "unknown", "look", "right"]
Sureness = Literal["measured", "likely", "possible"]

ORDER: tuple[Verdict, ...] = ("wrong", "unknown", "look", "right")
TITLES = {"wrong": "WRONG", "unknown": "NOT CHECKED", "look": "LOOK", "right": "RIGHT"}
MARKS = {"wrong": "✗", "unknown": "?", "look": "!", "right": "✓"}
WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the check-up looked at.

    Attributes
    ----------
    kind
        A stable name, for instance ``"kl-not-scaled"``; the table in ``kinds`` has them all.
    verdict
        ``"wrong"`` (the number trained on is not what it seems), ``"unknown"`` (what matters could
        not be measured), ``"look"`` (may be intended) or ``"right"``.
    message
        What was found, in a sentence or two.
    layer
        Name of the layer, several joined by ", ", or None if it concerns the whole network.
    value, expected
        The number on which the finding rests and what it should be, in the unit that the message
        names; None if there is none.
    sure
        How sure the check-up is.
    cure
        What to write instead; empty if there is nothing to do.
    """

    kind: str
    verdict: Verdict
    message: str
    layer: str | None = None
    value: float | None = None
    expected: float | None = None
    sure: Sureness = "measured"
    cure: str = ""

    def __post_init__(self) -> None:
        link_to(self.kind)  # raises for a kind that the table does not hold

    @property
    def link(self) -> str:
        """Address of the page that explains this kind of finding."""
        return link_to(self.kind)


class Report:
    """The findings of a check-up, worst first; prints in a terminal and in a notebook.

    Parameters
    ----------
    findings
        In any order.
    understood
        One sentence on what the check-up took as the number that is minimised.
    checked
        What matters and was measured, for instance ``"the weight of the KL: first, second"``.
    unchecked
        What matters and was not measured, each with the reason.
    """

    def __init__(
        self,
        findings: list[Finding],
        understood: str = "",
        checked: list[str] | None = None,
        unchecked: list[str] | None = None,
    ) -> None:
        self.findings = sorted(findings, key=lambda finding: ORDER.index(finding.verdict))
        self.understood = understood
        self.checked = list(checked or [])
        self.unchecked = list(unchecked or [])

    @property
    def alarms(self) -> list[Finding]:
        """What is wrong."""
        return [finding for finding in self.findings if finding.verdict == "wrong"]

    @property
    def unknown(self) -> list[Finding]:
        """What matters and could not be checked, as findings."""
        return [finding for finding in self.findings if finding.verdict == "unknown"]

    @property
    def notes(self) -> list[Finding]:
        """What deserves a look and may be intended."""
        return [finding for finding in self.findings if finding.verdict == "look"]

    @property
    def confirmed(self) -> list[Finding]:
        """What was checked and is right."""
        return [finding for finding in self.findings if finding.verdict == "right"]

    @property
    def ok(self) -> bool:
        """Whether all that matters was measured and nothing is wrong.

        What matters are the weight of each KL, the likelihood, and whether targets and outputs
        belong together. A network of which nothing could be measured is not ok.
        """
        measured = bool(self.checked) and not self.unchecked and not self.unknown
        return measured and not self.alarms

    def kinds(self) -> set[str]:
        """Return the kinds of everything wrong, not checked or worth a look."""
        return {finding.kind for finding in self.alarms + self.unknown + self.notes}

    def table(self) -> pd.DataFrame:
        """Return the findings as a table with one row each.

        Returns
        -------
        pandas.DataFrame
            Columns ``verdict``, ``kind``, ``layer``, ``value``, ``expected``, ``sure``,
            ``message``, ``cure``, ``link``.
        """
        columns = ["verdict", "kind", "layer", "value", "expected", "sure", "message", "cure"]
        rows = [[getattr(finding, column) for column in columns] for finding in self.findings]
        table = pd.DataFrame(rows, columns=columns)
        table["link"] = [finding.link for finding in self.findings]
        return table

    def headline(self) -> str:
        """Return the result in one line."""
        counts = f"{_count(self.notes, 'thing')} to look at, {len(self.confirmed)} right"
        missing = max(len(self.unchecked), len(self.unknown))
        if self.alarms:
            unknown = f", {missing} not checked" if missing else ""
            return f"{_count(self.alarms, 'thing')} wrong{unknown}, {counts}."
        if not self.checked:
            return f"Not checked: nothing that matters could be measured; {counts}."
        if missing:
            left = f"{missing} of the things that matter {'was' if missing == 1 else 'were'}"
            return f"Not checked: {left} not measured; {counts}."
        return f"Nothing wrong was found: {counts}."

    def _scope(self) -> list[str]:
        """Return what was measured and what was not, a line each."""
        lines = [f"Measured: {'; '.join(self.checked)}."] if self.checked else []
        return [*lines, *(f"Not measured: {text}" for text in self.unchecked)]

    def __str__(self) -> str:
        lines = [f"Check-up: {self.headline()}", *_wrapped(self.understood, "")]
        for line in self._scope():
            lines += _wrapped(line, "", "  ")
        for finding in self.findings:
            lines += ["", *_as_text(finding)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>Check-up: {html.escape(self.headline())}</strong>"]
        lines = [self.understood, *self._scope()]
        parts += [*(f"<br>{html.escape(line)}" for line in lines), "</p>", "<ul>"]
        parts += [f"<li>{_as_html(finding)}</li>" for finding in self.findings]
        return "\n".join([*parts, "</ul>"])


def _count(items: list[Finding], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _heading(finding: Finding) -> str:
    where = f" [{finding.layer}]" if finding.layer else ""
    sure = "" if finding.verdict in ("right", "unknown") else f" ({finding.sure})"
    return f"{MARKS[finding.verdict]} {TITLES[finding.verdict]}: {finding.kind}{where}{sure}"


def _as_text(finding: Finding) -> list[str]:
    """Return the lines of one finding for a terminal of 80 columns."""
    lines = _wrapped(_heading(finding), "", "    ") + _wrapped(finding.message, "  ")
    if finding.cure:
        lines += _wrapped(f"Cure: {finding.cure}", "  ")
    if finding.verdict != "right":
        lines.append(f"  {finding.link}")
    return lines


def _wrapped(text: str, indent: str, further: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if further is None else further,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _as_html(finding: Finding) -> str:
    """Return one finding for a notebook; it takes all colours from the page."""
    text = f"<strong>{html.escape(_heading(finding))}</strong><br>{html.escape(finding.message)}"
    if finding.cure:
        text += f"<br><em>Cure:</em> {html.escape(finding.cure)}"
    if finding.verdict != "right":
        text += f' <a href="{html.escape(finding.link)}">Read more</a>'
    return text
