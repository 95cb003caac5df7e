"""Outputs: what may not stand in them, and that the site shows just what a Colab reader gets."""

import pathlib
import re
import subprocess
import sys

import nbformat
import pytest
from conftest import BUILD, run_tool
from fixtures.tiny_book import ROOT, TinyBook, cell
from sampling import NIGHTLY

from tools.book.references import References
from tools.book.root import BookError
from tools.book.settings import read_book
from tools.build import Place, make_site, refuse_unfed_pages
from tools.execute import outputs, twice
from tools.execute.progress import slowest

# Single outputs


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data):
    return nbformat.v4.new_output("display_data", data=data)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (stream("mind this", "stderr"), "output on stderr: mind this"),
        (stream("WARNING:tensorflow:5 out of the last 5"), "a framework's log line"),
        (stream("WARNING:absl:no"), "a framework's log line"),
        (stream("2026-11-22 14:00:00.123456: I tensorflow/core/x.cc:12] y"), "log line"),
        (stream("I0000 00:00:1700000000.1 12 x.cc:1] y"), "log line"),
        (stream("W1122 14:00:00.123456 1 x"), "log line"),
        (shown(**{"text/markdown": "See {eq}`eq-kl`."}), "Colab would show raw"),
        (stream("<keras.Layer at 0x7f3dc15f0f60>"), "an object's address"),
        (stream("saved in /tmp/tmpab12"), "temporary folder"),
        (stream("Traceback (most recent call last)\n..."), "a traceback"),
        (shown(**{"text/markdown": "[a](02-two.md)"}), "leads nowhere from Colab: 02-two.md"),
        (shown(**{"text/markdown": "[a](#here)"}), "leads nowhere from Colab: #here"),
        (shown(**{"text/html": "<a class='x' href='x.html'>a</a>"}), "leads nowhere from Colab"),
        (shown(**{"text/markdown": "[a](https://book/none)"}), "a place that the book does not"),
        (shown(**{"application/vnd.jupyter.widget-view+json": "{}"}), "a widget, which the site"),
        (shown(**{"text/plain": "a  1\ndtype: int64"}), "a Series without a name"),
        (shown(**{"text/html": "<th></th>\n<th>0</th>\n</tr>"}), "a Series without a name"),
        (stream("1/1 [==============================] - 0s 29ms/step"), "a progress bar as text"),
        (stream("10it [00:00, 123.4it/s]"), "a progress bar as text"),
        (shown(**{"text/plain": "a  x\ndtype: datetime64[ns]"}), "a Series without a name"),
        (shown(**{"text/plain": "a  x\ndtype: category\nCategories (1, object)"}), "a Series"),
        (shown(**{"text/markdown": '[a](02-two.md "Two")'}), "is not written as [text](target)"),
        (stream(" 40%|####      | 4/10 [00:01<00:02]"), "a progress bar as text"),
        (shown(**{"text/plain": "<x at 0x7f3dc15f0f60>"}), "an object's address"),
        (shown(**{"text/html": "<b>0x7f3dc15f0f60</b>"}), "an object's address"),
        (
            nbformat.v4.new_output("error", ename="E", evalue="no", traceback=[]),
            "an error: E: no",
        ),
    ],
)
def test_what_troubles_a_reader_is_found(output, message):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("f()", outputs=[output])])
    found = outputs.notebook_troubles(notebook, lambda address: not address.endswith("/none"))
    assert message in "\n".join(found)
    assert "    | f()" in found[0]


@pytest.mark.parametrize(
    "output",
    [
        stream("nll 2.302 (nats), 1024 weights, 0x10, 2026-11-22"),
        stream("TypeError: The layer <...> is not built"),
        shown(**{"text/plain": "a  1\nName: nats, Length: 9, dtype: int64"}),
        shown(**{"text/plain": "a  1\nFreq: D, Name: nats, dtype: int64"}),
        shown(**{"text/markdown": "[a](https://example.org) 40% of 4/10"}),
        shown(**{"text/markdown": "`losses[0](x)` and $f[0](x)$ and ```\n[a](b)\n```"}),
        shown(**{"image/png": "0x7f3dc15f0f60", "text/plain": "A grey bar."}),
    ],
)
def test_what_is_in_order_passes(output):
    assert not list(outputs.output_troubles(output))


def test_a_widget_may_stand_where_widgets_are_shown():
    """There its text, which shows where no widget can, does not count."""
    bar = {"application/vnd.jupyter.widget-view+json": "{}", "text/plain": "0%|   | 0/10 [00:00"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("f()", outputs=[shown(**bar)])]
    )
    assert not outputs.notebook_troubles(notebook, widgets=True)


def test_the_books_own_addresses_are_known(tmp_path):
    references = References(read_book(TinyBook(tmp_path / "book").root))
    colab = "https://colab.research.google.com/github/your_account/tiny-book/blob/main/chapters"
    site = "https://your_account.github.io/tiny-book/chapters"
    good = ("01-one.ipynb", "01-one.ipynb#scrollTo=pictures")
    bad = ("01-one.md", "03-three.ipynb", "01-one.ipynb#scrollTo=nowhere")
    assert all(references.leads(f"{colab}/{end}") for end in good)
    assert not any(references.leads(f"{colab}/{end}") for end in bad)
    assert all(references.leads(f"{site}/{end}") for end in ("01-one.html", "01-one.html#pictures"))
    assert not any(references.leads(f"{site}/{end}") for end in ("one.html", "01-one.html#no"))
    assert references.leads("https://example.org/anything")
    assert references.leads("https://your_account.github.io/tiny-book/")


def test_a_difference_between_two_runs_is_told():
    one = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("f()", outputs=[stream("1")])])
    two = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("f()", outputs=[stream("2")])])
    assert outputs.first_difference(one, one) == ""
    assert "code cell 1 gave once" in outputs.first_difference(one, two)


# The site, made from the outputs

GREEN = pytest.mark.xdist_group("green site")


@pytest.fixture(scope="module")
def green(tmp_path_factory):
    """The tiny book, built."""
    book = TinyBook(tmp_path_factory.mktemp("green") / "book")
    assert book.build() == 0
    return book


@GREEN
def test_control_a_good_book_builds(green):
    assert green.path("_build/html/index.html").exists()
    log = green.read("_build/build.log")
    assert "Using cached notebook" in log
    assert "Executing notebook" not in log


@GREEN
def test_a_build_without_changes_does_nothing(green, capsys):
    before = green.path("_build/build.log").stat().st_mtime_ns
    assert green.build() == 0
    said = capsys.readouterr().out
    assert "nothing changed since the last build" in said
    assert "slowest chapters: 0" in said
    assert green.path("_build/build.log").stat().st_mtime_ns == before


def test_the_slowest_come_first():
    assert slowest({"a": 1.0, "b": 31.4, "c": 2.6}, count=2) == "b 31 s, c 3 s"


def numbers_on_the_site(book, name):
    """Equation tags, figure captions and references of a page, as Sphinx numbers them."""
    page = book.page(f"chapters/{name}").select_one("article")
    tags = [tag.get_text().strip("()#¶") for tag in page.select("div.math .eqno")]
    figures = [tag.get_text().strip() for tag in page.select("figure .caption-number")]
    exercises = [
        re.search(r"Exercise [\d.]+", tag.get_text())[0].rstrip(".")
        for tag in page.select(".exercise > .admonition-title")
    ]
    references = [tag.get_text() for tag in page.select('a[href*="#equation-"], a[href*="#fig-"]')]
    return tags, figures, exercises, [r for r in references if re.search(r"\d", r)]


def numbers_in_the_notebook(book, name):
    """The same numbers, as the notebook shows them."""
    cells = [c.source for c in book.notebook(name).cells if c.cell_type == "markdown"]
    text = "\n\n".join(cells)
    tags = re.findall(r"\\tag\{([\d.]+)\}", text)
    figures = re.findall(r"^\*\*(Fig\. [\d.]+?)\.\*\*", text, re.MULTILINE)
    exercises = re.findall(r"^\*\*(Exercise [\d.]+)\*\*", text, re.MULTILINE)
    text = re.sub(r"^\*\*Fig\. [\d.]+\*\*", "", text, flags=re.MULTILINE)
    references = re.findall(r"\(\d{1,2}(?:\.\d+)?\)|Fig\. \d+\.\d+", text)
    return tags, figures, exercises, references


@GREEN
@pytest.mark.parametrize("name", ["00-door", "01-one", "02-two"])
def test_site_and_notebook_number_alike(green, name):
    site, notebook = numbers_on_the_site(green, name), numbers_in_the_notebook(green, name)
    assert site[0]
    assert site[1]
    assert site == notebook


@GREEN
def test_figures_have_a_sentence_and_half_their_pixels(green):
    (image,) = green.page("chapters/01-one").select("figure img")
    assert image["alt"] == "A grey bar of 300 pixels."
    assert (image["width"], image["height"]) == ("150", "6")  # room is left before it is loaded
    assert "style" not in image.attrs  # a height there would distort it on a narrow screen
    assert image["loading"] == "lazy"


@GREEN
def test_notes_have_their_titles(green):
    titles = [t.get_text() for t in green.page("chapters/01-one").select(".admonition-title")]
    assert {"Before you start", "Mind this nat", "Tip"} <= set(titles)


@GREEN
def test_the_download_is_the_notebook_for_colab(green):
    links = [a["href"] for a in green.page("chapters/01-one").select('a[href$=".ipynb"]')]
    assert "../_sources/chapters/01-one.ipynb" in links
    download = green.path("_build/html/_sources/chapters/01-one.ipynb").read_bytes()
    assert download == green.path("chapters/01-one.ipynb").read_bytes()
    assert any(link.startswith("https://colab.research.google.com/github/") for link in links)


@GREEN
def test_links_of_the_notebooks_lead_to_anchors_of_the_site(green):
    site = "https://your_account.github.io/tiny-book/"
    found = 0
    for path in green.path("chapters").glob("*.ipynb"):
        for name, anchor in re.findall(rf"{site}([\w/-]+)\.html(?:#([\w.-]+))?", path.read_text()):
            page = green.page(name)
            assert not anchor or page.find(id=anchor), f"{path.name}: {name}#{anchor}"
            found += 1
    assert found > 5


def plain_book(folder, text):
    """A book of text alone, which Sphinx reads without any kernel."""
    book = TinyBook(folder / "book")
    book.set_chapters()
    book.set_pages("chapters/start")
    book.write("chapters/start.md", f"# Start\n\n{text}\n")
    return book


def test_what_sphinx_warns_of_is_red_and_stays_red(tmp_path, capsys):
    """Each fault is named; a second build, which Sphinx alone would pass, is red as well."""
    faults = {
        "[a](nowhere.md)": "nowhere.md",
        "{eq}`eq-none`": "equation not found: eq-none",
        "{numref}`fig-none`": "fig-none",
        "{term}`nothing`": "term not in glossary: 'nothing'",
        "{cite:t}`nobody1999`": 'could not find bibtex key "nobody1999"',
        "{unknown}`role`": 'Unknown interpreted text role "unknown"',
        "#### Too deep": "Non-consecutive header level",
    }
    book = plain_book(tmp_path, "\n\n".join(faults))
    for _ in range(2):
        assert book.build() == 1
        said = capsys.readouterr().err
        for words in faults.values():
            assert words in said
    assert not book.path("_build/html/index.html").exists()
    book.write("chapters/start.md", "# Start\n\nMended.\n")
    assert book.build() == 0


@pytest.mark.parametrize(
    "fault",
    [
        "[a](nowhere.md)",
        pytest.param("{cite:t}`nobody1999`", marks=NIGHTLY),
        pytest.param("#### Too deep", marks=NIGHTLY),
    ],
)
def test_one_fault_is_enough(tmp_path, fault):
    assert plain_book(tmp_path, fault).build() == 1


def test_a_figure_without_a_sentence_is_red(tmp_path, capsys):
    book = TinyBook(tmp_path / "book")
    bare = "from helpers.picture import Picture\nPicture(8, '<Figure size 640x480 with 1 Axes>')"
    book.set_chapters(one=cell(bare))
    assert book.build() == 1
    assert "figure without a sentence" in capsys.readouterr().err


def test_a_failing_chapter_stops_the_build_before_the_site(tmp_path, capsys):
    book = TinyBook(tmp_path / "book")
    book.set_chapters(one=cell("assert False, 'not so'"))
    assert book.build() == 1
    said = capsys.readouterr().err
    assert "AssertionError: not so" in said
    assert "1 of the chapters failed" in said
    assert not book.path("_build/html").exists()


def test_the_build_of_the_tests_refuses_a_stale_notebook_and_leaves_it(tmp_path, capsys):
    book = TinyBook(tmp_path / "book")
    book.set_chapters(one="Words.\n\n" + cell("print(1)"))
    book.generate()
    before = book.read("chapters/00-one.ipynb")
    book.edit("chapters/00-one.md", "Words.", "Other words.")
    assert book.build(*BUILD[1:]) == 1
    assert "00-one.ipynb is not what 00-one.md gives: run make notebooks" in capsys.readouterr().err
    assert book.read("chapters/00-one.ipynb") == before


def test_a_page_without_stored_outputs_is_red_and_not_executed(tmp_path):
    book = TinyBook(tmp_path / "book")
    book.set_chapters(one=cell("print(1)"))
    with pytest.raises(BookError, match=r"no outputs are stored for the code of 00-one\.md"):
        refuse_unfed_pages(read_book(book.root))


def test_sphinx_executing_a_page_itself_is_red(tmp_path):
    """If the check before it were missing, Sphinx would execute the page: also an error."""
    book = TinyBook(tmp_path / "book")
    book.set_chapters(one=cell("print(1)"))
    with pytest.raises(BookError, match="Sphinx executed"):
        make_site(Place(book.root))


# Two executions


def test_two_executions_are_kept_apart_and_compared(tmp_path, capsys):
    book = TinyBook(tmp_path / "book")
    same, other = cell("print(1)"), cell("import time\nprint(time.time())")
    book.set_chapters(same=same, other=other)
    book.generate()
    assert book.run() == 0
    assert book.run_twice("--all") == 1
    said = capsys.readouterr()
    assert "2 chapters executed twice; in later runs: none" in said.out
    assert "01-other: code cell 1 gave once" in said.err
    assert "00-same" not in said.err


def test_each_run_takes_a_share_until_all_are_compared(tmp_path, capsys):
    """What was compared stays compared, also when it differed."""
    book = TinyBook(tmp_path / "book")
    book.set_chapters(**{name: cell(f"print({name!r})") for name in ("one", "two", "three")})
    book.edit("chapters/01-two.md", "print('two')", "import time\nprint(time.time())")
    book.generate()
    assert book.run() == 0
    for count in (1, 2, 3):
        code = book.run_twice()
        said = capsys.readouterr()
        assert f"{count} chapters executed twice" in said.out
        assert code == int("01-two" in said.err)
    assert code == 1


def test_the_share_of_a_commit_and_a_python():
    paths = [pathlib.Path(f"{number:02}-x.ipynb") for number in range(20)]
    shares = [twice.due(paths, 20, number, set()) for number in range(twice.SHARE)]
    assert set().union(*shares) == set(paths)
    assert max(map(len, shares)) == 1
    assert twice.due(paths, 20, 0, {"06-x"}) == [paths[6]]
    assert twice.due(paths[18:], 20, 0, set()) == paths[18:19]
    assert twice.due(paths, 40, 0, {"06-x"}) == [paths[6], paths[0]]
    assert len({twice.turn(ROOT, minor) for minor in (11, 12, 13)}) == 3


def test_what_was_edited_is_executed_twice_first(tmp_path):
    book = TinyBook(tmp_path / "book")
    assert twice.edited(book.root) == set()
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@invalid"]
        subprocess.run(["git", *identity, *arguments], cwd=book.root, check=True)
    assert twice.edited(book.root) == set()
    book.edit("chapters/02-two.md", "\n# Two", "\n# Three")
    assert twice.edited(book.root) == {"02-two"}


def test_two_executions_of_the_book_give_the_same_bytes(site, build_lock):
    """Text, tables and pictures of chapters that are executed a second time in new kernels."""
    done = run_tool(build_lock, "twice")
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_tools_say_what_they_do():
    for name in ("notebooks", "address", "diagram", "run", "build", "twice", "release"):
        command = [sys.executable, "-m", "tools", name, "--help"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"usage: python -m tools {name} ")
        assert "--root" in done.stdout
