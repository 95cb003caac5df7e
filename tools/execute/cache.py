"""The outputs of chapters that are stored, each with what it depends on.

Sphinx takes them from the same folder, so a page shows just what was executed.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from typing import Any

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract

from tools.book.page_source import read_notebook
from tools.book.settings import Book
from tools.colab.page_form import page_form
from tools.execute.execution import Result
from tools.execute.fingerprint import Fingerprints, cache_path

KEPT_CACHES = 3
AGAIN = "-again"
FINGERPRINTS = "fingerprints.json"


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
        path = cache_path(book.root)
        self.suffix = AGAIN if again else ""
        self.path = path.with_name(path.name + self.suffix)
        self.seconds_file = path.parent / "seconds.json"
        self.path.mkdir(parents=True, exist_ok=True)
        os.utime(self.path)
        self.cache = get_cache(str(self.path))
        self.fingerprints = Fingerprints(book.root)
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
        return self.fingerprints.of(code)

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
