"""Formulas as MathML: letters, spaces and columns as browsers of today draw them."""

import io
import pathlib
import xml.etree.ElementTree as ET
from contextlib import closing

import pytest
from fontTools.ttLib import TTFont
from py_mini_racer import JSEvalException

from _ext import formulas

M = f"{{{formulas.MATHML}}}"


@pytest.fixture(scope="module")
def renderer():
    with closing(formulas.Renderer()) as made:
        yield made


def names(text: str) -> list[str]:
    """Text of the leaves of a formula, in order; a space that was put in is a blank."""
    leaves = [part for part in ET.fromstring(text).iter() if not len(part)]
    return [" " if part.tag == f"{M}mspace" else part.text or "" for part in leaves]


def test_letters_of_other_alphabets_are_letters(renderer):
    text = renderer.mathml(r"\mathbb{E}_q + \mathcal{N} + \mathcal{L}", display=False)
    assert {"𝔼", "𝒩", "ℒ"} <= set(names(text))
    assert "script" not in text
    assert "double-struck" not in text


def test_names_of_functions_have_room(renderer):
    shown = names(renderer.mathml(r"a \log q(w) - \log(b)", display=False))
    assert shown == ["a", " ", "log", "⁡", " ", "q", "(", "w", ")", "−", "log", "⁡", "(", "b", ")"]
    under = names(renderer.mathml(r"\min_w f(w)", display=True))
    assert under[:4] == ["min", "⁡", "w", " "]


def test_columns_are_aligned_in_the_style(renderer):
    text = renderer.mathml(r"\begin{aligned}a&=b\\c&=d\end{aligned}", display=True)
    cells = ET.fromstring(text).findall(f".//{M}mtd")
    sides = [cell.get("style").split(";")[0] for cell in cells]
    assert sides == ["text-align: right", "text-align: left"] * 2
    assert "columnalign" not in text


@pytest.mark.parametrize("tex", [r"\frac{1}{", r"\nosuchcommand{x}", "x_1_2"])
def test_wrong_tex_is_refused(renderer, tex):
    with pytest.raises(JSEvalException):
        renderer.mathml(tex, display=False)


def test_the_font_holds_what_the_pages_use(renderer, tmp_path):
    formula = renderer.mathml(r"\sum_n \mathbb{E}[h] \ge \tfrac12 \sigma^2", display=True)
    page = tmp_path / "page.html"
    page.write_text(f"<p>ж</p>{formula}", encoding="utf-8")
    used = formulas.characters([page])
    assert {"∑", "𝔼", "σ", "𝜎", "ℎ", "≥", "2"} <= used
    assert "ж" not in used
    known = TTFont(io.BytesIO(formulas.font(used))).getBestCmap()
    assert {ord(character) for character in "∑𝔼𝜎ℎ≥2"} <= set(known)
    assert ord("ж") not in known


def test_the_site_shows_formulas_without_scripts(site: pathlib.Path):
    text = (site / "chapters" / "01-kl-formula.html").read_text(encoding="utf-8")
    assert text.count("<math ") > 50
    assert "\\frac" not in text
    assert 10_000 < (site / "_static" / formulas.FONT).stat().st_size < 60_000
