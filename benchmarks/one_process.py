"""Measurements taken in turns in one process, in the format of the benchmark of training steps."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.environments import versions
from benchmarks.record import FORMAT, masked, provenance
from benchmarks.time_one import peak_mebibytes
from benchmarks.work import Images, Work


class Times(NamedTuple):
    """Wall and processor milliseconds."""

    ms: float
    cpu_ms: float


def new_record(
    program: str, options: argparse.Namespace, arguments: list[str], contenders: dict[str, Any]
) -> dict[str, Any]:
    """Return a record without measurements for a program that times all in one process."""
    return {
        "format": FORMAT,
        "command": masked(" ".join([f"python -m {program}", *arguments])),
        **provenance(),
        "data": "MNIST" if options.mnist else "deterministic images",
        "seed": options.seed,
        "rounds": options.rounds,
        "environments": {"book": versions(sys.executable)},
        "contenders": contenders,
        "measurements": [],
    }


def measurement(
    where: tuple[str, Work, int], images: Images, times: list[Times], compile_seconds: float
) -> dict[str, Any]:
    """Return what a contender's work took in a round; its memory is that of the process so far."""
    contender, work, number = where
    return {
        "contender": contender,
        "work": dataclasses.asdict(work),
        "round": number,
        "ms": [it.ms for it in times],
        "cpu_ms": [it.cpu_ms for it in times],
        "compile_seconds": compile_seconds,
        "peak_mebibytes": peak_mebibytes(),
        "data_mebibytes": images.nbytes / 2**20,
    }


def timed(function: Callable[[], Any], parts: int) -> Times:
    """Return the milliseconds of a call, divided by the number of equal parts that it does."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Times(1e3 * wall / parts, 1e3 * cpu / parts)
