"""Markup that the W3C's checker refused, made right."""

import types

from site_rules import dead_links, read

from _ext import corrections, first_page, page_head

ROOT_DOC = "chapters/00-first"


def test_a_table_of_pandas_holds_nothing_obsolete():
    table = '<table border="1"><tr><th></th><th colspan="2" halign="left">mean</th></tr></table>'
    wanted = '<table><tr><td></td><th colspan="2">mean</th></tr></table>'
    assert corrections.correct_table(table) == wanted


def test_the_page_that_leads_on_is_whole(tmp_path, monkeypatch):
    book = types.SimpleNamespace(site="https://a.github.io/b/", config={"title": "A & B"})
    monkeypatch.setattr(first_page, "read_book", lambda srcdir: book)
    app = types.SimpleNamespace(
        builder=types.SimpleNamespace(format="html"),
        env=types.SimpleNamespace(),
        config=types.SimpleNamespace(root_doc=ROOT_DOC),
        srcdir=tmp_path,
        outdir=tmp_path,
    )
    first_page.write(app, None)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = read(text, "index.html")
    assert page.is_redirect
    assert text.startswith("<!DOCTYPE html>")
    assert page.soup.title.get_text() == "A & B"
    assert "https://a.github.io/b/chapters/00-first.html" in text
    assert dead_links(page, {}, {f"{ROOT_DOC}.html"}.__contains__) == []
    assert dead_links(page, {}, set().__contains__) != []


def test_a_first_page_of_that_name_stays(tmp_path, monkeypatch):
    book = types.SimpleNamespace(site="https://a.github.io/b/", config={"title": "A"})
    monkeypatch.setattr(first_page, "read_book", lambda srcdir: book)
    app = types.SimpleNamespace(
        builder=types.SimpleNamespace(format="html"),
        env=types.SimpleNamespace(),
        config=types.SimpleNamespace(root_doc="index"),
        srcdir=tmp_path,
        outdir=tmp_path,
    )
    first_page.write(app, None)
    assert not (tmp_path / "index.html").exists()


def head_of(body):
    """What the head of a page with this body holds."""
    context = {"script_files": [], "css_files": [], "body": body, "docstitle": "The book"}
    context["pathto"] = lambda name, _: f"../{name}"
    page_head.complete_head(None, "a", "page.html", context, None)
    return context["metatags"]


def test_the_font_of_formulas_is_asked_for_first_where_there_are_some():
    assert 'href: "../_static/book-math.woff2"' in head_of("<math></math>")
    assert "book-math" not in head_of("<p>No formula.</p>")
