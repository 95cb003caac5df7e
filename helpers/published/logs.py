"""Reading the numbers that a training printed, whatever program printed them.

Introduced in chapters/20-published-numbers.md, "The KL in a printed log".
"""

import io
import json
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)\b"
NAME = r"[A-Za-z_][A-Za-z0-9_./()]*"
# "val_loss: 3.2", "Held-out nats = -2.3", or without a sign: "Train_acc 0.94", "Epoch 3".
PAIR = re.compile(
    rf"(?<![\w.])(?:(?P<words>{NAME}(?:[ \-]{NAME}){{0,3}})\s*[:=]\s*|(?P<name>{NAME})\s+)"
    rf"(?P<value>{NUMBER})",
    re.IGNORECASE,
)
DECIMAL_COMMA = re.compile(r"[:=\s]\d+,\d{1,2}(?![\d,])")
COUNTERS = ("epoch", "step", "iteration", "iter", "batch")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_training_log(text: str) -> pd.DataFrame:
    """Return the numbers in what a training printed, a row for each time that it reported.

    Read are Keras' progress lines (of both generations), lines of "name: number", "name=number" or
    "name number" in any order, tables with commas and a head line, and a JSON object to each line.
    A report ends where a counter (``epoch``, ``step``, …) appears again, or, without a counter,
    where a name appears again; of several values in one report, the last one counts.

    Parameters
    ----------
    text
        What was printed.

    Returns
    -------
    pandas.DataFrame
        A column for each name, in small letters with underscores; NaN where a report lacks it.
        ``attrs["decimals"]`` holds how many digits after the point each column was printed with.

    Raises
    ------
    ValueError
        If there is no named number in it, or it writes decimals with a comma.
    """
    lines = [line.strip() for line in re.split(r"[\r\n]+", ANSI.sub("", text)) if line.strip()]
    if _is_table(lines):
        reports = _of_table(lines)
    elif lines and all(line.startswith("{") for line in lines):
        reports = [{_plain(k): str(v) for k, v in json.loads(line).items()} for line in lines]
    else:
        if DECIMAL_COMMA.search(text):
            raise ValueError(
                "The log writes numbers such as 2,5 with a comma, which also stands for thousands: "
                "replace the commas in numbers by points."
            )
        reports = list(_reports([_pairs(line) for line in lines]))
    if not any(reports):
        raise ValueError(
            "The log holds no named number, such as 'loss: 46.2' or 'epoch=3': paste what the "
            "training printed, with the names of its numbers."
        )
    columns = list(dict.fromkeys(name for report in reports for name in report))
    values = {name: [_number(report.get(name)) for report in reports] for name in columns}
    table = pd.DataFrame(values)
    table.attrs["decimals"] = {
        name: max(_decimals(report.get(name, "")) for report in reports) for name in columns
    }
    return table


def rounding(log: pd.DataFrame, name: str) -> float:
    """Return the most that rounding moved a number of a column: half of its last printed digit."""
    return 0.5 * 10.0 ** -log.attrs["decimals"][name]


def _is_table(lines: list[str]) -> bool:
    """Whether it is a table with commas: a head of names, and numbers below."""
    if len(lines) < 2 or "," not in lines[0] or any(sign in lines[0] for sign in ":="):
        return False
    head, first = lines[0].split(","), lines[1].split(",")
    return len(head) == len(first) and not any(re.fullmatch(NUMBER, cell.strip()) for cell in head)


def _of_table(lines: list[str]) -> list[dict[str, str]]:
    table = pd.read_csv(io.StringIO("\n".join(lines)), dtype=str, skipinitialspace=True)
    table.columns = [_plain(str(name)) for name in table.columns]
    return [
        {
            str(name): value
            for name, value in row.items()
            if re.fullmatch(NUMBER, str(value).strip())
        }
        for row in table.to_dict("records")
    ]


def _pairs(line: str) -> list[tuple[str, str]]:
    """Return the named numbers of a line."""
    return [
        (_plain(match["words"] or match["name"]), match["value"]) for match in PAIR.finditer(line)
    ]


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip()).lower()


def _reports(lines: list[list[tuple[str, str]]]) -> Iterator[dict[str, str]]:
    """Yield the reports in the named numbers of all lines."""
    counters = {name for line in lines for name, _ in line if name in COUNTERS}
    report: dict[str, str] = {}
    for line in lines:
        if _begins([name for name, _ in line], report, counters):
            yield report
            report = {}
        seen: set[str] = set()
        for name, value in line:
            if name in seen and (name in counters or not counters):  # two reports in one line
                yield report
                report, seen = {}, set()
            report[name] = value
            seen.add(name)
    if report:
        yield report


def _begins(names: list[str], report: dict[str, str], counters: set[str]) -> bool:
    """Whether a line with these names begins a report, and the one so far has ended."""
    if not counters:
        return any(name in report for name in names)
    counted = [name for name in names if name in counters]
    has_values = any(name not in counters for name in report)
    return any(name in report or has_values for name in counted) and bool(report)


def _number(text: str | None) -> float:
    return np.nan if text is None else float(text.replace(",", ""))


def _decimals(text: str) -> int:
    digits, _, exponent = text.lower().partition("e")
    after = len(digits.partition(".")[2]) if "." in digits else 0
    return max(0, after - int(exponent or 0))
