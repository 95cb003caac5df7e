"""An assert must fail if its sentence were false: pages with a false statement inside turn red.

Each mutation of `mutations.py` changes one code cell of a chapter. The changed page is executed as
the book executes it, and has to stop at an assert.
"""

import asyncio
import collections

import nbformat
import pytest
from chapter_text import ROOT, chapters
from mutations import MUTATIONS

from tools.book.settings import read_book
from tools.execute.execution import Setting, execute
from tools.execute.stand_in import make_origin

CHEAP = ("00", "02", "17")  # a usual run takes some of these pages; at night all are executed
NAMES = [f"{mutation.chapter}-{mutation.claim}" for mutation in MUTATIONS]
CASES = [
    pytest.param(it, id=name, marks=pytest.mark.sampled(6 if it.chapter in CHEAP else 10**6))
    for it, name in zip(MUTATIONS, NAMES, strict=True)
]


def page_of(number):
    return next(path for path in (ROOT / "chapters").glob(f"{number}-*.md"))


def mutated(mutation):
    """The notebook of a chapter with the changed cell, and the number of cells that held it."""
    notebook = nbformat.read(page_of(mutation.chapter).with_suffix(".ipynb"), as_version=4)
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += cell.source.count(mutation.old)
            cell.source = cell.source.replace(mutation.old, mutation.new)
    return notebook, count


def stopped_by(notebook):
    """The error that stopped a page and the code of its cell; nothing when it ran to its end."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                return f"{output['ename']}: {output['evalue']}", cell.source
    return "", ""


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    book = read_book(ROOT)
    origin = make_origin(book, tmp_path_factory.mktemp("served") / "origin")
    return Setting(book, origin, bool, claims_only=True)


def run(setting, mutation, folder):
    """Execute the mutated page in a kernel of its own; what stopped it, if anything did."""
    notebook, _ = mutated(mutation)
    path = folder / page_of(mutation.chapter).with_suffix(".ipynb").name
    nbformat.write(notebook, path)
    result = asyncio.run(execute(setting, path))
    error, code = stopped_by(result.notebook)
    assert error or not result.troubles, result.troubles
    return error, code


@pytest.mark.parametrize("mutation", CASES)
def test_a_page_with_a_false_claim_turns_red(mutation, setting, tmp_path):
    error, code = run(setting, mutation, tmp_path)
    if mutation.survives:
        assert not error, f"it is caught now, so take its reason away: {error}"
        return
    assert error, "the page ran to its end: no assert noticed"
    assert error.startswith("AssertionError"), f"no assert failed: {error}"
    assert "assert " in code, f"no assert of the page failed: {error}"


def test_what_is_changed_stands_once_in_its_page():
    for mutation, name in zip(MUTATIONS, NAMES, strict=True):
        text = page_of(mutation.chapter).read_text(encoding="utf-8")
        assert text.count(mutation.old) == 1, (
            f"{name}: {text.count(mutation.old)} times in the text"
        )
        notebook, count = mutated(mutation)
        assert count == 1, f"{name}: {count} times in the code of the notebook"
        for cell in notebook.cells:
            if cell.cell_type == "code" and mutation.new in cell.source:
                compile(cell.source, name, "exec")


def test_all_pages_that_make_claims_have_mutations():
    count = collections.Counter(mutation.chapter for mutation in MUTATIONS)
    numbers = [chapter.name[:2] for chapter in chapters() if chapter.name < "21"]
    assert sorted(count) == numbers
    assert min(count.values()) >= 3
    assert len(set(NAMES)) == len(NAMES)


def test_at_least_nine_of_ten_mutations_are_caught():
    """The night shows that the others are; each that is not says why."""
    survivors = [mutation for mutation in MUTATIONS if mutation.survives]
    assert len(survivors) <= len(MUTATIONS) / 10
