"""What the book corrects in the pages that Sphinx writes."""

from _ext import page_head

SIGNATURE = """<dt>kl<span>(</span>

<dl>
<dd><em class="sig-param">mean</em>,</dd>
<dd><em class="sig-param">stddev</em>,</dd>
</dl>

<span>)</span></dt>"""
TERMS = "<dl>\n<dt>nat</dt>\n<dd>A unit.</dd>\n</dl>"


def test_lines_of_a_signature_are_no_definitions():
    corrected = page_head.correct_lists(SIGNATURE)
    assert corrected.count('<span class="signature-line"><em class="sig-param">') == 2
    assert "<dl>" not in corrected
    assert "<dd>" not in corrected


def test_lists_of_terms_stay():
    assert page_head.correct_lists(TERMS) == TERMS


def test_references_are_items_of_a_list():
    entry = '<div role="list"><div class="citation" role="doc-biblioentry">A</div></div>'
    assert page_head.correct_lists(entry) == entry.replace("doc-biblioentry", "listitem")


def test_pages_have_correct_lists(site):
    texts = [path.read_text(encoding="utf-8") for path in site.glob("chapters/*.html")]
    assert texts
    assert not any("doc-biblioentry" in text or "<dl>\n<dd>" in text for text in texts)
    assert all("summary, .admonition.toggle" in text for text in texts)
