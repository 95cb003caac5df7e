"""Stored outputs are used exactly as long as nothing that they depend on has changed."""

import os

import pytest
from fixtures.tiny_book import TinyBook, cell

from tools.book.settings import read_book
from tools.execute import fingerprint
from tools.execute.cache import KEPT_CACHES, OutputCache


@pytest.fixture
def book(tmp_path):
    made = TinyBook(tmp_path / "book")
    made.set_chapters(one="Words.\n\n" + cell("print(1)"))
    made.generate()
    return made


def test_a_changed_helper_is_another_key(book):
    before = fingerprint.key(book.root)
    book.edit("helpers/picture.py", "HEIGHT = 12", "HEIGHT = 13")
    changed = fingerprint.key(book.root)
    book.edit("helpers/picture.py", "HEIGHT = 13", "HEIGHT = 12")
    assert changed != before
    assert fingerprint.key(book.root) == before


def test_a_new_or_renamed_helper_is_another_key(book):
    before = fingerprint.key(book.root)
    book.write("helpers/data/more.csv", "1")
    added = fingerprint.key(book.root)
    book.path("helpers/data/more.csv").rename(book.path("helpers/data/less.csv"))
    assert len({before, added, fingerprint.key(book.root)}) == 3


def test_another_installed_version_is_another_key(book, monkeypatch):
    before = fingerprint.key(book.root)
    versions = [*fingerprint.installed_versions(), "new-1.0.dist-info"]
    monkeypatch.setattr(fingerprint, "installed_versions", lambda: versions)
    assert fingerprint.key(book.root) != before


def test_another_python_is_another_key(book, monkeypatch):
    before = fingerprint.key(book.root)
    monkeypatch.setattr("sys.version", "3.99")
    assert fingerprint.key(book.root) != before


def test_versions_name_what_is_installed():
    names = fingerprint.installed_versions()
    assert any(name.startswith("nbclient-") for name in names)


def test_compiled_and_hidden_files_do_not_count(book):
    before = fingerprint.key(book.root)
    book.write("helpers/__pycache__/picture.pyc", "compiled")
    book.write("helpers/.DS_Store", "hidden")
    book.write("chapters/03-words.md", "not a helper")
    assert fingerprint.key(book.root) == before


def stored(said):
    return "stored, not executed again" in said.out


def test_prose_does_not_count_but_code_and_tags_do(book, capsys):
    assert book.run() == 0
    book.edit("chapters/00-one.md", "Words.", "Other words.")
    book.generate()
    capsys.readouterr()
    book.run()
    assert stored(capsys.readouterr())
    for old, new in (
        ("print(1)", "print(2)"),
        ("ipython3\nprint", "ipython3\n:tags: [hide-input]\n:title: One\n\nprint"),
    ):
        book.edit("chapters/00-one.md", old, new)
        book.generate()
        capsys.readouterr()
        assert book.run() == 0
        assert not stored(capsys.readouterr())


def test_a_changed_helper_executes_the_chapters_that_reach_it_again(tmp_path, capsys):
    """Both executions; Sphinx finds the outputs that were carried over and executes nothing."""
    book = TinyBook(tmp_path / "book")
    use = cell("from helpers.picture import Picture\nPicture(8, 'A grey bar.')")
    book.set_chapters(plain="Words.\n\n" + cell("print(1)"), drawn=use)
    assert book.build() == 0
    assert book.run_twice("--all") == 0
    book.edit("helpers/picture.py", "HEIGHT = 12", "HEIGHT = 13")
    for command in (book.build, lambda: book.run_twice("--all")):
        capsys.readouterr()
        assert command() == 0
        said = capsys.readouterr().out
        assert "start   01-drawn" in said
        assert "start   00-plain" not in said


def test_what_was_carried_over_is_carried_on_until_the_chapter_reaches_helpers(book, capsys):
    assert book.run() == 0
    for height in (13, 14):
        book.edit("helpers/picture.py", f"HEIGHT = {height - 1}", f"HEIGHT = {height}")
        capsys.readouterr()
        assert book.run() == 0
        assert stored(capsys.readouterr())
    book.edit("chapters/00-one.md", "print(1)", "import helpers")
    book.generate()
    for height in (15, 16):
        book.edit("helpers/picture.py", f"HEIGHT = {height - 1}", f"HEIGHT = {height}")
        capsys.readouterr()
        assert book.run() == 0
        assert not stored(capsys.readouterr())


def test_only_the_newest_caches_are_kept(book):
    caches = book.path("_build/.jupyter_cache")
    for age in range(6):
        for name in (f"old{age}", f"old{age}-again"):
            (caches / name).mkdir(parents=True)
            os.utime(caches / name, (1e9 - age, 1e9 - age))
    cache = OutputCache(read_book(book.root))
    cache.drop_old()
    left = {path.name for path in caches.iterdir() if path.is_dir()}
    assert cache.path.name in left
    assert len({name.removesuffix("-again") for name in left}) == KEPT_CACHES
    assert {"old0", "old0-again"} <= left
