"""The page of questions: each answer leads to a section of a chapter that was executed."""

import pathlib
import re

import pytest
from bs4 import BeautifulSoup, Tag
from site_rules import Faults, Page, read

NUMBER_OF_QUESTIONS = 60
CHAPTER_LINK = re.compile(r"(?P<page>\d\d-[a-z0-9-]+)\.html#(?P<anchor>.+)")
MOST_WORDS = 90
QUESTIONS = """<h1>Questions</h1><section id="what"><h3>What is it?</h3>
<p>It is this. <a href="01-a.html#shown">Seen here</a>.</p>
<p>Asked in <a href="https://example.org/1">a thread</a>.</p></section>"""
CHAPTER = """<section id="shown"><h2>Shown</h2><div class="cell">
<div class="cell_output"><pre>1.0</pre></div></div></section><section id="told"><h2>Told</h2>
<p>Words only.</p></section>"""


def questions(page: Page) -> list[Tag]:
    """Return the sections of a page that hold one question each."""
    return [heading.parent for heading in page.soup.find_all("h3") if heading.parent]


def evidence(question: Tag) -> list[tuple[str, str]]:
    """Return page and anchor of each link into a chapter."""
    found = (CHAPTER_LINK.search(str(link["href"])) for link in question.find_all("a", href=True))
    return [(match["page"], match["anchor"]) for match in found if match]


def unanswered(page: Page, chapters: dict[str, BeautifulSoup]) -> Faults:
    """Return the questions without a link to a section that ran, and those told at length."""
    faults = []
    for question in questions(page):
        title = question.find("h3").get_text()
        links = evidence(question)
        faults += [] if links else [f"{title}: no link to a section of a chapter"]
        for stem, anchor in links:
            section = chapters[stem].find(id=anchor) if stem in chapters else None
            if section is None or not section.select(".cell, .cell_output"):
                faults.append(f"{title}: {stem}#{anchor} is no section with an executed cell")
        answer = question.find("p")
        if answer is None or len(answer.get_text().split()) > MOST_WORDS:
            faults.append(f"{title}: no answer of two or three sentences")
    return faults


def parsed(html: str) -> BeautifulSoup:
    """Take a chapter apart."""
    return BeautifulSoup(html, "html.parser")


def test_good_questions_are_answered():
    assert unanswered(read(QUESTIONS), {"01-a": parsed(CHAPTER)}) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"01-a.html#shown"', '"01-a.html"', "no link"),
        ('"01-a.html#shown"', '"https://example.org/2"', "no link"),
        ("#shown", "#nowhere", "no section"),
        ("#shown", "#told", "no section"),
        ("01-a.html", "02-b.html", "no section"),
        ("It is this.", "It is this. " + "And so on. " * 40, "no answer"),
    ],
)
def test_rule_turns_red(old, new, fault):
    spoiled = read(QUESTIONS.replace(old, new))
    assert any(fault in found for found in unanswered(spoiled, {"01-a": parsed(CHAPTER)}))


def test_all_questions_have_an_executed_answer(site: pathlib.Path):
    page = read((site / "chapters" / "questions.html").read_text(encoding="utf-8"))
    found = {path.stem: parsed(path.read_text()) for path in (site / "chapters").glob("??-*.html")}
    titles = [question.find("h3").get_text() for question in questions(page)]
    assert len(set(titles)) == len(titles) == NUMBER_OF_QUESTIONS
    assert unanswered(page, found) == []
