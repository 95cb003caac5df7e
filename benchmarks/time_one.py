"""Time one contender in this process: ``python -m benchmarks.time_one '<request as JSON>'``.

The request holds ``file`` (the contender's), ``part`` (of a step, or ""), ``work``, ``steps``,
``repeats``, ``mnist`` and ``examples``. The last line of the output is JSON: what was measured, or
under ``not_offered`` why it was not.
"""

import importlib.util
import json
import math
import os
import resource
import sys
import time
from typing import Any

from benchmarks.work import NotOfferedError, Work, load_images

MEBIBYTE = 2**20


def peak_mebibytes() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEBIBYTE if sys.platform == "darwin" else peak * 1024 / MEBIBYTE


def load_contender(file: str) -> Any:
    """Import a contender's file."""
    spec = importlib.util.spec_from_file_location("contender", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Prepare the contender, run it once to compile, then ``repeats`` times; return the numbers.

    ``ms`` and ``cpu_ms`` hold wall and processor milliseconds per step, one of each repeat.
    ``compile_seconds`` is what the first run took beyond its share of steady steps.
    """
    work, num_steps = Work(**request["work"]), request["steps"]
    images, labels = load_images(request["mnist"], request["examples"])
    numbers: dict[str, Any] = {
        "load": os.getloadavg()[0],
        "data_mebibytes": (images.nbytes + labels.nbytes) / MEBIBYTE,
    }
    start = time.perf_counter()
    contender = load_contender(request["file"])
    imported = time.perf_counter()
    if part := request.get("part"):
        run = contender.prepare_part(part, work, images, labels)
    else:
        run = contender.prepare(work, images, labels)
    prepared = time.perf_counter()
    run(num_steps)
    first = time.perf_counter() - prepared
    numbers |= time_repeats(run, num_steps, request["repeats"])
    steady = sorted(numbers["ms"])[len(numbers["ms"]) // 2] / 1e3 * num_steps
    return numbers | {
        "import_seconds": imported - start,
        "prepare_seconds": prepared - imported,
        "compile_seconds": max(0.0, first - steady),
        "peak_mebibytes": peak_mebibytes(),
    }


def time_repeats(run: Any, num_steps: int, repeats: int) -> dict[str, Any]:
    """Return wall and processor milliseconds per step of each repeat, and the last loss."""
    wall_ms, cpu_ms, loss = [], [], math.nan
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = run(num_steps)
        wall_ms.append((time.perf_counter() - wall) / num_steps * 1e3)
        cpu_ms.append((time.process_time() - cpu) / num_steps * 1e3)
    if not math.isfinite(loss):
        raise ValueError(f"the loss after {(1 + repeats) * num_steps} steps is {loss}")
    return {"ms": wall_ms, "cpu_ms": cpu_ms, "loss": float(loss)}


def main() -> None:
    """Answer the request on the command line."""
    try:
        answer = measure(json.loads(sys.argv[1]))
    except NotOfferedError as error:
        answer = {"not_offered": str(error)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
