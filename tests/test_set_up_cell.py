"""The first cell of the notebooks: what it fetches on Colab, and what it says where it cannot."""

import json
import os
import subprocess
import sys

import pytest
from fixtures.tiny_book import TinyBook

from tools.colab.set_up_cell import TESTED
from tools.execute.stand_in import git

ON_COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
SHOW = "\nfrom helpers.picture import HEIGHT\nprint('height', HEIGHT)\n"


@pytest.fixture
def book(tmp_path):
    """The tiny book in a repository of its own."""
    made = TinyBook(tmp_path / "origin")
    made.generate()
    git("init", "--quiet", "-b", "main", ".", cwd=made.root)
    record(made, "First")
    (tmp_path / "content").mkdir()
    return made


def record(book, message):
    git("add", "--all", cwd=book.root)
    git("commit", "--quiet", "-m", message, cwd=book.root)


def set_up(book):
    """The code of the cell as the notebooks hold it."""
    return next(c.source for c in book.notebook("02-two").cells if c.id == "set-up")


def run(book, code, *, start=ON_COLAB, **variables):
    """Run code in an empty folder where the book's address leads to its repository on disk."""
    place = book.root.parent
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{book.root.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/your_account/tiny-book",
        "GIT_ALLOW_PROTOCOL": "file",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-c", start + code],
        cwd=place / "content",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


def test_it_fetches_the_book_and_runs_again(book):
    cell = set_up(book)
    done = run(book, f"{cell}\n{cell}{SHOW}")
    assert done.stdout == "height 12\n", done.stderr
    assert run(book, cell + SHOW).stdout == "height 12\n"
    assert git("rev-list", "--count", "HEAD", cwd=book.root.parent / "content/book") == "1\n"


def test_elsewhere_it_does_nothing(book):
    done = run(book, set_up(book), start="")
    assert (done.stdout, done.stderr) == ("", "")
    assert not list((book.root.parent / "content").iterdir())


def test_a_notebook_of_a_release_fetches_that_release_for_good(book):
    book.edit("_config.yml", "branch: main", "branch: v1.0.0")
    book.generate()
    record(book, "Release")
    git("tag", "v1.0.0", cwd=book.root)
    saved = set_up(book)
    book.edit("helpers/picture.py", "HEIGHT = 12", "HEIGHT = 99")
    record(book, "A year later")
    assert 'VERSION = "v1.0.0"' in saved
    assert run(book, saved + SHOW).stdout == "height 12\n"


def test_without_a_network_it_says_so(book):
    done = run(book, set_up(book), GIT_CONFIG_VALUE_0="https://github.com/else/where")
    assert done.returncode == 1
    assert last_line(done).startswith(
        "RuntimeError: Version main of the book could not be fetched from "
        "https://github.com/your_account/tiny-book. If this machine is offline, connect it and run"
    )
    assert not (book.root.parent / "content/book").exists()


WHAT = ("nothing", "another repository", "another version", "a file", "no commit", "half of it")


def test_without_git_it_says_so(book, tmp_path):
    done = run(book, set_up(book), PATH=str(tmp_path))
    assert last_line(done).startswith("RuntimeError: git, which fetches the book, is missing")


@pytest.mark.parametrize("what", [*WHAT, "a link to nowhere"])
def test_another_folder_book_is_told_and_left_alone(book, what):
    content = book.root.parent / "content"
    if what == "a file":
        (content / "book").write_text("mine")
    elif what == "a link to nowhere":
        (content / "book").symlink_to(content / "nowhere")
    elif what == "no commit":  # as a clone leaves it that was killed
        git("init", "--quiet", "-b", "main", "book", cwd=content)
        address = "https://github.com/your_account/tiny-book"
        git("remote", "add", "origin", address, cwd=content / "book")
    elif what == "half of it":
        run(book, set_up(book))
        (content / "book/helpers/__init__.py").unlink()
    elif what == "another version":
        run(book, set_up(book))
        git("commit", "--quiet", "--allow-empty", "-m", "Else", cwd=content / "book")
        git("checkout", "--quiet", "--detach", cwd=content / "book")
        git("branch", "--force", "main", "HEAD~1", cwd=content / "book")
    else:
        (content / "book").mkdir()
        (content / "book/mine.txt").write_text("mine")
    if what == "another repository":
        git("init", "--quiet", "-b", "main", ".", cwd=content / "book")
        git("remote", "add", "origin", "https://github.com/some/body", cwd=content / "book")
        git("add", "--all", cwd=content / "book")
        git("commit", "--quiet", "-m", "Mine", cwd=content / "book")
    before = sorted(content.rglob("*"))
    done = run(book, set_up(book))
    assert last_line(done) == (
        "RuntimeError: The folder book/ here is not version main of https://github.com/"
        "your_account/tiny-book, or not all of it. Rename it or take it away (!rm -r book), and "
        "run this cell again."
    )
    assert sorted(content.rglob("*")) == before


WITH_VERSIONS = """
import importlib.metadata
def version(name, known={known}):
    if name not in known:
        raise importlib.metadata.PackageNotFoundError(name)
    return known[name]
importlib.metadata.version = version
"""
OLD = {name: f"{minors[0]}.7" for name, minors in TESTED.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"tensorflow": "2.24.1"}, "tensorflow 2.24.1 (not 2.20 or 2.21)"),
        ({"tensorflow": "2.2.0"}, "tensorflow 2.2.0 (not 2.20 or 2.21)"),
        ({"tf_keras": None}, "tf_keras missing (not 2.20 or 2.21)"),
    ],
)
def test_versions_that_the_book_was_not_run_on_are_told(book, change, said):
    known = {name: found for name, found in (OLD | change).items() if found}
    done = run(book, WITH_VERSIONS.format(known=json.dumps(known)) + set_up(book))
    assert done.returncode == 0, done.stderr
    assert (said in done.stdout) is True
    assert ("choose an earlier runtime" in done.stdout) is bool(said)
    assert "https://your_account.github.io/tiny-book/" in done.stdout or not said


def test_where_there_is_a_gpu_tensorflow_stays_on_the_processor(book, tmp_path):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    show = "\nimport os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    known = WITH_VERSIONS.format(known=json.dumps(OLD))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run(book, known + set_up(book) + show, PATH=path)
    assert "This machine has a GPU. TensorFlow is kept on the processor" in done.stdout
    assert done.stdout.endswith("\n-1\n")
    assert run(book, known + set_up(book) + show).stdout == "None\n"


def test_no_chapter_can_live_on_its_imports(book):
    lent = [line for line in set_up(book).splitlines() if line.startswith(("import ", "from "))]
    assert lent == ["import sys"]
