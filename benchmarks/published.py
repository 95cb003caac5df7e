"""Repeat published trainings: ``python -m benchmarks.published NAME``, hours if need be.

NAME is a training of ``helpers/published/catalogue.py``; ``--list`` names them. Each seed is saved
every minute below ``--folder`` and measured at chosen epochs; the result file is written after each
of these. Called again, with the same words, the command goes on where it was, draw for draw.
``--again`` trains one seed more and compares it with the committed results; it ends with status 1
if the error or the KL lies outside of the interval in which 99 of 100 trainings lie.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import time
from typing import Any

from benchmarks.environments import versions
from benchmarks.record import masked, provenance, write_record
from helpers.data.images import load_images
from helpers.published.again import train_again
from helpers.published.catalogue import CATALOGUE, Repeated
from helpers.published.repeat import Point, repeat

FORMAT = 1
ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "helpers" / "results" / "published"


def new_record(name: str, repeated: Repeated, arguments: list[str]) -> dict[str, Any]:
    """Return the record of a training that has not begun."""
    return {
        "format": FORMAT,
        "command": masked(" ".join(["python -m benchmarks.published", *arguments])),
        **provenance(),
        "environments": {"book": versions(sys.executable)},
        "name": name,
        "title": repeated.title,
        "recipe": json.loads(json.dumps(repeated.recipe.as_record())),
        "epochs": list(repeated.epochs),
        "complete": False,
        "seeds": {},
    }


def row(point: Point) -> dict[str, Any]:
    """Return a point as what JSON can hold; the rows of its epochs are kept apart."""
    values = dict(vars(point))
    del values["history"], values["pruned"]
    pruned = {str(share): round(error, 4) for share, error in point.pruned.items()}
    return {name: round(value, 6) for name, value in values.items()} | {"pruned": pruned}


class Recorder:
    """The result file of one training: what is in it, and what is still missing."""

    def __init__(self, path: pathlib.Path, record: dict[str, Any]) -> None:
        self.path, self.record = path, record
        if path.is_file():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known["recipe"] != record["recipe"]:
                raise SystemExit(f"{path.name} holds another recipe: remove it to begin anew.")
            self.record = {**known, "epochs": record["epochs"]}

    def begin(self, seed: int) -> dict[str, Any]:
        """Return what is known of a seed, with one more start counted."""
        empty = {"starts": 0, "seconds": 0.0, "points": [], "history": []}
        known = self.record["seeds"].setdefault(str(seed), empty)
        known["starts"] += 1
        self.write()
        return known

    def write(self) -> None:
        """Write the file; it is complete when every seed has its last point."""
        last = self.record["epochs"][-1]
        ended = [
            bool(known["points"]) and known["points"][-1]["epoch"] >= last
            for known in self.record["seeds"].values()
        ]
        self.record["complete"] = all(ended) and len(ended) >= self.record["wanted"]
        write_record(self.path, self.record)


def measure_seed(recorder: Recorder, repeated: Repeated, seed: int, options: Any) -> None:
    """Train one seed to its end, from wherever it stands, and record its points."""
    known = recorder.record["seeds"].get(str(seed), {"points": []})
    done = known["points"][-1]["epoch"] if known["points"] else 0
    left = [epoch for epoch in recorder.record["epochs"] if epoch > done]
    if not left:
        return
    known = recorder.begin(seed)
    data = load_images(repeated.recipe.data, repeated.recipe.pixels, options.images)
    folder = options.folder / recorder.record["name"] / f"seed-{seed}"
    start = time.perf_counter()
    for point in repeat(repeated.recipe, data, left, after=done, seed=seed, folder=folder):
        known["points"].append(row(point))
        known["history"] += point.history.round(6).to_dict("records")
        known["seconds"] = round(known["seconds"] + time.perf_counter() - start, 1)
        start = time.perf_counter()
        recorder.write()
        print(f"{recorder.record['name']} seed {seed}: {row(point)}", flush=True)
    recorder.write()


def is_as_before(name: str, options: argparse.Namespace) -> bool:
    """Train one seed more for some epochs; whether it lies where the committed results say."""
    table = train_again(
        name,
        options.epochs or 1,
        level=0.99,
        seed=options.seeds[0],
        images=options.images,
        progress=False,
    )
    print(f"{CATALOGUE[name].title}\n{table.to_string()}", flush=True)
    return bool(table.loc[["error", "kl"], "inside"].all())


def main() -> None:
    """Repeat the trainings that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the catalogue")
    parser.add_argument("--list", action="store_true", help="name the trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="which")
    parser.add_argument("--epochs", type=int, help="end after so many, not as the catalogue says")
    parser.add_argument("--again", action="store_true", help="one seed more, against the results")
    parser.add_argument(
        "--images", type=pathlib.Path, help="a file of images in place of a download"
    )
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "_build" / "published")
    parser.add_argument("--out", type=pathlib.Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    if options.list or not options.names:
        print("\n".join(f"{name:15} {it.title}" for name, it in CATALOGUE.items()))
        return
    unknown = [name for name in options.names if name not in CATALOGUE]
    if unknown:
        parser.error(f"no training {', '.join(unknown)}; --list names them")
    if options.again:
        verdicts = [is_as_before(name, options) for name in options.names]
        sys.exit(0 if all(verdicts) else 1)
    for seed in options.seeds:
        for name in options.names:
            repeated = CATALOGUE[name]
            if options.epochs is not None:
                kept = [epoch for epoch in repeated.epochs if epoch < options.epochs]
                repeated = dataclasses.replace(repeated, epochs=(*kept, options.epochs))
            record = new_record(name, repeated, sys.argv[1:])
            record["wanted"] = len(options.seeds)
            recorder = Recorder(options.out / f"{name}.json", record)
            measure_seed(recorder, repeated, seed, options)


if __name__ == "__main__":
    main()
