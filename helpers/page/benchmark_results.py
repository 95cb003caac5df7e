"""Reading what the benchmark of training steps measured: numbers per round, medians, ratios.

Introduced in chapters/11-prior-strength.md, "Cold and tempered posteriors".
"""

import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "step_cost.json"
FORMAT = 1
KINDS = ("book", "tfp", "peer", "bound")


class Setting(NamedTuple):
    """What was trained: "dense" or "lenet5", units per hidden layer, B, and draws per step."""

    network: str = "dense"
    width: int = 400
    batch_size: int = 128
    num_draws: int = 1

    def __str__(self) -> str:
        name = f"784-{self.width}-{self.width}-10" if self.network == "dense" else "LeNet-5"
        return f"{name}, batch {self.batch_size}, draws {self.num_draws}"


QUESTION = Setting()


class Contender(NamedTuple):
    """A way to train: its title, and its kind, "book", "tfp", "peer" or "bound"."""

    title: str
    kind: str


@dataclass(frozen=True)
class Measurement:
    """One fresh process: medians over its timed runs, in milliseconds per step, seconds, MiB.

    ``peak_mebibytes`` is the process's largest memory, the training data (``data_mebibytes``) and
    the libraries included.
    """

    contender: str
    setting: Setting
    round: int
    ms: float
    cpu_ms: float
    compile_seconds: float
    peak_mebibytes: float
    data_mebibytes: float


@dataclass(frozen=True)
class BenchmarkResults:
    """A result file: by which command, when, on what and with which versions; all measurements."""

    command: str
    date: str
    commit: str
    cores: int
    data: str
    seed: int
    versions: Mapping[str, str]
    contenders: Mapping[str, Contender]
    measurements: tuple[Measurement, ...]


def read_results(path: pathlib.Path = RESULTS) -> BenchmarkResults:
    """Return the results in a file that ``benchmarks/compare.py`` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not JSON, or a field is missing or of the wrong kind.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON ({error}): {_CURE}") from error
    return parse_results(record)


def parse_results(record: Mapping[str, Any]) -> BenchmarkResults:
    """Return the results of a record as read from JSON.

    Raises
    ------
    ValueError
        As :func:`read_results` says.
    """
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"The results are not of format {FORMAT}: {_CURE}")
    environments = _field(record, "environments", dict)
    packages = [_field(it, "packages", dict) for it in environments.values()]
    named = _field(record, "contenders", dict)
    contenders = {
        name: Contender(_field(it, "title", str), _field(it, "kind", str, KINDS))
        for name, it in named.items()
    }
    return BenchmarkResults(
        command=_field(record, "command", str),
        date=_field(record, "date", str),
        commit=_field(record, "commit", str),
        cores=_field(record, "cores", int),
        data=_field(record, "data", str),
        seed=_field(record, "seed", int),
        versions={name: version for it in packages for name, version in it.items()},
        contenders=contenders,
        measurements=tuple(
            _measurement(it, contenders) for it in _field(record, "measurements", list)
        ),
    )


def cost_table(results: BenchmarkResults, setting: Setting = QUESTION) -> pd.DataFrame:
    """Return what each contender's step costs, the cheapest first.

    Returns
    -------
    pandas.DataFrame
        Indexed by contender: ``title``, ``kind``, and medians over the rounds: ``ms`` and
        ``cpu_ms`` (wall and processor milliseconds per step), ``compile_seconds`` and
        ``peak_mebibytes`` (of the process).

    Raises
    ------
    ValueError
        If nothing was measured in this setting.
    """
    rounds = rounds_table(results, setting).drop(columns="round")
    table = rounds.groupby("contender").median().sort_values("ms")
    for column in reversed(Contender._fields):
        values = [getattr(results.contenders[name], column) for name in table.index]
        table.insert(0, column, values)
    return table


def ratio_table(results: BenchmarkResults, base: str, setting: Setting = QUESTION) -> pd.DataFrame:
    """Return how many times the base's time each contender takes, compared within each round.

    Parameters
    ----------
    base
        The contender whose time is 1.

    Returns
    -------
    pandas.DataFrame
        Indexed by contender, the smallest first: ``title``; ``ratio``, the median over the rounds
        of milliseconds per step divided by the base's of the same round; ``lowest`` and
        ``highest`` of these; ``rounds``, how many there are.

    Raises
    ------
    ValueError
        If the base was not measured in this setting.
    """
    rounds = rounds_table(results, setting)
    by_round = rounds.pivot(index="round", columns="contender", values="ms")
    if base not in by_round:
        measured = ", ".join(by_round.columns)
        raise ValueError(f"{base} was not measured for {setting}: choose one of {measured}.")
    ratios = by_round.div(by_round[base], axis="index").dropna(how="all", axis="columns")
    table = pd.DataFrame(
        {
            "title": [results.contenders[name].title for name in ratios],
            "ratio": ratios.median(),
            "lowest": ratios.min(),
            "highest": ratios.max(),
            "rounds": ratios.count(),
        }
    )
    return table.sort_values("ratio")


def rounds_table(results: BenchmarkResults, setting: Setting = QUESTION) -> pd.DataFrame:
    """Return a row per measurement in one setting, in the order in which they were taken.

    Raises
    ------
    ValueError
        If there is none.
    """
    taken = [it for it in results.measurements if it.setting == setting]
    if not taken:
        settings = "; ".join(dict.fromkeys(str(it.setting) for it in results.measurements))
        raise ValueError(f"Nothing was measured for {setting}, only for: {settings or 'nothing'}.")
    columns = ["contender", "round", "ms", "cpu_ms", "compile_seconds", "peak_mebibytes"]
    return pd.DataFrame([{name: getattr(it, name) for name in columns} for it in taken])


_CURE = "write it anew with `python benchmarks/compare.py`."


def _measurement(record: Any, contenders: Mapping[str, Contender]) -> Measurement:
    work = _field(record, "work", dict)
    return Measurement(
        contender=_field(record, "contender", str, tuple(contenders)),
        setting=Setting(
            _field(work, "network", str),
            *(_field(work, name, int) for name in ("width", "batch_size", "num_draws")),
        ),
        round=_field(record, "round", int),
        ms=_median(record, "ms"),
        cpu_ms=_median(record, "cpu_ms"),
        compile_seconds=_field(record, "compile_seconds", float),
        peak_mebibytes=_field(record, "peak_mebibytes", float),
        data_mebibytes=_field(record, "data_mebibytes", float),
    )


def _median(record: Any, name: str) -> float:
    """Return the median of the timed runs of one process."""
    values = _field(record, name, list)
    if not values or not all(isinstance(it, float) and np.isfinite(it) and it > 0 for it in values):
        raise ValueError(f"{name!r} of the results holds {values}, no positive numbers: {_CURE}")
    return float(np.median(values))


def _field(record: Any, name: str, kind: type, allowed: tuple[str, ...] | None = None) -> Any:
    """Return a field of a record, checked."""
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"The results lack {name!r}: {_CURE}")
    value = record[name]
    if not isinstance(value, kind) or (allowed and value not in allowed):
        wanted = f"one of {', '.join(allowed)}" if allowed else f"of type {kind.__name__}"
        raise ValueError(f"{name!r} of the results is {value!r}, not {wanted}: {_CURE}")
    return value
