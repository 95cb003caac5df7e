"""Execute every chapter as Colab would: python tools/run_chapters.py [--jobs N] [names].

Each chapters/NN-*.ipynb runs alone in an empty folder, with Colab's versions and without the
helpers, which its first cell must fetch. Outputs that are in order go to the cache from which
`jupyter-book build` takes them, so a page shows just what a reader gets.

--colab FOLDER executes them in an environment made by tools/colab_environment.py, in Colab's own
kernel and twice in it, with widgets and logs as there; such outputs are checked, and not stored.
--claims asks only whether all cells run, on libraries that are ahead of Colab's, say.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import hashlib
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
from colab_stand_in import (
    STAND_IN,
    Kernel,
    environment,
    faithful_kernel,
    make_origin,
    refuse_reachable_helpers,
)
from execution import Result, Setting, execute
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from notebooks import generate
from page_form import page_form
from page_source import read_notebook
from progress import Progress, table
from reach import Modules, fingerprint
from references import References

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "_ext"))
import cache_key

KEPT_CACHES = 3
AGAIN = "-again"
FINGERPRINTS = "fingerprints.json"
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
        self.book = book
        path = cache_key.cache_path(book.root)
        self.suffix = AGAIN if again else ""
        self.path = path.with_name(path.name + self.suffix)
        self.seconds_file = path.parent / "seconds.json"
        self.path.mkdir(parents=True, exist_ok=True)
        os.utime(self.path)
        self.cache = get_cache(str(self.path))
        self.modules = Modules(book.root)
        # As they were before the minutes of an execution, in which a file may be edited.
        self.asked: dict[pathlib.Path, tuple[nbformat.NotebookNode, str]] = {}

    def find(self, path: pathlib.Path) -> tuple[nbformat.NotebookNode, float] | None:
        """The page of the notebook at `path` with its outputs and the seconds they took, if stored.

        Outputs of other helpers count too, if the chapter reaches none of those that changed.
        """
        wanted = self._fingerprint(nbformat.read(path, as_version=4))
        page = self._page(path)
        self.asked[path] = page, wanted
        others = sorted(self.path.parent.glob(f"*/{FINGERPRINTS}"))
        for prints in [self.path / FINGERPRINTS, *others]:
            same_kind = prints.parent.name.endswith(AGAIN) == bool(self.suffix)
            if not same_kind or read_json(prints).get(path.stem) != wanted:
                continue
            if found := match(get_cache(str(prints.parent)), page):
                if prints.parent != self.path:
                    self._keep(path, *found, wanted)
                return found
        return None

    def _page(self, path: pathlib.Path) -> nbformat.NotebookNode:
        """The chapter of the notebook at `path` as Sphinx reads it."""
        return read_notebook(self.book, path.with_suffix(".md"))

    def _fingerprint(self, notebook: nbformat.NotebookNode) -> str:
        """What outputs depend on: the notebook's code, and the helpers that it reaches."""
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        own = hashlib.sha256(code.encode()).hexdigest()[:16]
        return f"{own} {fingerprint(self.modules, code)}"

    def has_page(self, path: pathlib.Path) -> bool:
        """Whether outputs are stored for the chapter as Sphinx reads it."""
        return match(self.cache, self._page(path)) is not None

    def store(self, result: Result) -> None:
        """Store the outputs of an execution, for the page and the code that were asked for."""
        page, wanted = self.asked[result.path]
        self._keep(result.path, page_form(page, result.notebook), result.seconds, wanted)
        seconds = {**self.last_seconds(), result.path.stem: round(result.seconds, 1)}
        self.seconds_file.write_text(json.dumps(seconds, indent=1, sort_keys=True))

    def _keep(
        self, path: pathlib.Path, page: nbformat.NotebookNode, seconds: float, print_: str
    ) -> None:
        """Put a page's outputs into the cache, with the fingerprint of what they depend on."""
        bundle = CacheBundleIn(page, str(path), data={"execution_seconds": seconds})
        self.cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        prints = self.path / FINGERPRINTS
        known = {**read_json(prints), path.stem: print_}
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


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="chapters, by name or number (default: all)")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many at a time")
    parser.add_argument("--again", action="store_true", help="execute into a second cache")
    parser.add_argument("--seed", type=int, help="try another seed, store nothing")
    parser.add_argument("--colab", type=pathlib.Path, help="an environment of Colab's packages")
    parser.add_argument("--claims", action="store_true", help="do all cells run? store nothing")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the book's folder")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    options = read_options(arguments)
    try:
        kernel = faithful_kernel(options.colab) if options.colab else STAND_IN
        how = {"kernel": kernel, "claims_only": options.claims}
        job = Job(max(1, options.jobs), options.again, options.seed, **how)
        return min(1, run_chapters(read_book(options.root), options.names, job))
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the kernels are shut down", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
