"""Run all tests: python -m tools check (what `make test` calls); the last line counts them.

A green run leaves a stamp that names every file of the book and every installed version. As long as
the stamp fits, nothing that a test looks at has changed, and the run is not repeated: FORCE=1
repeats it.
"""

import hashlib
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import defaultdict

from tools.book.root import ROOT
from tools.command_line import parser
from tools.execute.progress import slowest

STAMP = ROOT / "_build" / "green.json"
REPORT = ROOT / "_build" / "tests.xml"
CHAPTERS = ROOT / "_build" / ".jupyter_cache" / "seconds.json"
# Workers: one for each core, and no more than four, as each may hold TensorFlow in memory.
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "logical", "--maxprocesses", "4"]
PYTEST += ["--dist", "loadgroup", f"--junitxml={REPORT}"]


def book_files(root: pathlib.Path) -> list[str]:
    """Return the files of the book: tracked ones, and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    return sorted(set(listed.decode().split("\0")) - {""})


def state(root: pathlib.Path) -> str:
    """Return a hash of all that a test can depend on: files, interpreter, versions."""
    digest = hashlib.sha256(sys.version.encode())
    versions = {f"{d.name.lower()}=={d.version}" for d in importlib.metadata.distributions()}
    digest.update("\n".join(sorted(versions)).encode())
    for name in book_files(root):
        path = root / name
        content = path.read_bytes() if path.is_file() else b"gone"
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


def counts(report: pathlib.Path, code: int) -> tuple[int, int]:
    """Return how many tests passed and failed; skipped or broken off is failed."""
    suites = list(ET.parse(report).getroot().iter("testsuite"))
    total = sum(int(suite.get("tests", 0)) for suite in suites)
    names = ("failures", "errors", "skipped")
    failed = sum(int(suite.get(name, 0)) for suite in suites for name in names)
    return total - failed, max(failed, int(code != 0))


def slowest_tests(report: pathlib.Path, count: int = 10) -> str:
    """Name the slowest tests and files, each test with the fixtures that it was first to use.

    Some of it is waiting: whoever asks first for the built site waits until it is built.
    """
    cases = [case.attrib for case in ET.parse(report).getroot().iter("testcase")]
    tests: dict[str, float] = defaultdict(float)
    files: dict[str, float] = defaultdict(float)
    for case in cases:
        file, name = case["classname"].rpartition(".")[2], case["name"].partition("@")[0]
        tests[f"{file}.py::{name}"] += float(case["time"])
        files[f"{file}.py"] += float(case["time"])
    longest = sorted(tests.items(), key=lambda item: -item[1])[:count]
    rows = [f"{seconds:7.1f} s  {name}" for name, seconds in longest]
    return "\n".join(["slowest tests:", *rows, f"slowest files: {slowest(files)}"])


def print_slowest() -> None:
    """Print where the time went, as far as anything was run."""
    if REPORT.is_file():
        print(slowest_tests(REPORT))
    if CHAPTERS.is_file():
        print(f"slowest chapters: {slowest(json.loads(CHAPTERS.read_text()))}")


def unchanged_since_green(now: str) -> str | None:
    """Return the sentence about the green run that still holds, if there is one."""
    if os.environ.get("FORCE") or not STAMP.is_file():
        return None
    green = json.loads(STAMP.read_text(encoding="utf-8"))
    if green["state"] != now:
        return None
    again = "make test FORCE=1 runs them again"
    line = f"{green['passed']} passed, 0 failed"
    return f"Nothing changed since the green run of {green['date']}; {again}.\n{line}"


def run_tests() -> tuple[int, int, int]:
    """Run pytest; return its exit code and how many tests passed and failed."""
    # As many workers as cores: more threads in each would only wait for one another.
    threads = {"TF_NUM_INTRAOP_THREADS": "1"}
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.unlink(missing_ok=True)
    code = subprocess.run(PYTEST, cwd=ROOT, env={**os.environ, **threads}, check=False).returncode
    passed, failed = counts(REPORT, code) if REPORT.is_file() else (0, 1)
    return code, passed, failed


def main(arguments: list[str]) -> int:
    """Run the tests, or say that nothing changed; 0 if all passed."""
    options = parser("check", __doc__)
    options.add_argument("--last", action="store_true", help="count the tests of a red run")
    if options.parse_args(arguments).last:
        print("{} passed, {} failed".format(*counts(REPORT, 1)))
        return 0
    before = state(ROOT)
    sentence = unchanged_since_green(before)
    if sentence:
        print(sentence)
        return 0
    STAMP.unlink(missing_ok=True)
    code, passed, failed = run_tests()
    print_slowest()
    print(f"{passed} passed, {failed} failed")
    if code or failed or not passed:
        return code or 1
    if state(ROOT) == before:
        date = time.strftime("%Y-%m-%d %H:%M")
        STAMP.write_text(json.dumps({"state": before, "date": date, "passed": passed}))
    return 0
