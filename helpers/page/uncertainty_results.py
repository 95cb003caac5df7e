"""Reading what was measured of ways to know when a network does not know: intervals over seeds.

Introduced in chapters/13-when-not-to-use.md, "When not to use these layers".
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..prediction.seed_intervals import t_interval

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "uncertainty.json"
FORMAT = 1
TASKS = ("all", "without two")
_CURE = "write it anew with `python -m benchmarks.uncertainty --out FILE`."


@dataclass(frozen=True)
class UncertaintyResults:
    """A result file: how it came about, and all that was measured.

    ``amended`` holds the commands that measured some methods anew, later. ``measurements`` has a
    row for each seed, task and method, ``widths`` one for each seed and width; ``points`` are the
    shares of a training at which its terms were noted.
    """

    command: str
    amended: tuple[str, ...]
    date: str
    commit: str
    seeds: tuple[int, ...]
    versions: Mapping[str, str]
    effort: Mapping[str, int]
    points: tuple[float, ...]
    methods: Mapping[str, str]
    measurements: pd.DataFrame
    widths: pd.DataFrame


def read_uncertainty(path: pathlib.Path = RESULTS) -> UncertaintyResults:
    """Return the results in a file that ``benchmarks/uncertainty.py`` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another format, or the measurement was broken off.
    """
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if record.get("format") != FORMAT or "methods" not in record:
        raise ValueError(f"{path.name} does not hold this comparison: {_CURE}")
    if not record["complete"]:
        raise ValueError(f"{path.name} was broken off: {_CURE}")
    return UncertaintyResults(
        command=record["command"],
        amended=tuple(it["command"] for it in record["amended"]),
        date=record["date"],
        commit=record["commit"],
        seeds=tuple(record["seeds"]),
        versions=record["environments"]["book"]["packages"],
        effort=record["effort"],
        points=tuple(record["points"]),
        methods=record["methods"],
        measurements=pd.DataFrame(record["measurements"]),
        widths=pd.DataFrame(record["widths"]),
    )


def values_by_seed(results: UncertaintyResults, measure: str) -> pd.DataFrame:
    """Return a measure, one row for each seed and one column for each method that has it.

    Measures of unseen classes come from the networks that were trained without these classes, all
    others from those trained on all classes.

    Raises
    ------
    ValueError
        If there is no such measure.
    """
    if measure not in results.measurements:
        raise ValueError(
            f"{measure!r} was not measured, only: {', '.join(results.measurements.columns)}."
        )
    task = TASKS[measure.startswith("unseen classes")]
    rows = results.measurements[results.measurements["task"] == task]
    table = rows.pivot(index="seed", columns="method", values=measure).astype(float)
    return table.reindex(columns=list(results.methods)).dropna(axis="columns")


def interval_table(results: UncertaintyResults, measure: str) -> pd.DataFrame:
    """Return ``mean``, ``low`` and ``high`` of a measure, a row for each method that has it.

    Raises
    ------
    ValueError
        As :func:`values_by_seed`.
    """
    table = values_by_seed(results, measure)
    rows = {name: t_interval(table[name])._asdict() for name in table}
    return pd.DataFrame(rows).T


def compare_with(
    results: UncertaintyResults, measure: str, base: str, methods: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return how far methods are above a base, seed by seed, with intervals and a verdict.

    Parameters
    ----------
    measure, base
        What is compared, and the method that the others are compared with.
    methods
        Names; all that have the measure by default.

    Returns
    -------
    pandas.DataFrame
        A row for each method: ``mean``, ``low`` and ``high`` of its difference to the base on the
        same seed, in the unit of the measure; ``verdict``: "higher" or "lower" if the interval
        leaves out 0, else "undecided".

    Raises
    ------
    ValueError
        As :func:`values_by_seed`, or if the base does not have the measure.
    """
    table = values_by_seed(results, measure)
    if base not in table:
        raise ValueError(f"{base!r} has no {measure!r}: choose one of {', '.join(table)}.")
    names = [name for name in (methods or table.columns) if name != base]
    found = {name: t_interval(table[name] - table[base]) for name in names}
    compared = pd.DataFrame({name: it._asdict() for name, it in found.items()}).T
    compared["verdict"] = np.select(
        [compared["low"] > 0, compared["high"] < 0], ["higher", "lower"], "undecided"
    )
    return compared
