"""What several test files share: the built site, made once even with several workers."""

import fcntl
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of the built site to one worker: the others need not wait for the build."""
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("site"))


def run_locked(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool while no other worker runs one; return its output and exit code."""
    folder = ROOT / "_build"
    folder.mkdir(exist_ok=True)
    with (folder / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def run_tool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """What runs one of tools/, one at a time across all workers."""
    return run_locked


@pytest.fixture(scope="session")
def site() -> pathlib.Path:
    """The folder of the built site; what the build complains of is a failed test."""
    done = run_locked("tools/build_book.py", "--check")  # a stale notebook must fail, not be mended
    if done.returncode:
        pytest.fail(f"The book does not build:\n{done.stdout[-6000:]}", pytrace=False)
    return ROOT / "_build" / "html"
