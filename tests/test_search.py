"""The site's search: how it cuts words, how it ranks, and whether it finds what readers ask."""

import json
import pathlib
from contextlib import closing

import pytest
from bs4 import BeautifulSoup
from py_mini_racer import MiniRacer

from _ext.search_index import ENGINE

QUERIES = pathlib.Path(__file__).with_name("search_queries.json")
RECORDS = [
    ("Why the KL is divided by N", ["number of batches"], "Each batch adds the KL once."),
    ("Saving a network", ["load_weights", "serialise"], "Saved weights come back."),
    ("Epistemic and aleatoric uncertainty", ["two kinds of doubt"], "Noise of the data."),
    ("'tuple' object has no attribute 'rank'", [], "A prior was given as a tuple."),
    ("Questions", [], "All of them."),
]


class Search:
    """The engine in V8."""

    def __init__(self) -> None:
        self.engine = MiniRacer()
        self.engine.eval(ENGINE.read_text(encoding="utf-8"))

    def call(self, function: str, *arguments):
        given = ", ".join(json.dumps(argument) for argument in arguments)
        return json.loads(self.engine.eval(f"JSON.stringify(BookSearch.{function}({given}))"))

    def close(self) -> None:
        self.engine.close()

    def places(self, query: str, most: int = 3) -> list[tuple[str, str]]:
        """Page and anchor of the first results."""
        found = [result["record"] for result in self.call("search", query)[:most]]
        return [(record["page"], record["anchor"]) for record in found]


@pytest.fixture(scope="module")
def small():
    """A search in five sections."""
    records = [
        {"page": "a.html", "anchor": f"s{number}", "heading": heading, "path": "", "asked": asked,
         "text": text, "code": "", "summary": text, "boost": 1.25 if heading == "Questions" else 1}
        for number, (heading, asked, text) in enumerate(RECORDS)
    ]  # fmt: skip
    with closing(Search()) as search:
        search.call("load", search.call("build", records))
        yield search


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kernel_prior_fn", ["kernelpriorfn", "kernel", "prior", "fn"]),
        ("DenseFlipout", ["denseflipout", "dens", "flipout"]),
        ("the weights of layers", ["weight", "layer"]),
        ("regularisation, colour, initialised", ["regularization", "color", "initializ"]),
        ('File "/srv/me/a.py", line 3, in f', []),
        ("at 0x7f3a2b of /usr/lib/python3/x.py", []),
        ("float16 KL=12345", ["float16", "kl"]),
    ],
)
def test_words(small, text, found):
    assert small.call("words", text) == found


@pytest.mark.parametrize(
    ("query", "section"),
    [
        ("divide kl by number of batches", "s0"),
        ("lode weights", "s1"),
        ("serialize", "s1"),
        ("epist", "s2"),
        ("aleatroic", "s2"),
        ("File \"/x/y.py\", line 7\nAttributeError: 'tuple' object has no attribute 'rank'", "s3"),
    ],
)
def test_a_word_may_be_missing_misspelt_or_unfinished(small, query, section):
    assert small.places(query)[0] == ("a.html", section)


@pytest.mark.parametrize("query", ["xyzzy", "?!", "the of", ""])
def test_the_list_is_never_empty(small, query):
    assert small.places(query) == [("a.html", "s4")]


# ---------------------------------------------------------------- on the site


@pytest.fixture(scope="module")
def book(site):
    """The search of the built site."""
    with closing(Search()) as search:
        search.engine.eval((site / "_static" / "search" / "index.js").read_text(encoding="utf-8"))
        yield search


class Places:
    """Which places of the site lie within which."""

    def __init__(self, site: pathlib.Path) -> None:
        self.site = site
        self.pages: dict[str, BeautifulSoup] = {}

    def find(self, page: str, anchor: str):
        if page not in self.pages:
            text = (self.site / page).read_text(encoding="utf-8")
            self.pages[page] = BeautifulSoup(text, "html.parser")
        return self.pages[page].find(id=anchor)

    def within(self, place: tuple[str, str], target: str) -> bool:
        """Whether a result lies in the section that a target names."""
        page, _, anchor = target.partition("#")
        if place[0] != page:
            return False
        section = self.find(page, anchor) if anchor else None
        here = self.find(*place) if place[1] else None
        if section is None:
            return not anchor
        return here is not None and (here is section or section in here.parents)


def share(hits: list[bool]) -> float:
    """How many of all."""
    return sum(hits) / len(hits)


def test_readers_find_page_and_section_within_three_results(site, book):
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))["queries"]
    places = Places(site)
    pages, sections = [], []
    for query in queries:
        found = book.places(query["q"])
        pages.append(any(p[0] == t.partition("#")[0] for p in found for t in query["targets"]))
        sections.append(any(places.within(p, t) for p in found for t in query["targets"]))
    missed = [q["q"] for q, hit in zip(queries, sections, strict=True) if not hit]
    assert len(queries) >= 70
    assert share(pages) >= 0.95, missed
    assert share(sections) >= 0.85, missed


def test_a_place_elsewhere_is_no_hit(site):
    places = Places(site)
    target = "chapters/01-kl-formula.html#which-way-round"
    assert places.within(("chapters/01-kl-formula.html", "which-way-round"), target)
    assert not places.within(
        ("chapters/01-kl-formula.html", "an-l2-norm-testing-the-guess"), target
    )
    assert not places.within(("chapters/01-kl-formula.html", ""), target)
    assert not places.within(("chapters/04-elbo.html", "which-way-round"), target)


def test_the_targets_of_the_queries_are_on_the_site(site):
    places = Places(site)
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))["queries"]
    targets = {target for query in queries for target in query["targets"]}
    gone = [t for t in targets if "#" in t and places.find(*t.split("#")) is None]
    assert not gone


def test_every_result_leads_to_a_place_of_the_site(site, book):
    places = Places(site)
    records = book.call("load", json.loads(index_text(site)))["records"]
    assert len(records) > 500
    dead = [r for r in records if r["anchor"] and places.find(r["page"], r["anchor"]) is None]
    assert not dead


def index_text(site: pathlib.Path) -> str:
    """The index as JSON."""
    text = (site / "_static" / "search" / "index.js").read_text(encoding="utf-8")
    return text[text.index("{") : text.rindex("}") + 1]


def test_the_first_search_is_small(site):
    import gzip

    folder = site / "_static" / "search"
    loaded = [gzip.compress(path.read_bytes()) for path in folder.glob("*.js")]
    assert sum(map(len, loaded)) < 200_000
