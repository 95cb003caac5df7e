"""The built site, page by page; every rule is shown to turn red on a small page."""

import pathlib
import statistics

import pytest
import yaml
from site_rules import (
    COLAB,
    IN_STYLE,
    Page,
    dead_links,
    duplicate_ids,
    hidden_controls,
    incomplete_head,
    is_foreign,
    noise,
    poor_alternatives,
    raw_formulas,
    read,
    requests_elsewhere,
    resolve,
    unlinked_terms,
    unnamed_headings,
    unsized_images,
    weight,
    wrong_colab_links,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE_RULES = (
    requests_elsewhere,
    poor_alternatives,
    incomplete_head,
    noise,
    unlinked_terms,
    duplicate_ids,
    unsized_images,
    raw_formulas,
    hidden_controls,
    unnamed_headings,
)
GOOD = """<html lang="en"><head><title>A</title><link rel="canonical" href="https://a.github.io/"/>
<meta name="description" content="A page"/><link rel="stylesheet" href="../_static/a.css"/>
<script src="../_static/a.js"></script></head><body><h1 id="top">A</h1>
<p><a href="https://example.org/">out</a><a class="reference" href="glossary.html#term-ELBO">
<span class="xref std std-term">ELBO</span></a></p>
<figure><img src="../_images/a.png" alt="A line that rises from 1 to 3."
width="9" height="5"/></figure>
<p>Costs <code>\\frac</code> $5 and <math><mi>x</mi></math>.</p>
<a href="#top"><img src="../_static/l.svg" alt="" width="9" height="9"/>Home</a>
<details><summary>Solution</summary><p>It is <a href="#top">this</a>.</p></details>
<table><tr><td></td><th>nats</th><th><math><mi>x</mi></math></th></tr></table>
<div class="cell_output"><pre>TypeError: a message that the page shows</pre></div></body></html>"""
OUTPUT = "TypeError: a message that the page shows"
SPOILED = [
    (requests_elsewhere, '"../_static/a.js"', '"https://cdn.example.org/a.js"'),
    (requests_elsewhere, '"../_static/a.css"', '"//cdn.example.org/a.css"'),
    (requests_elsewhere, '"../_images/a.png"', '"https://example.org/a.png"'),
    (requests_elsewhere, "<p>", '<script>let u = "https://example.org/lib/index.js";</script><p>'),
    (requests_elsewhere, "<p>", '<p style="background: url(https://example.org/a.png)">'),
    (requests_elsewhere, "<p>", '<style>@import "https://example.org/a.css";</style><p>'),
    (poor_alternatives, ' alt="A line that rises from 1 to 3."', ""),
    (poor_alternatives, "A line that rises from 1 to 3.", "&lt;Figure size 640x480&gt;"),
    (poor_alternatives, "A line that rises from 1 to 3.", "a.png"),
    (poor_alternatives, ">Home</a>", "></a>"),
    (poor_alternatives, "A line that rises from 1 to 3.", "A line"),
    (incomplete_head, ' lang="en"', ""),
    (incomplete_head, "<title>A</title>", "<title></title>"),
    (incomplete_head, "<h1", "<h2"),
    (incomplete_head, '<meta name="description" content="A page"/>', ""),
    (noise, OUTPUT, "Traceback (most recent call last):\n  File"),
    (noise, OUTPUT, "2026-01-01 10:00:00.1: I tensorflow/core"),
    (noise, OUTPUT, "WARNING:tensorflow:old name"),
    (noise, OUTPUT, "a.py:3: UserWarning: seeds"),
    (noise, "<pre>", '<pre class="output stderr">'),
    (duplicate_ids, "<p>Costs", '<p id="top">Costs'),
    (unsized_images, 'height="5"', ""),
    (raw_formulas, "Costs <code>", r"Costs \(x\) <code>"),
    (raw_formulas, "Costs <code>", r"Costs \mathrm{KL} <code>"),
    (hidden_controls, "<summary>Solution", '<summary><a href="#top">Solution</a>'),
    (unnamed_headings, "<td></td>", "<th></th>"),
    (unlinked_terms, 'a class="reference"', 'b class="reference"'),
]


@pytest.mark.parametrize("rule", PAGE_RULES, ids=lambda rule: rule.__name__)
def test_good_page_keeps_the_rule(rule):
    assert rule(read(GOOD)) == []


@pytest.mark.parametrize(("rule", "good", "bad"), SPOILED)
def test_rule_turns_red(rule, good, bad):
    assert good in GOOD
    assert rule(read(GOOD.replace(good, bad))) != []


def test_dead_links_turn_red():
    anchors = {"chapters/glossary.html": {"term-ELBO"}, "chapters/page.html": {"top"}}
    files = {*anchors, "_static/a.css", "_static/a.js"}
    page = read(GOOD)
    assert dead_links(page, anchors, files.__contains__) == []
    for good, bad in (("term-ELBO", "term-X"), ("glossary.html", "gone.html"), ("a.css", "b.css")):
        assert dead_links(read(GOOD.replace(good, bad)), anchors, files.__contains__)
    here = GOOD.replace("https://example.org/", "#nowhere")
    assert dead_links(read(here), anchors, files.__contains__)
    assert resolve(page.path, "../a/b.html?x=1") == "a/b.html"


def test_wrong_colab_links_turn_red():
    base, notebooks = COLAB + "me/book/blob/main/", {"chapters/page.ipynb"}
    link = f'<a href="{base}chapters/page.ipynb">Colab</a>'
    assert wrong_colab_links(read(link), base, notebooks) == []
    for bad in (link.replace("main", "master"), link.replace(".ipynb", ".md"), "<p></p>"):
        assert wrong_colab_links(read(bad), base, notebooks)


@pytest.fixture(scope="session")
def pages(site: pathlib.Path) -> list[Page]:
    """All pages of the book, without the redirect that stands for the first one."""
    paths = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    names = [(path, path.relative_to(site).as_posix()) for path in paths]
    found = [read(path.read_text(encoding="utf-8"), name) for path, name in names]
    return [page for page in found if not page.is_redirect]


@pytest.mark.parametrize("rule", PAGE_RULES, ids=lambda rule: rule.__name__)
def test_pages_keep_the_rule(pages, rule):
    faults = [fault for page in pages for fault in rule(page)]
    assert not faults, "\n".join(faults)


def test_a_heavy_page_turns_red(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_images").mkdir()
    text = '<p>A</p><img src="../_images/a.webp"/>'
    (tmp_path / "chapters/page.html").write_text(text, encoding="utf-8")
    (tmp_path / "_images/a.webp").write_bytes(b"0" * 700_000)
    assert 700_000 < weight(tmp_path, read(text)) < 701_000


def test_pages_are_light(site, pages):
    weights = {str(page.path): weight(site, page) for page in pages}
    assert statistics.median(weights.values()) <= 200_000
    assert max(weights.values()) <= 500_000, weights


def test_the_site_has_what_hosts_and_readers_look_for(site):
    for name in ("404.html", "sitemap.xml", ".nojekyll", "search.html"):
        assert (site / name).exists(), name
    sitemap = (site / "sitemap.xml").read_text(encoding="utf-8")
    assert "/chapters/01-kl-formula.html</loc>" in sitemap
    lost = (site / "404.html").read_text(encoding="utf-8")
    assert 'class="sidebar-search-container book-search"' in lost
    first = (site / "chapters/00-the-question.html").read_text(encoding="utf-8")
    assert all(f'property="og:{name}"' in first for name in ("title", "description", "image"))


def test_all_pages_are_there(site):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    missing = [name for name in [toc["root"], *names] if not (site / f"{name}.html").is_file()]
    assert missing == []
    assert f"{toc['root']}.html" in (site / "index.html").read_text(encoding="utf-8")


def test_links_inside_the_site_lead_somewhere(site, pages):
    anchors = {page.path.as_posix(): page.anchors for page in pages}
    faults = [
        fault
        for page in pages
        for fault in dead_links(page, anchors, lambda target: (site / target).exists())
    ]
    assert not faults, "\n".join(faults)


def test_colab_links_lead_to_notebooks(pages):
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    place = repository["url"].removeprefix("https://github.com/")
    base = f"{COLAB}{place}/blob/{repository['branch']}/"
    notebooks = {f"chapters/{path.name}" for path in (ROOT / "chapters").glob("*.ipynb")}
    faults = [fault for page in pages for fault in wrong_colab_links(page, base, notebooks)]
    assert notebooks
    assert not faults, "\n".join(faults)


def test_style_sheets_ask_no_other_host(site):
    found = {
        (path.name, address)
        for path in site.rglob("*.css")
        for address in IN_STYLE.findall(path.read_text(encoding="utf-8"))
        if is_foreign(address)
    }
    assert found == set()
