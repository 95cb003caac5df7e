"""The notebooks for Colab: what they show, what they refuse, and that they are in step."""

import copy
import re

import nbformat
import pytest
from fixtures.tiny_book import ROOT, TinyBook, cell

from tools import address
from tools.book.page_source import read_notebook
from tools.book.references import References
from tools.book.settings import read_book
from tools.colab import notebooks
from tools.colab.code import translate_links
from tools.colab.markdown import Translator
from tools.colab.page_form import chapter_cells, page_form

COLAB = "https://colab.research.google.com/github/your_account/tiny-book/blob/main/chapters"
SITE = "https://your_account.github.io/tiny-book/chapters"


@pytest.fixture
def book(tmp_path):
    return TinyBook(tmp_path / "book")


@pytest.fixture(scope="module")
def translate(tmp_path_factory):
    """Translate a piece of chapter 01 as the generator does."""
    book = TinyBook(tmp_path_factory.mktemp("translate") / "book")
    references = References(read_book(book.root))
    translator = Translator(references.pages["chapters/01-one"], references)
    return lambda text: translator.translate(text, 1)


# What the notebooks show


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (":::{note} Title\nText\n\nMore\n:::", "> **Title**\n>\n> Text\n>\n> More"),
        (":::{tip}\nText\n:::", "> **Tip**\n>\n> Text"),
        (":::{warning} Mind `it`\nText\n:::", "> **Warning: Mind `it`**\n>\n> Text"),
        ("::::{important}\n:::{tip}\nX\n:::\n::::", "> **Important**\n>\n> > **Tip**\n> >\n> > X"),
        (":::{note}\n:class: dropdown\nText\n:::", "> **Note**\n>\n> Text"),
        (":::{note}\n$$\na\n$$\n:::", "> **Note**\n>\n> $$ a $$"),
        ("$$\na\n$$ (eq-second)", "$$\na \\tag{1.2}\n$$"),
        ("$$ a $$ (eq-second)", "$$\na \\tag{1.2}\n$$"),
        (
            "$$\na &= b \\\\\nc &= d\n$$",
            "$$\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n$$",
        ),
        ("see {eq}`eq-second`", "see (1.2)"),
        ("see {eq}`eq-other`", f"see [(2.1)]({COLAB}/02-two.ipynb#scrollTo=the-data)"),
        ("see {eq}`eq-door`", f"see [(1)]({COLAB}/00-door.ipynb#scrollTo=the-door)"),
        ("{numref}`fig-one`", "Fig. 1.1"),
        ("{numref}`fig-two`", f"[Fig. 2.1]({COLAB}/02-two.ipynb#scrollTo=the-data)"),
        ("{term}`nats`", f"[nats]({SITE}/glossary.html#term-nats)"),
        ("{term}`the KL\n<KL divergence>`", f"[the KL]({SITE}/glossary.html#term-KL-divergence)"),
        ("{cite:t}`kingma2014`", "[Kingma and Welling (2014)](https://arxiv.org/abs/1312.6114)"),
        ("{cite:p}`kingma2014`", "([Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114))"),
        ("[a](02-two.md)", f"[a]({COLAB}/02-two.ipynb)"),
        ("[a](02-two.md#the-data-1)", f"[a]({COLAB}/02-two.ipynb#scrollTo=the-data-1)"),
        (
            "[*{term}`nat`*](glossary.md)",
            f"[*[nat]({SITE}/glossary.html#term-nat)*]({SITE}/glossary.html)",
        ),
        ("[a](#pictures)", "[a](#scrollTo=pictures)"),
        ("[a](https://example.org/x_(y))", "[a](https://example.org/x_(y))"),
        ("`{eq}`x`` and \\$5 and $\\{a\\}`$", "`{eq}`x`` and \\$5 and $\\{a\\}`$"),
        ("```python\n# :::{note}\n{eq}`x`\n```", "```python\n# :::{note}\n{eq}`x`\n```"),
        ("- a\n\n  $$ b $$\n- {eq}`eq-second`", "- a\n\n  $$\n  b\n  $$\n- (1.2)"),
        ("| a |\n| - |\n| {eq}`eq-second` |", "| a |\n| - |\n| (1.2) |"),
        (":::{exercise}\n:label: ex-add\nAdd.\n:::", "**Exercise 1.1**\n\nAdd."),
        ("## Nats\n% asked as: bits, units\n% once: units\n\nA nat.", "## Nats\n\nA nat."),
    ],
)
def test_translation(translate, source, shown):
    assert translate(source) == shown


def test_cards_become_a_list_of_links(book):
    book.generate()
    landing = book.notebook("00-door").cells[0].source
    assert (
        f"- **[I want the idea]({COLAB}/01-one.ipynb)**: Begin with the first chapter." in landing
    )


def test_the_notebook_says_where_it_is_from(book):
    book.generate()
    notebook = book.notebook("01-one")
    assert notebook.metadata["generated_from"].startswith(
        "chapters/01-one.md by python -m tools notebooks"
    )
    title, _, origin, *_ = notebook.cells[0].source.split("\n")
    assert title == "# One *thing* and `neural_net.losses`"
    assert f"({SITE}/01-one.html)" in origin
    assert "generated" in origin
    assert all(not c.get("outputs") for c in notebook.cells)


def test_the_first_notebook_says_what_colab_asks(book):
    book.generate()
    for name, says in (("00-door", True), ("01-one", False)):
        top = book.notebook(name).cells[0].source
        assert ("not authored by Google" in top) is says
        assert ("Save a copy in Drive" in top) is says


def test_a_figure_is_followed_by_its_number_and_caption(book):
    book.generate()
    cells = book.notebook("01-one").cells
    (at,) = [n for n, c in enumerate(cells) if "100 * len" in c.source]
    assert cells[at + 1].source.startswith("**Fig. 1.1.** See (1.2) and [Fig. 2.1](")


def test_solutions_are_folded_on_colab(book):
    book.generate()
    notebook = book.notebook("01-one")
    folded = notebook.metadata["colab"]["collapsed_sections"]
    heads = [c for c in notebook.cells if c.id in folded]
    assert [c.source.split("\n")[0] for c in heads] == ["#### Solution"] * 2
    assert [c.metadata["id"] for c in heads] == folded


def test_each_heading_begins_a_cell(book):
    book.generate()
    texts = [c.source for c in book.notebook("01-one").cells if c.cell_type == "markdown"]
    outside_code = [re.sub(r"```.*?```", "", text, flags=re.DOTALL) for text in texts]
    assert not [text for text in outside_code if re.search(r"\n#{1,4} ", text)]


def test_cell_ids_stay_when_another_section_grows(book):
    book.generate()
    before = {c.source: c.id for c in book.notebook("01-one").cells if c.cell_type == "code"}
    book.edit("chapters/01-one.md", "SEED = 0\n", "SEED = 0\n```\n\nWords.\n\n" + cell("1")[:-4])
    book.generate()
    after = {c.source: c.id for c in book.notebook("01-one").cells if c.cell_type == "code"}
    moved = [s for s in before if s in after and before[s] != after[s]]
    assert not moved
    assert len(set(after.values())) == len(after)


def test_same_bytes_each_time(book):
    book.generate()
    paths = sorted(book.path("chapters").glob("*.ipynb"))
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    assert book.generate() == 0
    assert [path.read_bytes() for path in paths] == before


def executed(notebook, **outputs):
    """The notebook as if it had run: the cell whose code holds the key shows that Markdown."""
    ran = copy.deepcopy(notebook)
    for cell_ in ran.cells:
        for code, text in outputs.items():
            if cell_.cell_type == "code" and code in cell_.source:
                shown = nbformat.v4.new_output("display_data", data={"text/markdown": text})
                cell_.outputs = [shown]
    return ran


def test_a_page_takes_the_outputs_of_its_notebook(book):
    """Without the set-up cell, and with its own links in the place of Colab's."""
    said = "say('Read [chapter one](01-one.md#pictures).')"
    book.write("chapters/02-two.md", book.read("chapters/02-two.md") + "\n" + cell(said))
    book.generate()
    settings = read_book(book.root)
    notebook = book.notebook("02-two")
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert code[0].id == "set-up"
    assert chapter_cells(notebook) == code[1:]
    address = f"{COLAB}/01-one.ipynb#scrollTo=pictures"
    assert f"[chapter one]({address})" in code[-1].source
    ran = executed(notebook, say=f"Read [chapter one]({address}).")
    page = page_form(read_notebook(settings, book.path("chapters/02-two.md")), ran)
    (output,) = [c for c in page.cells if c.cell_type == "code"][-1].outputs
    assert output.data["text/markdown"] == "Read [chapter one](01-one.md#pictures)."


def test_what_the_site_folds_is_a_form_on_colab(book):
    book.generate()
    forms = [c for c in book.notebook("01-one").cells if c.metadata.get("cellView") == "form"]
    titles = [c.source.split("\n")[0].removeprefix("# @title ") for c in forms]
    assert titles == ["Set-up: fetch the book's helpers", "The sum of the numbers"]


def test_the_site_names_its_folds(book):
    folded = cell("print(6)", ":tags: [hide-input]\n:title: The number six")
    book.write("chapters/02-two.md", book.read("chapters/02-two.md") + "\n" + folded)
    assert book.build() == 0
    (fold,) = book.page("chapters/02-two").select("details.hide summary")
    assert fold.get_text() == "The number six"


@pytest.mark.parametrize(
    ("cell_", "message"),
    [
        (cell("print(6)", ":tags: [hide-input]"), "a folded cell needs a :title:"),
        (cell("print(6)", ":title: Six"), "on cells with hide-input or remove-input only"),
        (cell("say('[a](b)')"), "leads to no page"),
        (cell("say('[a](03-three.md)')"), "no page of the book"),
        (cell("say('[a](02-two.md#nowhere)')"), "no heading with the anchor #nowhere"),
        (cell("place = 'x.md'\nsay(f'[a]({place})')"), "whose target is computed"),
        (cell("say('[a]' '(01-one.md)')"), "is put together"),
        (cell("say('[a](01-one.md \"Title\")')"), "without a title"),
        (cell("say('[a [b [c]]](01-one.md)')"), "without a title"),
        (cell("say('[a]( 01-one.md )')"), "without a title"),
        (cell("say('[a][r], [r]: 01-one.md')"), "without a title"),
        (cell("say(f'[a](01-one.md#{1}-x)')"), "whose target is computed"),
        (cell("table['x'] = '[a](02-two.html)'"), "leads to no page"),
    ],
)
def test_what_would_be_open_or_dead_on_colab_is_refused(book, capsys, cell_, message):
    text = book.read("chapters/02-two.md")
    book.write("chapters/02-two.md", f"{text}\n{cell_}")
    assert book.generate() == 1
    said = capsys.readouterr().err
    assert message in said
    line = int(re.search(r"chapters/02-two\.md:(\d+)", said)[1])
    assert text.count("\n") + 2 <= line <= text.count("\n") + 2 + cell_.count("\n")


def test_what_only_looks_like_a_link_in_code_stays(translate):
    code = 'print("losses[0](x)")\nf = "[a](https://example.org/b.md)"\ng = a[0](x.md)\n'
    code += 'say("`losses[0](x)`, $f[0](x)$, ``[a](01-one.md)``, [b](HTTPS://x.org)")\n'
    assert translate_links(code, lambda target, line: "changed") == code


def test_links_in_nested_strings_and_beside_other_letters_are_translated():
    code = "say(f\"é {x:.1f} {'[in](a.md)' if x else ''} \"\n    '[b](#c) [d](a.md)')  # [e](a.md)"
    wanted = code.replace("[in](a.md)", "[in](A)").replace("[b](#c)", "[b](C)")
    wanted = wanted.replace("[d](a.md)", "[d](A)")
    assert translate_links(code, lambda target, line: {"a.md": "A", "#c": "C"}[target]) == wanted


def test_a_check_that_shows_its_answer_is_refused(book, capsys):
    """An exercise's check names the expected value: open, it gives the answer away."""
    check = cell("check_answer(answer, 6)")
    solution = ":::{solution-start} ex-add"
    book.edit("chapters/01-one.md", solution, f"{check}\n{solution}")
    assert book.generate() == 1
    assert "a check shows what is expected: fold it" in capsys.readouterr().err
    folded = check.replace("ipython3\n", "ipython3\n:tags: [hide-input]\n:title: Check\n\n")
    book.edit("chapters/01-one.md", check, folded)
    assert book.generate() == 0


# In step


def test_check_is_green_on_fresh_notebooks(book):
    assert book.generate() == 0
    assert book.generate("--check") == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("chapters/01-one.md", "Work by", "Works by"),
        ("chapters/01-one.ipynb", "Work by", "Works by"),
        ("_config.yml", "your_account/tiny-book", "ada/tiny-book"),
        ("references.bib", "year = {2014}", "year = {2013}"),
        ("chapters/02-two.md", "name: fig-two", "name: fig-new"),
    ],
)
def test_check_is_red_when_a_source_or_a_notebook_changed(book, capsys, name, old, new):
    book.generate()
    book.edit(name, old, new)
    assert book.generate("--check") == 1
    assert "01-one" in capsys.readouterr().err


def test_check_is_red_for_missing_and_stray_notebooks(book, capsys):
    book.generate()
    book.path("chapters/02-two.ipynb").rename(book.path("chapters/03-three.ipynb"))
    assert book.generate("--check") == 1
    said = capsys.readouterr().err
    assert "02-two.ipynb is not what" in said
    assert "03-three.ipynb has no 03-three.md" in said


def test_the_books_own_notebooks_are_in_step(capsys):
    assert notebooks.main(["--check"]) == 0, capsys.readouterr().err


# What is refused


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{abbr}`x`", "role {abbr}"),
        ("words\nand {doc}`x`", "role {doc}"),
        ("{eq}`eq-none`", "no page of the book has 'eq-none'"),
        ("{numref}`fig-none`", "'fig-none'"),
        ("{term}`Elbow`", "'Elbow' is not in chapters/glossary.md"),
        ("{cite:t}`nobody1999`", "'nobody1999' is not in references.bib"),
        (":::{danger}\nX\n:::", "{danger} is not known"),
        ("```{note}\nX\n```", "open directives with colons"),
        (":::{note}\nX", "nothing closes"),
        (":::{note}\n:name: x\nX\n:::", "{note} with :name: x"),
        (":::{exercise}\nAdd.\n:::", "needs a :label:"),
        ("::::{grid} 1\nwords\n::::", "holds {grid-item-card}"),
        (":::{solution} ex-add\nX\n:::", "{solution} is not known"),
        ("(here)=\n## There", "a target"),
        ("$$\na\n\nb\n$$", "nothing closes $$"),
        ("$$ a $$ and more", "nothing closes $$"),
        ("\\begin{align}\na\n\\end{align}", "LaTeX environment"),
        ("% a comment", "a comment line"),
        ("+++", "a block break"),
        ("term\n: definition", "a definition list"),
        ("> $$ a $$ (eq-new)", "label of an equation"),
        ("Title\n=====", "underlining"),
        ("![a](../images/a.png)", "would be missing on Colab"),
        ("[a](02-two.ipynb)", "leads to no page"),
        ("[a](03-three.md)", "is no page of the book"),
        ("[a](02-two.md#nowhere)", "no heading with the anchor #nowhere"),
        ("<project:02-two.md>", "write <project:"),
    ],
)
def test_unknown_syntax_is_refused_with_file_and_line(book, capsys, source, message):
    chapter = book.read("chapters/02-two.md")
    line = chapter.count("\n") + 2
    book.write("chapters/02-two.md", f"{chapter}\n{source}\n")
    assert book.generate() == 1
    said = capsys.readouterr().err
    assert message in said
    place = re.search(r"chapters/02-two\.md:(\d+)", said)
    assert place, said
    # What only the check of the result finds is placed at the beginning of its cell.
    assert 0 < int(place[1]) <= line + source.count("\n")


def test_the_line_of_a_refusal_is_the_line_of_the_fault(book, capsys):
    chapter = book.read("chapters/02-two.md")
    book.write("chapters/02-two.md", f"{chapter}\nwords\nand {{doc}}`x`\n")
    book.generate()
    assert f"02-two.md:{chapter.count(chr(10)) + 3}:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (":tags: [raises-exception]", "'raises-exception' is not known"),
        (":name: x", "'name' is not known"),
        ("---\nmystnb:\n  figure:\n    name: fig-x\n---", "both a name and a caption"),
        ("---\nmystnb:\n  image:\n    alt: x\n---", "'image' is not known"),
    ],
)
def test_unknown_options_of_a_cell_are_refused(book, capsys, options, message):
    text = book.read("chapters/02-two.md") + cell("1", options)
    book.write("chapters/02-two.md", text)
    assert book.generate() == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            ":::{solution-end}\n:::\n\n### Exercise: think",
            "### Exercise: think",
            "within a solution",
        ),
        ("Thought.\n:::{solution-end}\n:::", "Thought.", "within a solution"),
        ("## Takeaways\n\n- Done.", "Lost words.", "folded away"),
        (
            ":::{solution-start} ex-think",
            ":::{solution-start} ex-other",
            "no exercise with the label",
        ),
        (
            "### Exercise: think",
            ":::{solution-end}\n:::\n\n### Exercise: think",
            "without {solution-start}",
        ),
    ],
)
def test_solutions_that_would_go_wrong_on_colab_are_refused(book, capsys, old, new, message):
    book.edit("chapters/01-one.md", old, new)
    assert book.generate() == 1
    assert message in capsys.readouterr().err


def test_one_label_for_two_things_is_refused(book, capsys):
    book.edit("chapters/02-two.md", "(eq-other)", "(eq-second)")
    assert book.generate() == 1
    assert "'eq-second' is a label of" in capsys.readouterr().err


# The address


def move(book, *arguments):
    return address.main(["--root", str(book.root), *arguments])


@pytest.fixture
def moved(book):
    """The tiny book with a README and a new address in _config.yml alone."""
    old = "your_account/tiny-book"
    links = (
        f"[![Colab](https://colab.research.google.com/assets/badge.svg)](https://colab.research."
        f"google.com/github/{old}/blob/main/chapters/01-one.ipynb) https://github.com/{old}.git "
        f"https://your_account.github.io/tiny-book/x.html https://github.com/{old}-two "
        f"https://github.com/other/tiny-book\n"
    )
    book.write("README.md", links)
    book.write("CITATION.cff", f'repository-code: "https://github.com/{old}"\n')
    book.generate()
    book.edit("_config.yml", old, "Ada/kl")
    return book


def test_check_lists_every_place_that_names_another_address(moved, capsys):
    assert move(moved, "--check") == 1
    said = capsys.readouterr().err
    for place in ("README.md:1", "CITATION.cff:1", "01-one.ipynb", "02-two.ipynb"):
        assert place in said


def set_up(book):
    """The code of the set-up cell."""
    return next(c.source for c in book.notebook("02-two").cells if c.id == "set-up")


def test_one_command_moves_the_book(moved):
    assert move(moved) == 0
    assert move(moved, "--check") == 0
    readme = moved.read("README.md")
    assert "github/Ada/kl/blob/main/chapters/01-one.ipynb" in readme
    assert "https://github.com/Ada/kl.git" in readme
    assert "https://ada.github.io/kl/x.html" in readme
    assert "your_account/tiny-book-two" in readme
    assert "other/tiny-book" in readme
    assert 'ADDRESS = "https://github.com/Ada/kl"' in set_up(moved)


def test_the_books_own_address_is_the_same_everywhere(capsys):
    assert address.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["https://github.com/a/b.git", "https://github.com/a/b/", "a/b", ""]
)
def test_an_address_that_breaks_links_is_refused(book, capsys, url):
    book.edit("_config.yml", "https://github.com/your_account/tiny-book", f'"{url}"')
    assert book.generate() == 1
    assert "repository.url" in capsys.readouterr().err


def test_the_fixture_is_no_copy_of_the_books_address():
    config = (ROOT / "tests/fixtures/book/_config.yml").read_text()
    assert "tfp-losses-book" not in config
