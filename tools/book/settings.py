"""What the tools know of the book: its folder, its address and the order of its pages.

Everything is read from `_config.yml` and `_toc.yml`, so that neither the address nor the numbers of
chapters are written down a second time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tools.book.root import ROOT, BookError

CHAPTER = re.compile(r"\d\d-[a-z0-9-]+")
ADDRESS = re.compile(r"https://github\.com/(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)")


def owner_and_name(address: str) -> tuple[str, str]:
    """Account and repository name in the address of a repository."""
    found = ADDRESS.fullmatch(address)
    if found is None or found["name"].endswith(".git"):
        raise BookError(
            f"_config.yml: repository.url is {address!r}; "
            "write it as https://github.com/ACCOUNT/NAME, without .git or a slash at its end"
        )
    return found["owner"], found["name"]


def published_at(address: str) -> str:
    """The address, ending in a slash, of the site that GitHub Pages makes of a repository."""
    owner, name = owner_and_name(address)
    host = f"https://{owner.lower()}.github.io/"
    return host if name.lower() == f"{owner.lower()}.github.io" else f"{host}{name}/"


@dataclasses.dataclass(frozen=True)
class Page:
    """One page of the book: its name without suffix, relative to the root, and its number.

    `number` is None on pages that Sphinx does not number (the landing page, the appendices).
    """

    name: str
    number: int | None

    @property
    def stem(self) -> str:
        """The page's file name without folder and suffix."""
        return pathlib.PurePosixPath(self.name).name

    @property
    def is_chapter(self) -> bool:
        """Whether the page is a notebook (`NN-name`) rather than plain text."""
        return CHAPTER.fullmatch(self.stem) is not None


@dataclasses.dataclass(frozen=True)
class Book:
    """The settings of the book in folder `root`."""

    root: pathlib.Path
    config: dict[str, Any]
    pages: tuple[Page, ...]

    @property
    def address(self) -> str:
        """The repository's address, `https://github.com/OWNER/NAME`."""
        return str(self.config["repository"]["url"])

    @property
    def branch(self) -> str:
        """The branch that Colab opens."""
        return str(self.config["repository"]["branch"])

    @property
    def owner_and_name(self) -> tuple[str, str]:
        """Account and repository name, as in the address."""
        return owner_and_name(self.address)

    @property
    def site(self) -> str:
        """The address of the published site on GitHub Pages, ending in a slash."""
        return published_at(self.address)

    @property
    def colab(self) -> str:
        """The address under which Colab opens the repository's files, ending in a slash."""
        owner, name = self.owner_and_name
        host = "https://colab.research.google.com/github"
        return f"{host}/{owner}/{name}/blob/{self.branch}/"

    @property
    def timeout(self) -> int:
        """The seconds that one cell may take."""
        return int(self.config["execute"]["timeout"])

    def chapters(self) -> list[pathlib.Path]:
        """The sources of all chapters on disk, in order."""
        folder = self.root / "chapters"
        return [path for path in sorted(folder.glob("*.md")) if CHAPTER.fullmatch(path.stem)]

    def page_at(self, path: pathlib.Path) -> Page:
        """The page made from the file `path`, numbered as `_toc.yml` says."""
        name = path.relative_to(self.root).with_suffix("").as_posix()
        found = [page for page in self.pages if page.name == name]
        if not found:
            raise BookError(f"{name}.md is not in _toc.yml: add it, or take the file away")
        return found[0]


def _entries(toc: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield each page below the root with whether it is numbered."""
    defaults = {**toc.get("defaults", {}), **toc.get("options", {})}
    for part in toc.get("parts", [toc]):
        numbered = bool(part.get("numbered", defaults.get("numbered", False)))
        for chapter in part.get("chapters", []):
            if "sections" in chapter:
                raise BookError(f"_toc.yml: {chapter['file']} has sections; the tools know none")
            yield chapter["file"], numbered


def read_pages(toc: dict[str, Any]) -> tuple[Page, ...]:
    """List the pages of `_toc.yml`; numbered ones count through all parts, as on the site."""
    pages = [Page(toc["root"], None)]
    count = 0
    for name, numbered in _entries(toc):
        count += numbered
        pages.append(Page(name, count if numbered else None))
    return tuple(pages)


def read_book(root: pathlib.Path = ROOT) -> Book:
    """Read the settings of the book in folder `root`."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    repository = config.get("repository") or {}
    missing = [key for key in ("url", "branch") if not repository.get(key)]
    if missing:
        raise BookError(f"_config.yml: repository.{missing[0]} is missing: Colab's links need it")
    return Book(root.resolve(), config, read_pages(toc))
