"""The result file: where and when it was measured, every single number, written atomically."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Iterable
from typing import Any

from benchmarks.environments import versions
from benchmarks.registry import Contender

ROOT = pathlib.Path(__file__).resolve().parents[1]
FORMAT = 1
FOLDERS = re.compile(r"(?<![\w.])/(?:[\w.+~@-]+/)+")


def masked(text: str) -> str:
    """Return the text with the folders of absolute paths replaced by "…/"."""
    return FOLDERS.sub("…/", text)


def git(*arguments: str) -> str:
    """Return what git says of this repository; "" where there is none."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def new_record(
    options: argparse.Namespace,
    arguments: list[str],
    contenders: Iterable[Contender],
    pythons: dict[str, str],
) -> dict[str, Any]:
    """Return a record without measurements: all that says how they will have come about."""
    chosen = ("examples", "seed", "rounds", "steps", "repeats", "base")
    return {
        "format": FORMAT,
        "command": masked(" ".join(["python benchmarks/compare.py", *arguments])),
        **provenance(),
        "data": "MNIST" if options.mnist else "deterministic images",
        **{name: getattr(options, name) for name in chosen},
        "environments": {name: versions(python) for name, python in pythons.items()},
        "contenders": {
            it.name: {"title": it.title, "environment": it.environment, "kind": it.kind}
            for it in contenders
        },
        "complete": False,
        "measurements": [],
        "left_out": [],
        "failures": [],
    }


def provenance() -> dict[str, Any]:
    """Return when, on what machine and of which commit the measurements are."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--", "helpers", "benchmarks")),
        "cores": usable_cores(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_record(path: pathlib.Path, record: dict[str, Any]) -> None:
    """Write the record so that the file holds the old or the new one, never a part of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
