"""The list of claims leads to a section of each chapter, and leaves no cell of its tables empty."""

import re

from chapter_text import ROOT, chapters

from tools.book.references import References
from tools.book.settings import read_book

LIST = (ROOT / "benchmarks" / "claims.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(\.\./(chapters/(\d\d)-[\w-]+)\.md#([\w-]+)\)")


def test_each_claim_leads_to_its_section():
    references = References(read_book(ROOT))
    for name, _, anchor in LINK.findall(LIST):
        assert references.page_link(name, anchor)


def test_each_chapter_has_its_claims():
    assert {number for _, number, _ in LINK.findall(LIST)} == {
        chapter.name[:2] for chapter in chapters() if chapter.name < "21"
    }


def test_each_claim_has_run_convergence_seeds_and_baseline():
    rows = [line for line in LIST.splitlines() if line.startswith("| ")]
    assert len(rows) > 50
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5, row
        assert all(cells), row
