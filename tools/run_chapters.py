"""Execute every chapter as Colab would: python tools/run_chapters.py [--jobs N] [names].

Each chapters/NN-*.ipynb runs alone in an empty folder, with Colab's versions and without the
helpers, which its first cell must fetch. Outputs that are in order go to the cache from which
`jupyter-book build` takes them, so a page shows just what a reader gets.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
from typing import Any

import nbformat
from book_settings import ROOT, Book, BookError, read_book
from colab_stand_in import environment, make_origin, refuse_reachable_helpers
from execution import Result, execute
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from notebooks import generate
from page_source import read_notebook
from progress import Progress, table
from reach import Modules, fingerprint

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "_ext"))
import cache_key

KEPT_CACHES = 3
AGAIN = "-again"
FINGERPRINTS = "fingerprints.json"
TOLD = re.compile(r"run in about (\d+) seconds")


@dataclasses.dataclass(frozen=True)
class Job:
    """What is asked for: how many at a time, with which seed, into which cache.

    `in_step` says that the notebooks have just been compared with their chapters.
    """

    jobs: int
    again: bool = False
    seed: int | None = None
    in_step: bool = False


def match(
    cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode
) -> tuple[nbformat.NotebookNode, float] | None:
    """The executed form of a notebook and the seconds it took, if it is in the cache."""
    try:
        record = cache.match_cache_notebook(notebook)
    except KeyError:
        return None
    return cache.get_cache_bundle(record.pk).nb, float(record.data["execution_seconds"])


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """What a file of the cache holds; nothing while there is none."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


class OutputCache:
    """The outputs that belong to the helpers and versions of now."""

    def __init__(self, book: Book, *, again: bool = False) -> None:
        path = cache_key.cache_path(book.root)
        self.suffix = AGAIN if again else ""
        self.path = path.with_name(path.name + self.suffix)
        self.seconds_file = path.parent / "seconds.json"
        self.path.mkdir(parents=True, exist_ok=True)
        os.utime(self.path)
        self.cache = get_cache(str(self.path))
        self.modules = Modules(book.root)

    def find(self, path: pathlib.Path) -> tuple[nbformat.NotebookNode, float] | None:
        """The executed notebook for the code in `path` and the seconds it took, if stored.

        Outputs of other helpers count too, if the chapter reaches none of those that changed.
        """
        notebook = nbformat.read(path, as_version=4)
        return self.match(notebook) or self._carry_over(path, notebook)

    def match(self, notebook: nbformat.NotebookNode) -> tuple[nbformat.NotebookNode, float] | None:
        """The executed form of a notebook and the seconds it took, if stored."""
        return match(self.cache, notebook)

    def _carry_over(
        self, path: pathlib.Path, notebook: nbformat.NotebookNode
    ) -> tuple[nbformat.NotebookNode, float] | None:
        """Take the outputs from an older cache where all that they depend on is still the same."""
        wanted = self._fingerprint(notebook)
        for prints in self.path.parent.glob(f"*/{FINGERPRINTS}"):
            same_kind = prints.parent.name.endswith(AGAIN) == bool(self.suffix)
            if not same_kind or read_json(prints).get(path.stem) != wanted:
                continue
            if found := match(get_cache(str(prints.parent)), notebook):
                self._keep(path, *found)
                return found
        return None

    def _fingerprint(self, notebook: nbformat.NotebookNode) -> str:
        cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        return fingerprint(self.modules, "\n".join(cells))

    def has_page(self, book: Book, path: pathlib.Path) -> bool:
        """Whether outputs are stored for the chapter as Sphinx reads it."""
        return self.match(read_notebook(book, path)) is not None

    def store(self, result: Result) -> None:
        """Store the outputs of an execution."""
        self._keep(result.path, result.notebook, result.seconds)
        seconds = {**self.last_seconds(), result.path.stem: round(result.seconds, 1)}
        self.seconds_file.write_text(json.dumps(seconds, indent=1, sort_keys=True))

    def _keep(self, path: pathlib.Path, notebook: nbformat.NotebookNode, seconds: float) -> None:
        """Put outputs into the cache, with the fingerprint of what they depend on."""
        bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
        self.cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        prints = self.path / FINGERPRINTS
        known = {**read_json(prints), path.stem: self._fingerprint(notebook)}
        prints.write_text(json.dumps(known, indent=1, sort_keys=True))

    def last_seconds(self) -> dict[str, float]:
        """How long each chapter took when it was last executed, under whatever key."""
        return read_json(self.seconds_file)

    def drop_old(self) -> None:
        """Keep the newest caches only."""
        folders = [path for path in self.path.parent.iterdir() if path.is_dir()]
        kept: list[str] = []
        for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
            key = folder.name.removesuffix(AGAIN)
            if key not in kept:
                kept.append(key)
            if key not in kept[:KEPT_CACHES]:
                shutil.rmtree(folder)


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
    book: Book, paths: list[pathlib.Path], origin: str, job: Job, cache: OutputCache
) -> list[Result]:
    """Execute the notebooks, the longest first, at most `job.jobs` at a time."""
    order = longest_first(paths, cache.last_seconds())
    free = asyncio.Semaphore(job.jobs)
    with Progress(len(paths)) as progress:

        async def one(path: pathlib.Path) -> Result:
            async with free:
                progress.start(path.stem)
                result = await execute(
                    book, path, origin, seed=job.seed, progress=progress.counter(path.stem)
                )
                progress.end(path.stem, result.seconds, failed=bool(result.troubles))
                if not result.troubles and job.seed is None:
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
        origin = make_origin(book, place / "origin")
        refuse_reachable_helpers(environment(book, origin, place / "home"), place / "home")
        return asyncio.run(run_all(book, paths, origin, job, cache))


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
    stored = {} if job.seed is not None else {path: cache.find(path) for path in paths}
    waiting = [path for path in paths if stored.get(path) is None]
    results = run_with_origin(book, waiting, job, cache) if waiting else []
    rows = {path.stem: (found[1], "stored") for path, found in stored.items() if found}
    rows |= {r.path.stem: (r.seconds, "FAILED" if r.troubles else "ok") for r in results}
    print(table(rows, time.perf_counter() - start), flush=True)
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


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="chapters, by name or number (default: all)")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many at a time")
    parser.add_argument("--again", action="store_true", help="execute into a second cache")
    parser.add_argument("--seed", type=int, help="try another seed, store nothing")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the book's folder")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    options = read_options(arguments)
    job = Job(max(1, options.jobs), options.again, options.seed)
    try:
        return min(1, run_chapters(read_book(options.root), options.names, job))
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the kernels are shut down", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
