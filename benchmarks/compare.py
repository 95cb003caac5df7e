"""Measure contenders side by side: ``python benchmarks/compare.py --help``.

Every measurement runs in a fresh process. A round measures all contenders once, one after another,
and each round starts with another one, so that whatever else the machine does meets all alike. The
result file is written after each measurement; Ctrl-C keeps what is done.
"""

import argparse
import dataclasses
import datetime
import itertools
import json
import pathlib
import signal
import subprocess
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.environments import clean_variables, interpreter
from benchmarks.record import masked, new_record, write_record
from benchmarks.registry import ENVIRONMENTS, Contender, choose
from benchmarks.work import NETWORKS, Work
from helpers.page.benchmark_results import Setting, cost_table, parse_results, ratio_table

STDERR_LINES = 8
WIDTHS, BATCHES, DRAWS = (100, 400, 1200), (32, 128, 512), (1, 4, 16)
Key = tuple[str, Work]


# Options with a value: name, default, what it is.
NUMBERS = (
    ("rounds", 3, "rounds, each in fresh processes"),
    ("steps", 468, "steps in a run: an epoch of batches of 128"),
    ("repeats", 3, "timed runs of a process after its first"),
    ("width", 400, "units of each of the two hidden layers"),
    ("batch", 128, "examples in a batch"),
    ("draws", 1, "weight draws in a step"),
    ("examples", 60_000, "training examples"),
    ("timeout", 1800, "seconds for one measurement"),
)


def parse_options(arguments: list[str]) -> argparse.Namespace:
    """Return the options, checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--contenders", nargs="+", default=[], help="names, or files of your own (default: all)")
    add("--base", default="book_trainer", help="the contender that others are compared with")
    add("--sweep", action="store_true", help="other widths, batches, draws and LeNet-5 as well")
    add("--network", choices=NETWORKS, default="dense")
    for name, default, meaning in NUMBERS:
        add(f"--{name}", type=int, default=default, help=f"{meaning} (default {default:,})")
    add("--seed", type=int, default=0)
    add("--mnist", help="the file mnist.npz of Keras (default: deterministic images)")
    add("--python", nargs="+", default=[], metavar="NAME=PATH", help="a ready environment")
    add("--out", type=pathlib.Path, help="result file (default: benchmarks/results/<date>.json)")
    options = parser.parse_args(arguments)
    if low := [name for name, *_ in NUMBERS if getattr(options, name) < 1]:
        parser.error(f"--{low[0]} must be at least 1")
    if options.out and options.out.exists():
        parser.error(f"{options.out} exists: remove it, or name another file")
    if wrong := [it for it in options.python if it.partition("=")[0] not in ENVIRONMENTS]:
        parser.error(f"--python {wrong[0]}: write NAME=PATH, NAME one of {', '.join(ENVIRONMENTS)}")
    return options


def works_of(options: argparse.Namespace) -> list[Work]:
    """Return the work of the options; with ``--sweep`` also its variations, one at a time."""
    centre = Work(options.network, options.width, options.batch, options.draws, seed=options.seed)
    if not options.sweep:
        return [centre]
    changes: list[dict[str, Any]] = [{"width": it} for it in WIDTHS]
    changes += [{"batch_size": it} for it in BATCHES] + [{"num_draws": it} for it in DRAWS]
    varied = [dataclasses.replace(centre, **it) for it in [*changes, {"network": "lenet5"}]]
    return list(dict.fromkeys([centre, *varied]))


def rotated(contenders: list[Contender], round_number: int) -> list[Contender]:
    """Return the contenders in the order of a round: each round starts one further on."""
    start = round_number % len(contenders)
    return contenders[start:] + contenders[:start]


def time_in_fresh_process(
    contender: Contender, work: Work, python: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the numbers of one measurement; under ``stderr`` the last lines of a failed one."""
    request = {
        "file": str(contender.file),
        "part": contender.part,
        "work": dataclasses.asdict(work),
        "steps": options.steps,
        "repeats": options.repeats,
        "mnist": options.mnist and str(pathlib.Path(options.mnist).resolve()),
        "examples": options.examples,
    }
    command = [python, "-m", "benchmarks.time_one", json.dumps(request)]
    pipes: dict[str, Any] = {"capture_output": True, "text": True, "timeout": options.timeout}
    try:
        done = subprocess.run(command, cwd=ROOT, env=clean_variables(), check=False, **pipes)
    except subprocess.TimeoutExpired:
        return {"stderr": [f"stopped after {options.timeout:g} seconds (--timeout)"]}
    if done.returncode:
        lines = masked(done.stderr).strip().splitlines()[-STDERR_LINES:]
        return {"stderr": [*lines, f"ended with status {done.returncode}"]}
    numbers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def add_to_record(record: dict[str, Any], where: dict[str, Any], numbers: dict[str, Any]) -> bool:
    """File the numbers where they belong; return whether the contender should be tried again."""
    if "not_offered" in numbers:
        record["left_out"].append({**where, "reason": numbers["not_offered"]})
        say(f"  left out: {numbers['not_offered']}")
    elif "stderr" in numbers:
        record["failures"].append({**where, **numbers})
        say("  FAILED:", *numbers["stderr"], sep="\n    ")
    else:
        record["measurements"].append({**where, **numbers})
        middle = sorted(numbers["ms"])[len(numbers["ms"]) // 2]
        say(f"  {middle:.2f} ms per step")
        return True
    return False


def measure_all(
    record: dict[str, Any],
    works: list[Work],
    contenders: list[Contender],
    pythons: dict[str, str],
    options: argparse.Namespace,
) -> None:
    """Fill the record round by round and write it after each measurement."""
    write_record(options.out, record)  # a place that cannot be written to shows now, not later
    given_up: set[Key] = set()
    for number, work in itertools.product(range(options.rounds), works):
        for position, contender in enumerate(rotated(contenders, number)):
            if (contender.name, work) in given_up:
                continue
            say(f"round {number + 1}, {setting_of(work)}: {contender.name}")
            python = pythons[contender.environment]
            numbers = time_in_fresh_process(contender, work, python, options)
            where: dict[str, Any] = {"contender": contender.name, "work": dataclasses.asdict(work)}
            where |= {"round": number, "position": position}
            if not add_to_record(record, where, numbers):
                given_up.add((contender.name, work))
            write_record(options.out, record)
    record["complete"] = True
    write_record(options.out, record)


def setting_of(work: Work) -> Setting:
    """Return the part of the work by which results are told apart."""
    return Setting(work.network, work.width, work.batch_size, work.num_draws)


def summary(record: dict[str, Any], works: list[Work], base: str) -> str:
    """Return the tables of all works, and who was left out or failed."""
    results, parts = parse_results(record), []
    for setting in map(setting_of, works):
        measured = {it.contender for it in results.measurements if it.setting == setting}
        if not measured:
            continue
        table = cost_table(results, setting).drop(columns="kind")
        compared_with = base if base in measured else str(table.index[0])
        ratios = ratio_table(results, compared_with, setting).drop(columns="title")
        shown = table.join(ratios).to_string(float_format="%.2f")
        parts.append(f"{setting}; ratio: times the time of {compared_with}\n{shown}")
    for what in ("left_out", "failures"):
        for it in record[what]:
            setting, reason = setting_of(Work(**it["work"])), it.get("reason")
            reason = reason or "".join(f"\n    {line}" for line in it["stderr"])
            parts.append(f"{what.replace('_', ' ')}: {it['contender']}, {setting}: {reason}")
    return "\n\n".join(parts)


def say(*parts: str, sep: str = " ") -> None:
    """Print a line at once, so that a run in the background can be watched."""
    print(*parts, sep=sep, flush=True)


def stop(*_: object) -> None:
    """End like Ctrl-C when told to end."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Measure and report; return 0, 1 if a contender failed, 130 if interrupted."""
    options = parse_options(arguments)
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, stop)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d-%H%M%S")
    options.out = options.out or ROOT / "benchmarks" / "results" / f"{stamp}.json"
    try:
        contenders, works = choose(options.contenders), works_of(options)
    except (ValueError, OSError) as error:
        say(f"compare.py: {error}")
        return 2
    names = [it.name for it in contenders]
    options.base = options.base if options.base in names else names[0]
    given = dict(it.split("=", 1) for it in options.python)
    pythons = {it: interpreter(it, given) for it in {it.environment for it in contenders}}
    record = new_record(options, arguments, contenders, pythons)
    status = 0
    try:
        measure_all(record, works, contenders, pythons, options)
    except KeyboardInterrupt:
        say("Interrupted; what was measured so far is kept.")
        status = 130
    say("", summary(record, works, options.base), "", f"written: {options.out}", sep="\n")
    return status or int(bool(record["failures"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
