"""What the book corrects in the markup that Sphinx, sphinx-exercise and pandas write."""

import pandas as pd

from _ext import corrections

SIGNATURE = """<dt>kl<span>(</span>

<dl>
<dd><em class="sig-param">mean</em>,</dd>
<dd><em class="sig-param">stddev</em>,</dd>
</dl>

<span>)</span></dt>"""
TERMS = "<dl>\n<dt>nat</dt>\n<dd>A unit.</dd>\n</dl>"


def test_lines_of_a_signature_are_no_definitions():
    corrected = corrections.correct_lists(SIGNATURE)
    assert corrected.count('<span class="signature-line"><em class="sig-param">') == 2
    assert "<dl>" not in corrected
    assert "<dd>" not in corrected


def test_lists_of_terms_stay():
    assert corrections.correct_lists(TERMS) == TERMS


def test_references_are_items_of_a_list():
    entry = '<div role="list"><div class="citation" role="doc-biblioentry">A</div></div>'
    assert corrections.correct_lists(entry) == entry.replace("doc-biblioentry", "listitem")


def test_a_table_of_pandas_has_no_empty_heading_and_no_obsolete_attribute():
    frame = pd.DataFrame({"nats": [1.5, 2.0]}, index=pd.Index(["a", "b"], name=None))
    table = corrections.correct_table(frame.to_html())
    assert "<th></th>" in frame.to_html()
    assert "<th></th>" not in table
    assert "border=" not in table
    assert "style=" not in table
    assert "<th>nats</th>" in table


def test_an_empty_corner_of_a_written_table_is_no_heading():
    table = '<table><tr><th class="head"><p></p></th><th class="head"><p>N</p></th></tr></table>'
    corrected = corrections.correct_table(table)
    assert corrected.startswith('<table><tr><td class="head"></td><th class="head"><p>N</p></th>')


def test_exercises_have_no_id_in_common():
    body = '<section id="exercise-content"><p>1</p></section>' * 2
    assert corrections.correct_exercises(body) == "<div><p>1</p></div>" * 2


def test_pages_have_correct_lists(site):
    texts = [path.read_text(encoding="utf-8") for path in site.glob("chapters/*.html")]
    assert texts
    assert not any("doc-biblioentry" in text or "<dl>\n<dd>" in text for text in texts)
    assert not any("exercise-content" in text or "<th></th>" in text for text in texts)
