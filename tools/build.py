"""Make the whole book: python -m tools build; leaves the site in _build/html/.

Notebooks are generated, chapters executed where their outputs are not stored yet, then Sphinx turns
outputs and text into pages. Sphinx executes nothing, and any warning of it fails the build. When
nothing changed since the last good build, nothing is done.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.book.root import ROOT, BookError
from tools.book.settings import Book, read_book
from tools.colab.notebooks import generate
from tools.command_line import book_parser, told
from tools.execute import fingerprint
from tools.execute.cache import OutputCache
from tools.execute.progress import LiveLine, slowest, table
from tools.execute.run import Job, cores, run_chapters

FILES = ("_config.yml", "_toc.yml", "references.bib", "requirements.txt", "constraints.txt")
SHAPING = ("_ext", "_static", "_templates", "tools")
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
WARNING = re.compile(r"\b(?:WARNING|ERROR|CRITICAL|SEVERE)\b|^\w*(?:Error|Exception)\b|[eE]rror:")
EXECUTED = re.compile(r"^(.*?): Executing notebook", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a build lies and what it remembers."""

    root: pathlib.Path

    @property
    def build(self) -> pathlib.Path:
        """The folder of everything that is made."""
        return self.root / "_build"

    @property
    def site(self) -> pathlib.Path:
        """The folder of the site."""
        return self.build / "html"

    @property
    def index(self) -> pathlib.Path:
        """The site's first page."""
        return self.site / "index.html"

    @property
    def doctrees(self) -> pathlib.Path:
        """What Sphinx keeps of the pages that it has read."""
        return self.build / ".doctrees"

    @property
    def log(self) -> pathlib.Path:
        """Sphinx's words."""
        return self.build / "build.log"

    @property
    def state(self) -> pathlib.Path:
        """Hashes of the inputs of the last good build: of everything, and of what shapes it."""
        return self.build / "last-good-build.txt"


def input_hashes(root: pathlib.Path) -> tuple[str, str]:
    """Hash all inputs of the site, and those alone that shape every page."""
    digest = hashlib.sha256(fingerprint.key(root).encode())
    for name in FILES:
        path = root / name
        digest.update(name.encode() + (path.read_bytes() if path.exists() else b""))
    for folder in SHAPING:
        fingerprint.add_files(digest, root, folder)
    shaping = digest.hexdigest()
    fingerprint.add_files(digest, root, "chapters")
    return digest.hexdigest(), shaping


def is_current(place: Place, hashes: tuple[str, str]) -> bool:
    """Whether the site is there and was made from the inputs of now."""
    if not (place.state.exists() and place.index.exists()):
        return False
    return place.state.read_text().split() == list(hashes)


def prepare(place: Place, hashes: tuple[str, str]) -> None:
    """Forget the last good build; begin from nothing when what shapes every page changed."""
    remembered = place.state.read_text().split() if place.state.exists() else []
    place.state.unlink(missing_ok=True)
    if remembered[1:] != [hashes[1]]:
        forget_pages(place)


def forget_pages(place: Place) -> None:
    """Remove what Sphinx keeps between builds.

    After a failed build a second one would skip the pages that it has read already, say nothing of
    their warnings, and return 0.
    """
    shutil.rmtree(place.doctrees, ignore_errors=True)
    shutil.rmtree(place.site, ignore_errors=True)


def run_sphinx(place: Place) -> tuple[int, str]:
    """Run jupyter-book; shows its progress in one line, keeps its words in the log."""
    flags = ["-W", "-n", "--keep-going"]
    start = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", start, "build", str(place.root), *flags]
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "0"}
    variables["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    # The extensions and the helpers are the book's; what the extensions import of tools/ is here.
    variables["PYTHONPATH"] = os.pathsep.join(map(str, dict.fromkeys((place.root, ROOT))))
    line, words = LiveLine(), []
    place.build.mkdir(exist_ok=True)
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None, "asked for above"
        for text in process.stdout:
            words.append(COLOURS.sub("", text).replace("\r", "\n"))
            line.show(f"  pages: {words[-1].strip()}")
    line.clear()
    log = "".join(words)
    place.log.write_text(log, encoding="utf-8")
    return process.returncode, log


def complaints_of(log: str) -> str:
    """The lines of Sphinx's log that say what is wrong; all of it when none does."""
    found = [line for line in log.splitlines() if WARNING.search(line)]
    return "\n".join(dict.fromkeys(found)) if found else log


def make_site(place: Place) -> None:
    """Have Sphinx write the pages; raises when anything is not in order."""
    print("  pages   started", flush=True)
    start = time.perf_counter()
    code, log = run_sphinx(place)
    executed = EXECUTED.findall(log)
    if executed:
        forget_pages(place)
        raise BookError(
            f"Sphinx executed {', '.join(executed)} itself: its outputs are not those of the run "
            "as on Colab. Does the chapter's code differ from the notebook's?"
        )
    if code:
        forget_pages(place)
        raise BookError(f"{complaints_of(log)}\nThe site is not made; all words: {place.log}")
    print(f"  pages   done ({time.perf_counter() - start:.1f} s)", flush=True)


def refuse_unfed_pages(book: Book) -> None:
    """Stop when a page's outputs are not in the cache, before Sphinx would execute it."""
    cache = OutputCache(book)
    unfed = [path.name for path in book.chapters() if not cache.has_page(path)]
    if unfed:
        raise BookError(f"no outputs are stored for the code of {', '.join(unfed)}")


def build(book: Book, jobs: int, *, check: bool = False) -> None:
    """Make the site if anything changed; raises BookError when something is not in order."""
    place = Place(book.root)
    with alone(place):
        build_alone(book, place, jobs, check=check)
    if seconds := stored_times(book):
        print(f"slowest chapters: {slowest(seconds)}")
    print(f"the book: {place.index}")


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Wait until no other build of this book runs."""
    place.build.mkdir(exist_ok=True)
    with (place.build / "build.lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another build of this book is running: waiting for it", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def stored_times(book: Book) -> dict[str, float]:
    """Chapter ↦ how long it took when its outputs were made."""
    seconds = OutputCache(book).last_seconds()
    names = [path.stem for path in book.chapters()]
    return {name: seconds[name] for name in names if name in seconds}


def build_alone(book: Book, place: Place, jobs: int, *, check: bool) -> None:
    """Generate (or, with ``check``, compare), execute, and write the pages that changed."""
    if is_current(place, input_hashes(book.root)):  # so the notebooks are in step as well
        print(table({name: (s, "stored") for name, s in stored_times(book).items()}, 0.0))
        print("nothing changed since the last build")
        return
    complaints = generate(book, check=check)
    if complaints:
        raise BookError("\n".join(complaints))
    hashes = input_hashes(book.root)  # of the notebooks that were written
    prepare(place, hashes)
    failures = run_chapters(book, [], Job(jobs, in_step=True))
    if failures:
        raise BookError(f"{failures} of the chapters failed (see above); the site is not made")
    refuse_unfed_pages(book)
    make_site(place)
    place.state.write_text("\n".join(hashes))


@told
def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = book_parser("build", __doc__)
    parser.add_argument("--jobs", type=int, default=cores(), help="chapters at a time")
    parser.add_argument(
        "--check", action="store_true", help="refuse notebooks that are out of step, write none"
    )
    options = parser.parse_args(arguments)
    build(read_book(options.root), max(1, options.jobs), check=options.check)
    return 0
