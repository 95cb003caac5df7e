"""Sphinx extension: key the outputs' cache by what they depend on besides the chapter itself.

jupyter-cache hashes a chapter's code cells, their metadata and the kernelspec, nothing else: after
a change in helpers/ or of an installed version it would hand out old outputs. Here the folder of
the cache is named after a hash of both (tools/run_chapters.py carries over the outputs of chapters
that reach nothing of what changed). As `nb_execution_cache_path` is an "env" setting, Sphinx
reads every page again when it changes.
"""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

CACHES = ".jupyter_cache"


def installed_versions() -> list[str]:
    """Name and version of everything installed, from the names of the metadata folders.

    Reading the folders' names takes two milliseconds; importlib.metadata opens every file. Only
    the environment's own folders count: importing setuptools, say, adds folders to ``sys.path``.
    """
    folders = {pathlib.Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    found = {info.name for folder in folders for info in folder.glob("*.dist-info")}
    return sorted(found)


def add_files(digest: Any, root: pathlib.Path, folder: str) -> None:
    """Add names and contents of all files below `root/folder`, compiled Python left out."""
    for path in sorted((root / folder).rglob("*")):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
        if path.is_file() and not hidden:
            name = path.relative_to(root).as_posix().encode()
            content = path.read_bytes()
            digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)


def versions() -> Any:
    """Begin a hash with Python and all packages."""
    digest = hashlib.sha256(sys.version.encode())
    for version in installed_versions():
        digest.update(f"{version}\n".encode())
    return digest


def key(root: pathlib.Path) -> str:
    """The hash of all that outputs depend on besides the chapter: Python, packages, helpers."""
    digest = versions()
    add_files(digest, root, "helpers")
    return digest.hexdigest()[:16]


def cache_path(root: pathlib.Path, build: pathlib.Path | None = None) -> pathlib.Path:
    """The folder of the outputs that belong to the helpers and versions of now."""
    return (build or root / "_build") / CACHES / key(root)


def set_path(app: Sphinx, config: Config) -> None:
    """Tell myst-nb the folder of the cache."""
    build = pathlib.Path(app.outdir).parent
    config.nb_execution_cache_path = str(cache_path(pathlib.Path(app.srcdir), build))


def offer_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Let a page's .ipynb button give the notebook that Colab opens.

    myst-nb would offer its own copy there, with the MyST source in it and without outputs.
    """
    if exception is not None or app.builder.format != "html":
        return
    target = pathlib.Path(app.outdir, "_sources", "chapters")
    for path in pathlib.Path(app.srcdir, "chapters").glob("*.ipynb"):
        if (target / path.name).exists() or (target / f"{path.stem}.md").exists():
            shutil.copyfile(path, target / path.name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension; makes `helpers` importable for autodoc as well."""
    sys.path.insert(0, str(app.srcdir))
    app.connect("config-inited", set_path, priority=100)
    app.connect("build-finished", offer_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
