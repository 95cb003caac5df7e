"""Each public module says which section of the book introduces it, and says it truly."""

import ast

import pytest
from chapter_text import ROOT, parse
from introductions import SAID, first_uses, sections

USES = first_uses()


def said(path):
    """Chapter and section that the docstring of a module names."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return SAID.findall(docstring)


@pytest.mark.parametrize("path", sorted(USES), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_names_the_section_that_introduces_it(path):
    assert said(path) == [USES[path]]


def test_no_other_module_says_so():
    others = [path for path in (ROOT / "helpers").rglob("*.py") if path not in USES and said(path)]
    assert others == []


def test_sections_are_found():
    text = "# One\n\n```{code-cell} ipython3\n# no heading\nx = 1\n```\n\n## Two\n\nWords.\n"
    assert sections(parse(text)) == [("One", "# no heading\nx = 1\n"), ("Two", "")]
