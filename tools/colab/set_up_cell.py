"""The first code cell of every notebook: on Colab it fetches the book, elsewhere it does nothing.

The chapters do not hold it: it is the same everywhere, a page has no use for it, and it names the
version of the book that the notebook was made for.
"""

from __future__ import annotations

from tools.book.settings import Book

CELL_ID = "set-up"
TITLE = "Set-up: fetch the book's helpers"
# Versions that all chapters have been executed on; the weekly run tries the newest ones.
TESTED = {
    "tensorflow": ("2.20", "2.21"),
    "tensorflow-probability": ("0.25",),
    "tf_keras": ("2.20", "2.21"),
}

# The functions import what they need themselves, so that no chapter can live on these imports.
TEMPLATE = '''\
import sys

ADDRESS = "{address}"
VERSION = "{version}"  # of the book: the one that this notebook was made for
TESTED = {{
{tested}
}}


def fetch_book():
    """Fetch the book into the folder book/, unless it is there already."""
    import os
    import pathlib
    import shutil
    import subprocess

    def git(*arguments):
        command = ["git", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, (done.stdout or done.stderr).strip()

    if not shutil.which("git"):
        raise RuntimeError(
            "git, which fetches the book, is missing on this machine: install it "
            "(!apt-get install -y git) and run this cell again."
        )
    if not os.path.lexists("book"):
        clone = ["clone", "--quiet", "--depth", "1", "--branch", VERSION]
        failed, said = git(*clone, ADDRESS, "book")
        if failed:
            raise RuntimeError(
                f"Version {{VERSION}} of the book could not be fetched from "
                f"{{ADDRESS}}. If this machine is offline, connect it and run "
                f"this cell again. git says: {{said}}"
            )
    inside = ["--git-dir", "book/.git", "--work-tree", "book"]
    _, origin = git(*inside, "config", "remote.origin.url")
    here = git(*inside, "rev-parse", "--verify", "HEAD^{{commit}}")
    wanted = git(*inside, "rev-parse", "--verify", VERSION + "^{{commit}}")
    is_it = origin.rstrip("/").removesuffix(".git") == ADDRESS
    missing = git(*inside, "diff", "--name-only", "--diff-filter=D", "HEAD")
    is_whole = missing == (0, "") and here[0] == 0
    if not (is_it and is_whole and here == wanted):
        raise RuntimeError(
            f"The folder book/ here is not version {{VERSION}} of {{ADDRESS}}, or "
            "not all of it. Rename it or take it away (!rm -r book), and run this "
            "cell again."
        )
    folder = str(pathlib.Path("book").resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def look_around():
    """Say where this machine differs from those that the book was run on."""
    import os
    import shutil
    from importlib.metadata import PackageNotFoundError, version

    others = []
    for name, tested in TESTED.items():
        try:
            here = version(name)
        except PackageNotFoundError:
            here = "missing"
        if not here.startswith(tuple(f"{{minor}}." for minor in tested)):
            others.append(f"{{name}} {{here}} (not {{' or '.join(tested)}})")
    if others:
        print(
            f"This version of the book was not run on {{', '.join(others)}}. If "
            "a cell fails, open the newest notebook from\\n{site}\\n"
            "or choose an earlier runtime under Runtime → Change runtime type."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no log in outputs
    if shutil.which("nvidia-smi"):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        print(
            "This machine has a GPU. TensorFlow is kept on the processor, where "
            "the book's numbers come from: the same cells on a GPU give others, "
            "and networks of this size gain nothing from it."
        )


if "google.colab" in sys.modules:
    fetch_book()
    look_around()'''


def set_up_code(book: Book) -> str:
    """The code of the cell for this book."""
    rows = (f'    "{name}": {_tuple(minors)},' for name, minors in TESTED.items())
    return TEMPLATE.format(
        address=book.address, version=book.branch, tested="\n".join(rows), site=book.site
    )


def _tuple(words: tuple[str, ...]) -> str:
    """A tuple as the formatter writes it."""
    inner = ", ".join(f'"{word}"' for word in words)
    return f"({inner},)" if len(words) == 1 else f"({inner})"
