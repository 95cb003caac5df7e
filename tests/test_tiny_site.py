"""What the extensions make of a page: folds, links to Colab, old anchors, figures, search."""

import json
from contextlib import closing

import pytest
from fixtures.tiny_book import TinyBook
from PIL import Image
from py_mini_racer import MiniRacer

from _ext.hints import first_sentence
from _ext.search_index import ENGINE

NOTES = """
## A wider prior
% asked as: big sigma, loose prior
% asked as: regularise less
% once: fat-prior
% once: pictures

Words of their own.
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The tiny book, built with a section that has words for the search and earlier anchors."""
    book = TinyBook(tmp_path_factory.mktemp("site") / "book")
    book.write("chapters/02-two.md", book.read("chapters/02-two.md") + NOTES)
    book.write("chapters/02-two.md", book.read("chapters/02-two.md") + "\n## Pictures\n\nNone.\n")
    book.edit("chapters/02-two.md", "\n# Two\n", "\n# Two\n% once: 07-second.html\n")
    assert book.build() == 0
    return book


pytestmark = pytest.mark.xdist_group("tiny site")


def test_a_solution_opens_without_scripts(built):
    (fold,) = built.page("chapters/01-one").select("details.solution")[:1]
    assert fold.summary.get_text().startswith("Solution to Exercise")
    assert fold.summary.find("a") is None
    assert "It is easy." in fold.get_text()
    assert fold.select(".cell")
    assert not built.page("chapters/01-one").select("#solution-content")


def test_a_folded_note_opens_without_scripts(built):
    folds = built.page("chapters/01-one").select("details.warning")
    assert [fold.summary.get_text() for fold in folds] == ["Mind this nat"]


def test_scripts_and_styles_that_a_page_does_not_use_are_not_loaded(built):
    loaded = [
        str(tag.get("src") or tag.get("href"))
        for tag in built.page("chapters/glossary").select("script[src], link[rel=stylesheet]")
    ]
    assert any("furo" in name for name in loaded)
    unused = ("thebe", "book-theme", "togglebutton", "mystnb", "sphinx-design", "exercise")
    assert not [name for name in loaded if any(part in name for part in unused)]
    assert any("mystnb" in str(tag) for tag in built.page("chapters/01-one").select("link"))


def test_an_earlier_anchor_names_the_section_unless_another_has_the_name(built):
    page = built.page("chapters/02-two")
    old = page.find(id="fat-prior")
    assert old.find(id="a-wider-prior") is not None
    assert "Words of their own." in old.get_text()
    (pictures,) = page.find_all(id="pictures")
    assert pictures.find("h2").get_text().startswith("2.") or "Pictures" in pictures.get_text()
    assert "Words of their own." not in pictures.get_text()
    assert "asked as" not in page.get_text()


def test_sections_open_on_colab_at_their_cell(built):
    page = built.page("chapters/01-one")
    links = [tag["href"] for tag in page.select("a.colab-here")]
    cells = {cell.id for cell in built.notebook("01-one").cells}
    assert links
    assert {link.partition("#scrollTo=")[2] for link in links} <= cells
    assert all("/blob/main/chapters/01-one.ipynb#" in link for link in links)
    top = [tag.get_text() for tag in page.select(".page-tools a")]
    assert top == ["Open on Colab", "Download the notebook"]


def test_links_to_terms_say_what_the_terms_mean(built):
    (link,) = built.page("chapters/01-one").select('.note a[href$="#term-KL-divergence"]')
    meaning = built.page("chapters/glossary").find(id="term-KL-divergence").find_next("dd")
    assert link["data-hint"]
    assert meaning.get_text().strip().startswith(link["data-hint"])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("A unit. It is small.", "A unit."),
        ("A unit of 1.44 bits,\ne.g. here. More.", "A unit of 1.44 bits, e.g. here."),
        ("KL(q ‖ p)", "KL(q ‖ p)"),
    ],
)
def test_a_hint_is_the_first_sentence(text, first):
    assert first_sentence(text) == first


def test_figures_are_webp_without_loss_and_with_their_size(built):
    (image,) = built.page("chapters/01-one").select("figure img")
    assert image["src"].endswith(".webp")
    assert image["alt"] == "A grey bar of 300 pixels."
    path = built.path("_build/html/chapters") / image["src"]
    with Image.open(path) as shown:
        assert (int(image["width"]), int(image["height"])) == tuple(n // 2 for n in shown.size)
        png = next(built.path("_build/jupyter_execute").rglob(f"{path.stem}.png"))
        with Image.open(png) as drawn:
            assert drawn.convert("RGB").tobytes() == shown.convert("RGB").tobytes()


def test_formulas_are_numbered_once(built):
    page = built.page("chapters/01-one")
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    numbers = [tag.get_text()[:5] for tag in page.select(".eqno")]
    assert numbers == ["(1.1)", "(1.2)"]
    assert len(page.select("div.math")) == 3


def test_the_index_holds_the_words_under_a_heading(built):
    with closing(MiniRacer()) as engine:
        engine.eval(ENGINE.read_text(encoding="utf-8"))
        engine.eval(built.read("_build/html/_static/search/index.js"))
        for query in ("loose prior", "regularize less", "lose priors"):
            found = json.loads(
                engine.eval(f"JSON.stringify(BookSearch.search({json.dumps(query)}))")
            )
            first = found[0]["record"]
            assert (first["page"], first["anchor"]) == ("chapters/02-two.html", "a-wider-prior")
    assert not built.path("_build/html/searchindex.js").exists()


def test_the_sites_address_leads_to_its_first_page(built):
    page = built.page("index")
    assert built.read("_build/html/index.html").startswith("<!DOCTYPE html>")
    first = page.select_one("a")["href"]
    assert built.path(f"_build/html/{first}").exists()
    assert f"url={first}" in page.select_one("meta[http-equiv]")["content"]


def test_the_earlier_address_of_a_page_leads_to_it_and_keeps_the_anchor(built):
    page = built.page("chapters/07-second")
    assert page.select_one("a")["href"] == "02-two.html"
    assert page.select_one("meta[http-equiv]")["content"] == "0; url=02-two.html"
    assert page.select_one("link[rel=canonical]")["href"].endswith("/chapters/02-two.html")
    assert 'location.replace("02-two.html" + location.hash)' in page.select_one("script").string
