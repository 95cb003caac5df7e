"""The error index: complete entries, texts that the libraries really raise, nothing left out."""

import ast
import pathlib
import re

import pytest
from bs4 import BeautifulSoup, Tag
from chapter_rules import parse_cells
from chapter_text import ROOT, parse

from helpers.model.error_causes import CAUSES

INDEX = ROOT / "chapters" / "21-error-index.md"
ANSWER = ("Cause.", "Cure.")
COMPARED = ("raised", "warned", "told", "compare")
LINK = re.compile(r"\]\(\d\d-[a-z0-9-]+\.md#[\w-]+\)")
OLDER = re.compile(r"^\*\*Older wording\.\*\* (.+)$", re.MULTILINE)
DATED = re.compile(r"\([^)]*\b(?:TensorFlow|TFP|Python) \d")
KIND = re.compile(r"(\b(?:[A-Z]\w*(?:Error|Warning)|WARNING): )")
FEWEST = 100  # entries: fewer means that some were lost
ENOUGH = 30  # so many characters of a message tell it from all others

Faults = list[str]


def entries(text: str) -> dict[str, str]:
    """Return the sections of the third level by title."""
    pieces = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    return {piece.splitlines()[0]: re.split(r"^## ", piece, flags=re.M)[0] for piece in pieces}


def texts(cell: str) -> list[str]:
    """Return the texts that a cell compares with what the libraries say."""
    calls = [node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call)]
    compared = [call for call in calls if getattr(call.func, "id", "") in COMPARED and call.args]
    return [it.value for it in (call.args[0] for call in compared) if isinstance(it, ast.Constant)]


def incomplete(title: str, entry: str) -> Faults:
    """Return what an entry lacks; cause and cure may be those that the helpers know."""
    found = [text for cell in parse_cells(entry) for text in texts(cell)]
    faults = [f"{title}: no {it}" for it in ANSWER if f"**{it}**" not in entry]
    if any(re.search(row.text, text) for row in CAUSES for text in found):
        faults = []  # printed by the cell, as the page must show
    if not LINK.search(entry.partition("**More.**")[2]):
        faults.append(f"{title}: no link to a section after **More.**")
    return faults + ([] if found else [f"{title}: no text compared with what is raised"])


def undated(title: str, entry: str) -> Faults:
    """Return the older wordings that no version is named for.

    The installed libraries cannot raise them, so the page cannot show that they are right: it
    quotes them and says which versions wrote so.
    """
    pieces = [piece for line in OLDER.findall(entry) for piece in line.split(";")]
    return [
        f"{title}: no version for {it}" for it in pieces if "`" not in it or not DATED.search(it)
    ]


def unanswered(index: Tag) -> Faults:
    """Return the entries of an executed page that show no cause and cure, or show them doubly."""
    faults = []
    for heading in index.find_all("h3"):
        section = heading.parent
        title, whole = heading.get_text(), section.get_text()
        faults += [f"{title}: no {it}" for it in ANSWER if it not in whole]
        printed = " ".join(it.get_text() for it in section.select(".cell_output"))
        prose = len(re.findall(r"Cause\.", whole)) - len(re.findall(r"Cause\.", printed))
        if prose and "Cause." in printed:
            faults.append(f"{title}: causes both written and printed")
    return faults


def unshown(index_texts: list[str]) -> Faults:
    """Return the causes that the helpers know and no text of the index can have."""
    return [row.text for row in CAUSES if not any(re.search(row.text, it) for it in index_texts)]


def squeezed(text: str) -> str:
    """Return a text without what wrapping and shortening leave in it."""
    return re.sub(r"[…\s]+", " ", text)


def unraised(index: Tag, entry_texts: list[str]) -> Faults:
    """Return the texts that the executed page does not show."""
    shown = _joined(" ".join(it.get_text() for it in index.select(".cell_output")))
    return [text for text in entry_texts if _joined(text) not in shown]


def _joined(text: str) -> str:
    """Return a text without any gap: a page breaks lines within long words too."""
    return squeezed(text).replace(" ", "")


def unindexed(page: Tag, index: list[str], helpers: str) -> Faults:
    """Return the errors and warnings of libraries that a page shows and the index lacks.

    Errors that the book raises itself are no business of the index: its own claims, and what its
    helpers refuse (whose sentences may begin with the name of a class).
    """
    known = [squeezed(text)[:ENOUGH] for text in index]
    faults = []
    for output in page.select(".cell_output pre"):
        parts = KIND.split(squeezed(output.get_text()))[1:]
        for kind, text in zip(parts[::2], parts[1::2], strict=True):
            said = text.strip()
            beginnings = (said[:ENOUGH], said.partition(" ")[2][:ENOUGH])
            is_own = kind == "AssertionError: " or any(it and it in helpers for it in beginnings)
            if not is_own and not any(it in text for it in known):
                faults.append(f"{kind}{text[:80]}")
    return faults


ENTRY = """### it fails

```{code-cell} ipython3
raised("it fails, and says so at some length", lambda: fail())
```

**Cause.** A mistake.

**Cure.** Mend it.

**More.** [There](01-a.md#there).
"""
SAID = "it fails, and says so at some length"


def page(output: str) -> BeautifulSoup:
    """Return a page with one output."""
    html = f'<div class="cell_output"><pre>{output}</pre></div>'
    return BeautifulSoup(html, "html.parser")


def test_a_complete_entry_keeps_the_rule():
    assert [incomplete(title, entry) for title, entry in entries(ENTRY).items()] == [[]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**Cause.**", "Cause:"),
        ("**Cure.**", "Cure:"),
        ("01-a.md#there", "01-a.md"),
        ("raised(", "print("),
    ],
)
def test_an_incomplete_entry_turns_red(old, new):
    (item,) = entries(ENTRY.replace(old, new)).items()
    assert len(incomplete(*item)) == 1


def test_an_older_wording_without_a_version_turns_red():
    line = "**Older wording.** `it broke` (TensorFlow 2.0 to 2.5); `it did not work` (Python 3.9)."
    dated = ENTRY.replace("**More.**", f"{line}\n\n**More.**")
    assert undated("it fails", dated) == []
    for spoiled in (dated.replace(" (Python 3.9)", ""), dated.replace("`it broke`", "it broke")):
        assert len(undated("it fails", spoiled)) == 1


def test_an_entry_whose_cause_is_printed_needs_no_prose():
    text = ENTRY.replace(SAID, "name for name_scope must be a string")
    bare = re.sub(r"\*\*(Cause|Cure)\.\*\*.*\n", "", text)
    assert [incomplete(title, entry) for title, entry in entries(bare).items()] == [[]]


def test_an_entry_without_an_answer_on_the_page_turns_red():
    prose, output = "<p>Cause. It. Cure. Mend.</p>", '<div class="cell_output">{}</div>'
    for body, fault in (
        (prose, None),
        (output.format("Cause. It. Cure. Mend."), None),
        (output.format("TypeError"), "no Cause."),
        (prose + output.format("Cause. It. Cure. Mend."), "written and printed"),
    ):
        found = unanswered(BeautifulSoup(f"<section><h3>it</h3>{body}</section>", "html.parser"))
        assert (fault is None) == (found == [])
        assert fault is None or any(fault in it for it in found)


def test_a_cause_that_the_index_lacks_turns_red():
    assert len(unshown([])) == len(CAUSES)
    assert len(unshown(["name for name_scope must be a string"])) == len(CAUSES) - 1


def test_every_cause_has_its_text_in_the_index():
    cells = parse(INDEX.read_text(encoding="utf-8")).cells
    assert unshown([text for cell in cells for text in texts(cell.text)]) == []


def test_a_text_that_nothing_raises_turns_red():
    assert unraised(page(f"ValueError: … it fails,\n and {SAID[14:]} …"), [SAID]) == []
    assert unraised(page("ValueError: it fails otherwise"), [SAID]) == [SAID]


def test_an_error_that_the_index_lacks_turns_red():
    helpers = 'raise ValueError("num_draws must be at least 1, not 0")'
    assert unindexed(page(f"TypeError: In a layer: {SAID}"), [SAID], helpers) == []
    assert unindexed(page("ValueError: num_draws must be at least 1, not 0"), [SAID], helpers) == []
    own = "AssertionError: a claim\nTypeError: OldNet comes from the wrong Keras, so it is refused"
    assert unindexed(page(own), [SAID], 'f"{name} comes from the wrong Keras, so it is"') == []
    assert len(unindexed(page("KeyError: missing\nTypeError: nobody knows"), [SAID], helpers)) == 2


def test_every_entry_is_complete():
    found = entries(INDEX.read_text(encoding="utf-8"))
    assert len(found) > FEWEST
    assert [fault for item in found.items() for fault in incomplete(*item)] == []
    assert [fault for item in found.items() for fault in undated(*item)] == []


def test_the_index_holds_what_is_raised_and_all_that_the_book_shows(site: pathlib.Path):
    cells = parse(INDEX.read_text(encoding="utf-8")).cells
    index = [text for cell in cells for text in texts(cell.text)]
    pages = {path.stem: path for path in sorted((site / "chapters").glob("??-*.html"))}
    soups = {stem: BeautifulSoup(path.read_text(), "html.parser") for stem, path in pages.items()}
    assert unraised(soups[INDEX.stem], index) == []
    assert unanswered(soups[INDEX.stem]) == []
    helpers = "".join(path.read_text() for path in (ROOT / "helpers").rglob("*.py"))
    missing = {stem: unindexed(soup, index, helpers) for stem, soup in soups.items()}
    assert {stem: faults for stem, faults in missing.items() if faults} == {}
