"""Reading what repeated trainings have come to: points, epochs and pruning, for each seed.

Introduced in chapters/20-published-numbers.md, "Published numbers, repeated".
"""

import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..prediction.seed_intervals import Interval, t_interval

RESULTS = pathlib.Path(__file__).parents[1] / "results" / "published"
FORMAT = 1


@dataclass(frozen=True)
class TrainingResults:
    """A result file of ``python -m benchmarks.published``.

    Attributes
    ----------
    name
        Of the training, in the catalogue.
    command, date, commit, versions
        How the file came about.
    points
        A row for each seed and epoch at which it was measured: ``seed``, ``epoch``, ``error``
        (percent), ``error_of_means``, ``log_density`` (nats), ``kl`` (nats), ``mean_stddev``.
    epochs
        A row for each seed and epoch: means of ``negative_log_likelihood``, ``kl`` and ``loss``,
        and ``moving_loss``.
    pruned
        A row for each seed, epoch and share of ``removed`` weights: ``error`` (percent).
    effort
        A row for each seed: ``seconds``, and ``starts`` of the program, one more than
        interruptions.
    """

    name: str
    command: str
    date: str
    commit: str
    versions: Mapping[str, str]
    points: pd.DataFrame
    epochs: pd.DataFrame
    pruned: pd.DataFrame
    effort: pd.DataFrame

    @property
    def last_epoch(self) -> int:
        """The last epoch that every seed has come to."""
        return int(self.points.groupby("seed")["epoch"].max().min())

    def values(self, measure: str, epoch: int | None = None) -> pd.Series:
        """Return a measure after an epoch (the last one by default), by seed.

        Raises
        ------
        ValueError
            If there is no such measure, or no seed was measured there.
        """
        epoch = self.last_epoch if epoch is None else epoch
        table = self.points if measure in self.points else self.epochs
        rows = table[table["epoch"] == epoch]
        if measure not in table or rows.empty:
            measured = sorted(set(self.points["epoch"]))
            raise ValueError(
                f"{self.name}: no {measure!r} after {epoch} epochs; there are "
                f"{', '.join(self.points.columns[2:])}, after {', '.join(map(str, measured))}."
            )
        return rows.set_index("seed")[measure]

    def interval(self, measure: str, epoch: int | None = None) -> Interval:
        """Return mean and 95 % interval of a measure over seeds, by Student's t."""
        return t_interval(self.values(measure, epoch).to_numpy())


def read_results(name: str, folder: pathlib.Path = RESULTS) -> TrainingResults:
    """Return the results of a training that was repeated.

    Raises
    ------
    FileNotFoundError
        If it was not, with the command that repeats it.
    ValueError
        If the file is of another format.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no result of {name!r}: python -m benchmarks.published {name} makes it."
        )
    record = json.loads(path.read_text(encoding="utf-8"))
    if record.get("format") != FORMAT:
        raise ValueError(
            f"{path.name} has format {record.get('format')}, and {FORMAT} is read here."
        )
    seeds = {int(seed): known for seed, known in record["seeds"].items()}
    points = [{"seed": seed, **row} for seed, known in seeds.items() for row in known["points"]]
    effort = [{"seed": s, "seconds": k["seconds"], "starts": k["starts"]} for s, k in seeds.items()]
    return TrainingResults(
        name=record["name"],
        command=record["command"],
        date=record["date"],
        commit=record["commit"],
        versions=record["environments"]["book"]["packages"],
        points=pd.DataFrame(points).drop(columns="pruned"),
        epochs=pd.DataFrame([{"seed": s, **row} for s, k in seeds.items() for row in k["history"]]),
        pruned=pd.DataFrame([row for point in points for row in _pruned(point)]),
        effort=pd.DataFrame(effort),
    )


def _pruned(point: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the errors after pruning, of a point."""
    where = {"seed": point["seed"], "epoch": point["epoch"]}
    return [{**where, "removed": float(k), "error": v} for k, v in point["pruned"].items()]
