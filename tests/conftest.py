"""What several test files share: the built site, made once even with several workers."""

import atexit
import fcntl
import gc
import pathlib
import subprocess
import sys

import browser
import pytest
from sampling import in_sample

ROOT = pathlib.Path(__file__).resolve().parents[1]
gc.set_threshold(100_000, 20, 20)  # tracing makes many objects that stay
atexit.register(gc.freeze)  # and nobody has to take them apart at the end
BUILD = ("build", "--check")  # a stale notebook must fail, not be mended first


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of a long family of tests."""
    line = "sampled(one_in): a usual run takes one in so many of the family; SAMPLED=all takes all"
    config.addinivalue_line("markers", line)
    config.addinivalue_line("markers", "browser: drives a browser; left out where there is none")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take a sample of the long families; give the tests of the built site to one worker.

    The other workers need not wait for the build then.
    """
    kept, left = [], []
    no_browser = browser.missing()
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("site"))
        mark = item.get_closest_marker("sampled")
        taken = mark is None or in_sample(item.name, *mark.args)
        driven = no_browser == "" or item.get_closest_marker("browser") is None
        (kept if taken and driven else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested for want of a browser."""
    if reason := browser.missing():
        terminalreporter.write_line(f"The tests that drive a browser were left out: {reason}.")


@pytest.fixture(scope="session")
def build_lock() -> pathlib.Path:
    """The file that whoever executes chapters or builds the site holds locked."""
    folder = ROOT / "_build"
    folder.mkdir(exist_ok=True)
    return folder / "site.lock"


def run_tool(lock: pathlib.Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of tools/ while no other worker runs one; return its output and exit code."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return subprocess.run(
            [sys.executable, "-m", "tools", *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def site(build_lock: pathlib.Path) -> pathlib.Path:
    """The folder of the built site; what the build complains of is a failed test."""
    done = run_tool(build_lock, *BUILD)
    if done.returncode:
        pytest.fail(f"The book does not build:\n{done.stdout[-3000:]}", pytrace=False)
    return ROOT / "_build" / "html"
