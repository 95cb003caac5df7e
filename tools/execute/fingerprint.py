"""What outputs depend on besides the chapter itself, as a hash: Python, packages, helpers.

The folder of the stored outputs is named after the `key` of all of them; the outputs of a chapter
whose own fingerprint is still the same are carried over from one folder to the next.
"""

from __future__ import annotations

import hashlib
import pathlib
import sys
import sysconfig
from typing import TYPE_CHECKING

from tools.execute.reach import Modules

if TYPE_CHECKING:
    from hashlib import _Hash

CACHES = ".jupyter_cache"


def installed_versions() -> list[str]:
    """Name and version of everything installed, from the names of the metadata folders.

    Reading the folders' names takes two milliseconds; importlib.metadata opens every file. Only
    the environment's own folders count: importing setuptools, say, adds folders to ``sys.path``.
    """
    folders = {pathlib.Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    found = {info.name for folder in folders for info in folder.glob("*.dist-info")}
    return sorted(found)


def add_files(digest: _Hash, root: pathlib.Path, folder: str) -> None:
    """Add names and contents of all files below `root/folder`, compiled Python left out."""
    for path in sorted((root / folder).rglob("*")):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
        if path.is_file() and not hidden:
            name = path.relative_to(root).as_posix().encode()
            content = path.read_bytes()
            digest.update(b"%d %s %d " % (len(name), name, len(content)) + content)


def versions() -> _Hash:
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


class Fingerprints:
    """Fingerprints of code, by the helpers as the files were when this was made.

    An execution takes minutes, and a file may be edited meanwhile.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.key = key(root)
        self.modules = Modules(root)

    def reached(self, source: str) -> str:
        """The hash of all that the outputs of code depend on besides the code itself."""
        try:
            paths = self.modules.paths(source)
        except SyntaxError:  # the magic of a notebook, or an error that a chapter shows
            paths = None
        if paths is None:
            return self.key
        digest = versions()
        for path in paths:
            content = self.modules.contents[path]
            name = path.relative_to(self.root).as_posix()
            digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
        return digest.hexdigest()[:16]

    def of(self, source: str) -> str:
        """The fingerprint of code: its own hash, and that of what it reaches."""
        own = hashlib.sha256(source.encode()).hexdigest()[:16]
        return f"{own} {self.reached(source)}"
