"""A release is one command: two commits and a tag, or nothing at all."""

import re

import pytest
from fixtures.tiny_book import TinyBook

from tools import release as tool
from tools.book.root import BookError
from tools.book.settings import read_book
from tools.execute.stand_in import git

CHANGES = "# Changes\n\n## Unreleased\n\n- Better pictures.\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    made = TinyBook(tmp_path / "book")
    made.write("CHANGELOG.md", CHANGES)
    made.write("helpers/__init__.py", '"""Helpers."""\n\n__version__ = "0.1.0"\n')
    made.write("pyproject.toml", '[project]\nname = "tiny"\nversion = "0.1.0"\n')
    made.write(
        "CITATION.cff",
        'version: 0.1.0\nrepository-code: "https://github.com/your_account/tiny-book"\n',
    )
    made.write(
        "README.md", "https://github.com/your_account/tiny-book/blob/main/chapters/a.ipynb\n"
    )
    made.generate()
    git("init", "--quiet", "-b", "main", ".", cwd=made.root)
    commit(made, "First")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@invalid")
    return made


def commit(book, message):
    git("add", "--all", cwd=book.root)
    git("commit", "--quiet", "-m", message, cwd=book.root)


def release(book, version, check=lambda root: None):
    tool.release(read_book(book.root), version, check)


def shown(book, ref, name):
    return git("show", f"{ref}:{name}", cwd=book.root)


def test_a_release_holds_its_version_and_main_goes_on(book):
    seen = []
    release(book, "1.0.0", check=lambda root: seen.append((root / "_config.yml").read_text()))
    assert "branch: v1.0.0" in seen[0]
    tagged = {
        name: shown(book, "v1.0.0", name) for name in ("CITATION.cff", "CHANGELOG.md", "README.md")
    }
    assert re.search(
        r"^version: 1\.0\.0\ndate-released: \d{4}-\d\d-\d\d$", tagged["CITATION.cff"], re.M
    )
    assert re.search(r"## Unreleased\n\n## 1\.0\.0 \(.+\)\n\n- Better", tagged["CHANGELOG.md"])
    assert "blob/v1.0.0/chapters" in tagged["README.md"]
    for name in ("pyproject.toml", "helpers/__init__.py"):
        assert "version" in shown(book, "v1.0.0", name)
        assert '= "1.0.0"' in shown(book, "v1.0.0", name)
    notebook = shown(book, "v1.0.0", "chapters/02-two.ipynb")
    assert 'VERSION = \\"v1.0.0\\"' in notebook
    assert "/blob/v1.0.0/chapters/01-one.ipynb" in notebook
    assert 'VERSION = \\"main\\"' in shown(book, "main", "chapters/02-two.ipynb")
    assert "blob/main/chapters" in shown(book, "main", "README.md")
    assert git("status", "--porcelain", cwd=book.root) == ""
    assert git("rev-list", "--count", "v1.0.0..main", cwd=book.root) == "1\n"


def test_the_next_release_follows(book):
    release(book, "1.0.0")
    book.edit("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- More.\n")
    commit(book, "More")
    release(book, "1.1.0")
    assert book.read("CITATION.cff").count("date-released") == 1
    assert "- More.\n\n## 1.0.0" in book.read("CHANGELOG.md")


@pytest.mark.parametrize("error", [BookError("red"), KeyboardInterrupt()])
def test_where_the_checks_are_red_nothing_is_released(book, error):
    def fail(root):
        raise error

    with pytest.raises(type(error)):
        release(book, "1.0.0", fail)
    assert git("tag", cwd=book.root) == ""
    assert git("status", "--porcelain", cwd=book.root) == ""
    assert 'VERSION = \\"main\\"' in book.read("chapters/02-two.ipynb")


@pytest.mark.parametrize(
    ("version", "prepare", "message"),
    [
        ("1.0", None, "write three numbers"),
        ("v1.0.0", None, "write three numbers"),
        ("1.0.0", lambda book: book.write("new.txt", ""), "git status"),
        ("1.0.0", lambda book: git("switch", "-c", "else", cwd=book.root), "made on main"),
        ("1.0.0", lambda book: git("tag", "v1.0.0", cwd=book.root), "v1.0.0 is there already"),
        ("1.0.0", lambda book: git("tag", "v1.2.0", cwd=book.root), "take a higher version"),
    ],
)
def test_what_is_not_ready_is_told_before_anything_changes(book, version, prepare, message):
    if prepare:
        prepare(book)
    with pytest.raises(BookError, match=message):
        release(book, version)


def test_a_release_without_a_word_on_changes_is_refused(book):
    book.edit("CHANGELOG.md", "- Better pictures.\n", "")
    commit(book, "Nothing to say")
    with pytest.raises(BookError, match="say what has changed"):
        release(book, "1.0.0")


def test_the_checks_are_all_tests_and_all_notebooks(monkeypatch, tmp_path):
    ran = []

    def run(command, **_):
        ran.append(" ".join(command))
        return type("Done", (), {"returncode": int("colab" in command)})

    monkeypatch.setattr(tool.subprocess, "run", run)
    with pytest.raises(BookError, match="make colab is red: nothing was released"):
        tool.run_checks(tmp_path)
    assert ran == ["make test FORCE=1 TWICE=all", "make colab"]
