"""What the book says a library does wrongly is still so, and all that it says is watched."""

import importlib.metadata
import re

import pytest
from chapter_text import chapters
from watched_defects import DEFECTS, Defect

VERSION = re.compile(r"\b(?:TFP|tf_keras|TensorFlow Probability) \d+\.\d+")
HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as MyST makes it."""
    plain = re.sub(r"\$[^$]*\$", "", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def sections(text: str) -> dict[str, str]:
    """Return the sections of a chapter, code left out, by anchor; each up to the next heading."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = list(HEADING.finditer(prose))
    ends = [heading.start() for heading in found[1:]] + [len(prose)]
    return {
        anchor(heading[2]): prose[heading.end() : end]
        for heading, end in zip(found, ends, strict=True)
    }


def book_sections() -> dict[str, str]:
    """Return the sections of all chapters by `page.md#anchor`."""
    return {
        f"{chapter.name}.md#{name}": text
        for chapter in chapters()
        for name, text in sections(chapter.text).items()
    }


def unwatched(told: dict[str, str], watched: set[str]) -> list[str]:
    """Return the sections that name a library's version in what they say, and have no check.

    The error index compares its texts itself, and takeaways repeat what a section said.
    """
    claims = {place for place, text in told.items() if VERSION.search(text)}
    repeated = {it for it in claims if it.startswith("21-") or it.endswith("#takeaways")}
    return sorted(claims - repeated - watched)


def check(defect: Defect) -> None:
    """Fail with what to mend if a defect is gone."""
    try:
        defect.check()
    except AssertionError as error:
        now = ", ".join(f"{it} {importlib.metadata.version(it)}" for it in LIBRARIES)
        pytest.fail(
            f"{defect.place} says: {defect.claim}. That is no longer so with {now}. "
            f"Mend the section, then the entry in tests/watched_defects.py.\n{error}",
            pytrace=False,
        )


LIBRARIES = ("tensorflow", "tensorflow-probability", "tf_keras")
PAGE = """# Title

In TFP 0.25 this is wrong.

```python
# TFP 0.24 ## no heading
```

## The `losses` of $x$, again!

Nothing.
"""


def test_sections_are_found_by_their_anchors():
    assert list(sections(PAGE)) == ["title", "the-losses-of--again"]
    assert "0.24" not in "".join(sections(PAGE).values())


def test_an_unwatched_claim_turns_red():
    told = {f"01-a.md#{name}": text for name, text in sections(PAGE).items()}
    assert unwatched(told, set()) == ["01-a.md#title"]
    assert unwatched(told, {"01-a.md#title"}) == []
    assert unwatched(told | {"01-a.md#takeaways": "Since TFP 0.25."}, {"01-a.md#title"}) == []


def test_a_mended_library_turns_a_check_red():
    def gone() -> None:
        raise AssertionError("the library is mended")

    with pytest.raises(pytest.fail.Exception, match=r"no longer so with tensorflow \d"):
        check(Defect("01-a.md#title", "it is wrong", gone))


def test_every_section_that_names_a_version_is_watched():
    told, watched = book_sections(), {defect.place for defect in DEFECTS}
    assert unwatched(told, watched) == []
    assert watched <= set(told), "an entry names a section that does not exist"


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda it: f"{it.place[:2]}-{it.check.__name__}")
def test_the_defect_is_still_there(defect):
    check(defect)
