"""Check the outputs of an executed notebook: nothing in them may trouble or puzzle a reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from tools.colab.code import WHOLE, links, odd_links

TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
MYST_ROLE = re.compile(r"\{[a-z]+(?::[a-z]+)?\}`[^`]*`")
WIDGET = "application/vnd.jupyter.widget-view+json"
HREF = re.compile(r"""<a\s[^>]*\bhref\s*=\s*["']?(?P<target>[^"'\s>]+)""", re.IGNORECASE)
UNNAMED = {  # how a Series without a name looks as text, and as the table that Colab makes of it
    "text/plain": re.compile(
        r"^(?!.*\bName: )(?:.*, )?dtype: \S+(?:\s*\Z|\n(?:Categories|Length))"
        r"|\ASeries\(\[\], dtype",
        re.MULTILINE,
    ),
    "text/html": re.compile(r"<th></th>\s*<th>0</th>\s*</tr>"),
}
TROUBLES = {
    "a framework's log line": re.compile(
        r"^(?:WARNING|ERROR|INFO):(?:tensorflow|absl|root)\b"
        r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*: [IWEF] \S+\.cc:\d+"
        r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,:\d]* [IWEF] "
        r"|^[IWEF]\d{4} \d\d:\d\d:\d+\.\d+ ",
        re.MULTILINE,
    ),
    "an object's address, different in each run": re.compile(r"\b0x[0-9a-fA-F]{6,}\b"),
    "a temporary folder's name, different in each run": re.compile(r"/tmp/|ipykernel_\d+|/T/tmp"),
    "a progress bar as text": re.compile(
        r"\d+%\|.{0,40}\| *\d+/\d+ \[|\b\d+/\d+ \[[=>.]+\]|\b\d+it \[\d\d:\d\d"
    ),
    "a traceback": re.compile(r"^Traceback \(most recent call last\)", re.MULTILINE),
}


def plain(text: str) -> str:
    """Text without the terminal's colours."""
    return TERMINAL_COLOURS.sub("", text)


def texts(output: Any) -> Iterator[str]:
    """Yield every piece of text in an output, whatever its kind."""
    if "text" in output:
        yield output["text"]
    data = output.get("data", {})
    if WIDGET in data:  # its text is what shows where no widget can
        return
    for mime_type, content in data.items():
        if not mime_type.startswith("image/") or mime_type == "image/svg+xml":
            yield content if isinstance(content, str) else str(content)


def link_targets(output: Any) -> Iterator[str]:
    """Yield where the links of an output lead."""
    data = output.get("data", {})
    yield from (link["target"] for link in links(data.get("text/markdown", "")))
    for text in (data.get("text/markdown", ""), data.get("text/html", "")):
        yield from (link["target"] for link in HREF.finditer(text))


def dead_links(output: Any, leads: Callable[[str], bool]) -> Iterator[str]:
    """Yield the links of an output that lead nowhere from Colab; `leads` knows the book's."""
    for odd in odd_links(output.get("data", {}).get("text/markdown", "")):
        yield f"a link that is not written as [text](target): {odd}"
    for target in link_targets(output):
        if not WHOLE.match(target):
            yield f"a link that leads nowhere from Colab: {target}"
        elif not leads(target):
            yield f"a link to a place that the book does not have: {target}"


def output_troubles(output: Any) -> Iterator[str]:
    """Yield what is wrong with one output."""
    if output["output_type"] == "error":
        yield f"an error: {output['ename']}: {plain(output['evalue'])}"
    elif output.get("name") == "stderr":
        yield f"output on stderr: {plain(output['text']).strip()[:400]}"
    markup = MYST_ROLE.search(output.get("data", {}).get("text/markdown", ""))
    if markup:
        yield f"MyST markup, which Colab would show raw in an output: {markup[0]}"
    if any(p.search(output.get("data", {}).get(mime, "")) for mime, p in UNNAMED.items()):
        yield "a Series without a name, which Colab shows under the heading 0: give it a name"
    for text in texts(output):
        for what, pattern in TROUBLES.items():
            found = pattern.search(plain(text))
            if found:
                start = max(0, found.start() - 40)
                yield f"{what}: {plain(text)[start : found.end() + 120].strip()}"


def notebook_troubles(
    notebook: Any, leads: Callable[[str], bool] = bool, *, widgets: bool = False
) -> list[str]:
    """List what is wrong with a notebook's outputs, each with the cell that it comes from.

    `leads` says of the address of a link whether it leads to a place that there is (without it, all
    do); `widgets` whether the outputs are shown where widgets can be.
    """
    complaints = []
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            shown = indent(cell.source)
            found = [*output_troubles(output), *dead_links(output, leads)]
            if WIDGET in output.get("data", {}) and not widgets:
                found.append("a widget, which the site cannot show")
            complaints += [f"cell {number}: {what}\n{shown}" for what in found]
    return complaints


def indent(text: str, mark: str = "    | ") -> str:
    """Text with a mark before each line, so that source stands out in a message."""
    return "\n".join(f"{mark}{line}".rstrip() for line in text.splitlines())


def explain_error(cell: Any, number: int, keep: int = 14) -> str:
    """Tell which cell failed: its source and the end of its traceback."""
    errors = [out for out in cell.get("outputs", []) if out["output_type"] == "error"]
    trace = plain("\n".join(errors[-1]["traceback"])).splitlines() if errors else []
    short = trace if len(trace) <= keep else ["...", *trace[-keep:]]
    return f"cell {number} failed:\n{indent(cell.source)}\n" + "\n".join(short)


def comparable(notebook: Any) -> list[list[Any]]:
    """The outputs of all code cells, to compare two executions byte for byte."""
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def first_difference(one: Any, other: Any) -> str:
    """Say where two executions of a notebook differ, or nothing when they are the same."""
    pairs = zip(comparable(one), comparable(other), strict=True)
    for number, (first, second) in enumerate(pairs, 1):
        if first != second:
            return f"code cell {number} gave once\n{first!s:.600}\nand once\n{second!s:.600}"
    return ""
