"""The table "accepts / refuses": run its cells, keep the outcomes, write it into the API page.

    python tests/accepts_table.py                     # every cell, into the result file
    python tests/accepts_table.py --slices            # only the cells that the page shows
    python tests/accepts_table.py --write             # nothing run: the page from the result file

Outcomes are kept in _build/accepts.jsonl as they come: --resume goes on from there.
"""

import argparse
import collections
import concurrent.futures
import importlib.metadata
import json
import multiprocessing
import pathlib
import platform
import sys
from collections.abc import Iterable
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from accepts_cells import INPUTS, LIKELIHOODS, SEED, TOOLS, Cell, FaultError, outcome  # noqa: E402
from readers_networks import READERS, N  # noqa: E402

from benchmarks.record import provenance, write_record  # noqa: E402

RESULTS = ROOT / "helpers" / "results" / "accepts.json"
KEPT = ROOT / "_build" / "accepts.jsonl"
PAGE = ROOT / "chapters" / "api.md"
START = "<!-- from here on made by: python tests/accepts_table.py -->"
END = "<!-- up to here -->"
PACKAGES = ("tensorflow", "tensorflow-probability", "tf_keras", "numpy", "pandas")
USUAL = "compiled", "array"
NO_LIKELIHOOD_ASKED = "losses_by_layer"  # its cells are the same whatever the likelihood


def all_cells(slices: bool = False) -> list[Cell]:
    """Return all cells, or those with the usual likelihood or the usual inputs."""
    cells = [
        Cell(tool, network, likelihood, inputs)
        for network in READERS
        for likelihood in LIKELIHOODS
        for inputs in INPUTS
        for tool in TOOLS
        if tool != NO_LIKELIHOOD_ASKED or likelihood == USUAL[0]
    ]
    if not slices:
        return cells
    return [c for c in cells if c.likelihood == USUAL[0] or c.inputs == USUAL[1]]


def tried(cell: Cell) -> tuple[Cell, str]:
    """Return a cell with its outcome, a fault as "FAULT: " and what happened."""
    try:
        return cell, outcome(cell)
    except FaultError as fault:
        return cell, f"FAULT: {fault}"


def kept_outcomes() -> dict[Cell, str]:
    """Return what a run that was broken off has found, without its faults."""
    lines = KEPT.read_text("utf-8").splitlines() if KEPT.exists() else []
    pairs = [json.loads(line) for line in lines]
    return {Cell(*cell): text for cell, text in pairs if not text.startswith("FAULT")}


def run(cells: list[Cell], workers: int, found: dict[Cell, str]) -> dict[Cell, str]:
    """Return the outcomes, told and kept as they come, beside those that are known already."""
    cells = [cell for cell in cells if cell not in found]
    KEPT.parent.mkdir(exist_ok=True)
    fresh = multiprocessing.get_context("spawn")
    with (
        concurrent.futures.ProcessPoolExecutor(
            workers, mp_context=fresh, max_tasks_per_child=200
        ) as pool,
        KEPT.open("a", encoding="utf-8") as file,
    ):
        for number, (cell, text) in enumerate(pool.map(tried, cells, chunksize=4), 1):
            found[cell] = text
            print(json.dumps([cell, text]), file=file, flush=True)
            if text.startswith("FAULT"):
                print(f"{number} of {len(cells)}: {text}", flush=True)
            elif number % 50 == 0:
                print(f"{number} of {len(cells)}", flush=True)
    return found


def record(found: dict[Cell, str], arguments: list[str]) -> dict[str, Any]:
    """Return what the result file holds."""
    sentences = sorted(set(found.values()))
    cells: Any = collections.defaultdict(dict)
    for cell, text in found.items():
        cells[cell.tool][" | ".join(cell[1:])] = sentences.index(text)
    return {
        "format": 1,
        "command": " ".join(["python tests/accepts_table.py", *arguments]),
        **provenance(),
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "outcomes": sentences,
        "cells": cells,
    }


def read_outcomes(path: pathlib.Path = RESULTS) -> dict[Cell, str]:
    """Return the outcomes of a result file."""
    kept = json.loads(path.read_text("utf-8"))
    return {
        Cell(tool, *place.split(" | ")): kept["outcomes"][number]
        for tool, places in kept["cells"].items()
        for place, number in places.items()
    }


class Notes:
    """Sentences of refusals, numbered in the order of their first use."""

    def __init__(self) -> None:
        self.sentences: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the number of a sentence."""
        return self.sentences.setdefault(text, len(self.sentences) + 1)

    def lines(self) -> list[str]:
        """Return all sentences as a numbered list."""
        return [f"{number}. {_safe(text)}" for text, number in self.sentences.items()]


def _safe(text: str) -> str:
    """Return a sentence as Markdown that shows it as it is, cut where it grows long."""
    text = " ".join(text.removeprefix("refused: ").split())
    text = text if len(text) <= 300 else f"{text[:300].rsplit(' ', 1)[0]} …"
    for mark in "\\`*_[]<>$|":
        text = text.replace(mark, f"\\{mark}")
    return text


def cell_text(outcomes: dict[str, str], notes: Notes) -> str:
    """Return what stands in a cell, from the outcomes by tool."""
    if set(outcomes.values()) == {"right"}:
        return "✓"
    refusing = {tool: text for tool, text in outcomes.items() if text != "right"}
    numbers = sorted({notes.number(text) for text in refusing.values()})
    said = f"refused ({', '.join(map(str, numbers))})"
    if len(refusing) == len(outcomes):
        return said
    return f"✓, but {', '.join(f'`{tool}`' for tool in refusing)} {said}"


def table(found: dict[Cell, str], columns: Iterable[str], axis: str, notes: Notes) -> list[str]:
    """Return a table of networks by likelihoods, or by forms of inputs."""
    columns = list(columns)
    lines = [f"| | {' | '.join(columns)} |", f"|---{'|:-:' * len(columns)}|"]
    for network in READERS:
        texts = []
        for column in columns:
            likelihood, inputs = USUAL
            place = (column, inputs) if axis == "likelihood" else (likelihood, column)
            tools = [t for t in TOOLS if axis == "inputs" or t != NO_LIKELIHOOD_ASKED]
            cells = {tool: found[Cell(tool, network, *place)] for tool in tools}
            texts.append(cell_text(cells, notes))
        lines.append(f"| {network} | {' | '.join(texts)} |")
    return lines


def section(kept: dict[str, Any], found: dict[Cell, str]) -> str:
    """Return the part of the page that is made from the result file."""
    notes = Notes()
    by_inputs = table(found, INPUTS, "inputs", notes)
    by_likelihood = table(found, LIKELIHOODS, "likelihood", notes)
    right = sum(text == "right" for text in found.values())
    versions = ", ".join(f"{name} {version}" for name, version in kept["versions"].items())
    return "\n".join(
        [
            START,
            "",
            f"Made by `{kept['command']}` on {kept['date'][:10]}, seed {kept['seed']}, {N} "
            f"examples, {versions}: {len(found):,} cells, of which {right:,} are right and "
            f"{len(found) - right:,} refused.",
            "",
            "The data in each form, beside a network that is compiled with its likelihood:",
            "",
            *by_inputs,
            "",
            "The likelihood said in each way, beside plain arrays:",
            "",
            *by_likelihood,
            "",
            "What is refused, and what is said:",
            "",
            *notes.lines(),
            "",
            END,
        ]
    )


def with_section(page: str, made: str) -> str:
    """Return the page with that part in place of what stood between the marks."""
    before, rest = page.split(START)
    return before + made + rest.split(END, 1)[1]


def main(arguments: list[str]) -> int:
    """Run the cells and write file and page; returns 1 if a cell is a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--slices", action="store_true", help="only what the page shows")
    parser.add_argument("--write", action="store_true", help="only write the page")
    parser.add_argument("--resume", action="store_true", help="go on with a run broken off")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=pathlib.Path, default=RESULTS, help="the result file")
    options = parser.parse_args(arguments)
    if not options.write:
        if not options.resume:
            KEPT.unlink(missing_ok=True)
        found = run(all_cells(options.slices), options.workers, kept_outcomes())
        faults = [text for text in found.values() if text.startswith("FAULT")]
        if faults:
            print(f"{len(faults)} cells are neither right nor refused; nothing is written.")
            return 1
        write_record(options.out, record(found, ["--slices"] if options.slices else []))
    kept = json.loads(options.out.read_text("utf-8"))
    made = section(kept, read_outcomes(options.out))
    PAGE.write_text(with_section(PAGE.read_text("utf-8"), made), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
