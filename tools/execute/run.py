"""Execute every chapter as Colab would: python -m tools run [--jobs N] [names].

Each chapters/NN-*.ipynb runs alone in an empty folder, with Colab's versions and without the
helpers, which its first cell must fetch. Outputs that are in order go to the cache from which
`jupyter-book build` takes them, so a page shows just what a reader gets.

--colab FOLDER executes them in an environment that `python -m tools colab-environment` made, in
Colab's own kernel and twice in it, with widgets and logs as there; such outputs are checked, and
not stored.
--claims asks only whether all cells run, on libraries that are ahead of Colab's, say.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import pathlib
import re
import sys
import tempfile
import time

from tools.book.references import References
from tools.book.root import BookError
from tools.book.settings import Book, read_book
from tools.colab.notebooks import generate
from tools.command_line import book_parser, told
from tools.execute.cache import OutputCache
from tools.execute.execution import Result, Setting, execute
from tools.execute.progress import Progress, table
from tools.execute.stand_in import (
    STAND_IN,
    Kernel,
    environment,
    faithful_kernel,
    make_origin,
    refuse_reachable_helpers,
)

TOLD = re.compile(r"run in about (\d+) seconds")


@dataclasses.dataclass(frozen=True)
class Job:
    """What is asked for: how many at a time, with which seed, into which cache.

    `in_step` says that the notebooks have just been compared with their chapters, `kernel` where
    they run; what another seed or another kernel gives is not stored, nor what was not looked at
    (`claims_only`).
    """

    jobs: int
    again: bool = False
    seed: int | None = None
    in_step: bool = False
    kernel: Kernel = STAND_IN
    claims_only: bool = False

    @property
    def stores(self) -> bool:
        """Whether the outputs are those of the pages."""
        return self.seed is None and not (self.kernel.faithful or self.claims_only)


def choose(book: Book, names: list[str]) -> list[pathlib.Path]:
    """The notebooks that are named, by stem, number or file; all when none is."""
    paths = [path.with_suffix(".ipynb") for path in book.chapters()]
    chosen = []
    for name in names:
        stem = pathlib.PurePath(name).stem
        found = [path for path in paths if stem in (path.stem, path.stem[:2])]
        if not found:
            raise BookError(f"no chapter is called {name!r}: {', '.join(p.stem for p in paths)}")
        chosen += found
    return chosen or paths


def longest_first(paths: list[pathlib.Path], known: dict[str, float]) -> list[pathlib.Path]:
    """Sort chapters by the seconds they took, or by those that they tell their readers.

    What says nothing comes first: begun last, a long chapter would run alone at the end.
    """

    def seconds(path: pathlib.Path) -> float:
        told = TOLD.search(path.with_suffix(".md").read_text(encoding="utf-8"))
        return known.get(path.stem, float(told[1]) if told else float("inf"))

    return sorted(paths, key=seconds, reverse=True)


async def run_all(
    setting: Setting, paths: list[pathlib.Path], job: Job, cache: OutputCache
) -> list[Result]:
    """Execute the notebooks, the longest first, at most `job.jobs` at a time."""
    order = longest_first(paths, cache.last_seconds())
    free = asyncio.Semaphore(job.jobs)
    with Progress(len(paths)) as progress:

        async def one(path: pathlib.Path) -> Result:
            async with free:
                progress.start(path.stem)
                counter = progress.counter(path.stem)
                result = await execute(setting, path, seed=job.seed, progress=counter)
                progress.end(path.stem, result.seconds, failed=bool(result.troubles))
                if not result.troubles and job.stores:
                    cache.store(result)
                return result

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(path)) for path in order]
        return [task.result() for task in tasks]


def run_with_origin(
    book: Book, paths: list[pathlib.Path], job: Job, cache: OutputCache
) -> list[Result]:
    """Make what the kernels need on disk, then execute the notebooks."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        place = pathlib.Path(folder)
        origin, home = make_origin(book, place / "origin"), place / "home"
        refuse_reachable_helpers(environment(book, origin, home, job.kernel), home, job.kernel)
        passes = 2 if job.kernel.faithful else 1
        leads = References(book).leads
        setting = Setting(book, origin, leads, job.kernel, passes, job.claims_only)
        return asyncio.run(run_all(setting, paths, job, cache))


def refuse_stale_notebooks(book: Book, paths: list[pathlib.Path]) -> None:
    """Stop when a notebook is not what its chapter gives."""
    complaints = generate(book, check=True, paths=[path.with_suffix(".md") for path in paths])
    if complaints:
        raise BookError("\n".join(complaints))


def run_chapters(book: Book, names: list[str], job: Job) -> int:
    """Execute what is not stored yet, print the times, and return the number of failures."""
    start = time.perf_counter()
    paths = choose(book, names)
    if not job.in_step:
        refuse_stale_notebooks(book, paths)
    cache = OutputCache(book, again=job.again)
    stored = {path: cache.find(path) for path in paths} if job.stores else {}
    waiting = [path for path in paths if stored.get(path) is None]
    results = run_with_origin(book, waiting, job, cache) if waiting else []
    rows = {path.stem: (found[1], "stored") for path, found in stored.items() if found}
    rows |= {r.path.stem: (r.seconds, "FAILED" if r.troubles else "ok") for r in results}
    memory = {r.path.stem: r.memory for r in results}
    print(table(rows, time.perf_counter() - start, memory), flush=True)
    failures = [result for result in results if result.troubles]
    for result in sorted(failures, key=lambda result: result.path):
        print(f"\nchapters/{result.path.name}:", *result.troubles, sep="\n", file=sys.stderr)
    cache.drop_old()
    return len(failures)


def cores() -> int:
    """How many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = book_parser("run", __doc__)
    parser.add_argument("names", nargs="*", help="chapters, by name or number (default: all)")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many at a time")
    parser.add_argument("--again", action="store_true", help="execute into a second cache")
    parser.add_argument("--seed", type=int, help="try another seed, store nothing")
    parser.add_argument("--colab", type=pathlib.Path, help="an environment of Colab's packages")
    parser.add_argument("--claims", action="store_true", help="do all cells run? store nothing")
    return parser.parse_args(arguments)


@told
def main(arguments: list[str]) -> int:
    """Run the command."""
    options = read_options(arguments)
    job = Job(
        max(1, options.jobs),
        options.again,
        options.seed,
        kernel=faithful_kernel(options.colab) if options.colab else STAND_IN,
        claims_only=options.claims,
    )
    return min(1, run_chapters(read_book(options.root), options.names, job))
