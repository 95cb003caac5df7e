"""Chapters run alone, as on Colab: what goes wrong there must not pass here."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from fixtures.tiny_book import ROOT, TinyBook, cell

from tools.book.root import BookError
from tools.book.settings import read_book
from tools.execute.cache import OutputCache
from tools.execute.execution import Setting, execute
from tools.execute.run import longest_first
from tools.execute.stand_in import Kernel, environment, make_origin, refuse_reachable_helpers

# name of a chapter: its body, what is said
RED = {
    "failing_cell": (
        cell("x = 1\ny = x.nothing"),
        ["y = x.nothing", "AttributeError"],
    ),
    "failing_claim": (
        cell('assert 1 > 2, "one is greater than two"'),
        ["AssertionError: one is greater than two"],
    ),
    "words_on_stderr": (
        cell("import sys\nprint('mind this', file=sys.stderr)"),
        ["output on stderr: mind this", "print('mind this'"],
    ),
    "a_warning": (cell("import warnings\nwarnings.warn('old')"), ["stderr", "old"]),
    "a_log_line": (
        cell("print('WARNING:tensorflow:5 out of the last 5 calls')"),
        ["a framework's log line: WARNING:tensorflow"],
    ),
    "an_object_address": (cell("object()"), ["address, different in each run"]),
    "another_address": (
        cell(
            "import subprocess\n"
            "subprocess.run(['git', 'clone', 'https://github.com/somebody/else'], "
            "check=True, capture_output=True)"
        ),
        ["CalledProcessError", "somebody/else"],
    ),
    "a_file_of_the_repository": (
        cell("open('../helpers/picture.py')"),
        ["FileNotFoundError"],
    ),
    "no_package_index": (
        cell(
            "import subprocess, sys\n"
            "subprocess.run([sys.executable, '-m', 'pip', '--disable-pip-version-check', "
            "'download', 'six'], check=True, capture_output=True)"
        ),
        ["CalledProcessError"],
    ),
    "a_killed_child": (
        cell(
            "import subprocess, sys\n"
            "bar = ' 40%|####      | 4/10 [00:01<00:02]'\n"
            "code = f'import os, sys; print({bar!r}, file=sys.stderr); os.kill(os.getpid(), 9)'\n"
            "command = [sys.executable, '-u', '-c', code]\n"
            "done = subprocess.run(command, capture_output=True, text=True)\n"
            "print('its error:', done.stderr.splitlines()[-1])"
        ),
        ["a progress bar as text: its error:"],
    ),
    "a_widget_bar": (
        cell(
            "from IPython.display import display\n"
            "view = {'version_major': 2, 'version_minor': 0, 'model_id': 'a'}\n"
            "view = {'application/vnd.jupyter.widget-view+json': view, 'text/plain': '0%'}\n"
            "display(view, raw=True)"
        ),
        ["a widget, which the site cannot show"],
    ),
    "a_relative_link": (
        cell("from IPython.display import Markdown\nMarkdown('see [a]' + '(01-one.md)')"),
        ["a link that leads nowhere from Colab: 01-one.md"],
    ),
    "a_link_to_no_place": (
        cell(
            "from IPython.display import HTML\n"
            "HTML('<a href=\"https://your_account.github.io/tiny-book/chapters/none.html\">a</a>')"
        ),
        ["a link to a place that the book does not have: https://your_account.github.io/tiny"],
    ),
    "a_series_without_a_name": (
        cell("import pandas as pd\npd.Series([1.0])"),
        ["a Series without a name"],
    ),
    "too_slow": (cell("import time\ntime.sleep(60)"), ["timed out"]),
}


GOOD = """
import pathlib

import helpers
from helpers.picture import Picture

assert pathlib.Path(helpers.__file__).is_relative_to(pathlib.Path("book").resolve()), "fetched"
Picture(8, "A grey bar.")
"""


def make_red(folder):
    """A book whose chapters all do something that they must not do, and a good one."""
    book = TinyBook(folder / "book")
    book.edit("_config.yml", "timeout: 60", "timeout: 10")
    book.set_chapters(**{name: body for name, (body, _) in RED.items()}, good=cell(GOOD))
    book.generate()
    return book


@pytest.fixture(scope="module")
def red(tmp_path_factory):
    """What is said of each chapter when all of them run at once, and the book."""
    book = make_red(tmp_path_factory.mktemp("red"))
    command = [sys.executable, "-m", "tools", "run", "--root", str(book.root)]
    command += ["--jobs", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = {}
    for part in done.stderr.split("\nchapters/")[1:]:
        name, _, text = part.partition(":")
        said[name.removesuffix(".ipynb")[3:].replace("-", "_")] = text
    return done, said, book


RUNS = pytest.mark.xdist_group("red chapters")


@pytest.mark.sampled(3)
@RUNS
@pytest.mark.parametrize("name", RED)
def test_what_goes_wrong_on_colab_goes_wrong_here(red, name):
    done, said, _ = red
    assert done.returncode == 1
    assert name in said, done.stderr
    for words in RED[name][1]:
        assert words in said[name]


@RUNS
def test_the_good_chapter_among_the_red_ones_passes(red):
    done, said, _ = red
    assert "good" not in said
    assert "15-good" in done.stdout
    assert f"16 chapters, {len(RED)} failed" in done.stdout


@RUNS
def test_each_chapter_is_announced_when_it_starts_and_ends(red):
    done, _, _ = red
    for word in ("start   15-good", "done    15-good", "FAILED  00-failing-cell"):
        assert word in done.stdout


@RUNS
def test_only_good_outputs_are_stored(red):
    _, _, book = red
    cache = OutputCache(read_book(book.root))
    chapters = read_book(book.root).chapters()
    stored = [p.stem for p in chapters if cache.find(p.with_suffix(".ipynb"))]
    assert stored == ["15-good"]


@pytest.fixture
def book(tmp_path):
    made = TinyBook(tmp_path / "book")
    made.set_chapters(
        one=cell('SEED = 0\nprint("seed", SEED)\nassert SEED < 2, "too large a seed"')
    )
    made.generate()
    return made


def test_a_second_run_takes_the_stored_outputs_and_says_so(book, capsys):
    assert book.run() == 0
    assert book.run() == 0
    assert "stored, not executed again" in capsys.readouterr().out


def test_the_longest_chapters_start_first(tmp_path):
    told = {
        "00-short": "run in about 5 seconds",
        "01-silent": "",
        "02-long": "run in about 50 seconds",
    }
    for name, text in told.items():
        (tmp_path / f"{name}.md").write_text(f"The cells {text} on two cores.")
    paths = [tmp_path / f"{name}.ipynb" for name in told]

    def order(known):
        return [path.stem[:2] for path in longest_first(paths, known)]

    assert order({}) == ["01", "02", "00"]
    assert order({"01-silent": 7.0, "02-long": 6.0}) == ["01", "02", "00"]
    assert order({"00-short": 60.0, "01-silent": 7.0}) == ["00", "02", "01"]


def test_another_seed_is_tried_and_nothing_is_stored(book, capsys):
    assert book.run("--seed", "1") == 0
    assert book.run("--seed", "2") == 1
    assert "too large a seed" in capsys.readouterr().err
    book.run()
    assert "stored, not" not in capsys.readouterr().out


def test_a_chapter_without_its_seed_is_an_error_when_another_is_tried(book, capsys):
    book.edit("chapters/00-one.md", "SEED = 0", "SEED = 1 - 1")
    book.generate()
    assert book.run("--seed", "1") == 1
    assert "00-one.ipynb has 0 lines `SEED = 0`" in capsys.readouterr().err


def test_a_notebook_out_of_step_is_not_run(book, capsys):
    book.edit("chapters/00-one.md", '"seed"', '"seeds"')
    assert book.run() == 1
    said = capsys.readouterr()
    assert "00-one.ipynb is not what 00-one.md gives" in said.err
    assert "start" not in said.out


def test_an_unknown_name_is_an_error(book, capsys):
    assert book.run("99") == 1
    assert "no chapter is called '99': 00-one" in capsys.readouterr().err


def test_helpers_that_can_be_imported_unfetched_stop_the_run(book, tmp_path, monkeypatch):
    """As if helpers were installed: a folder of the interpreter's path holds them."""
    variables = environment(read_book(book.root), "file:///nowhere", tmp_path / "home")
    refuse_reachable_helpers(variables, tmp_path)
    with pytest.raises(BookError, match="can be imported here before"):
        refuse_reachable_helpers({**variables, "PYTHONPATH": str(book.root)}, tmp_path)
    with pytest.raises(BookError, match="can be imported here before"):
        refuse_reachable_helpers(variables, book.root)


def test_what_the_reader_has_set_does_not_reach_the_kernel(book, tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "GIT_DIR", "PIP_INDEX_URL", "MPLBACKEND", "IPYTHONDIR"):
        monkeypatch.setenv(name, "/somewhere")
    variables = environment(read_book(book.root), "file:///nowhere", tmp_path / "home")
    assert "/somewhere" not in variables.values()


def test_a_faithful_kernel_has_nothing_set_that_colab_does_not_set(book, tmp_path, monkeypatch):
    for name in ("TQDM_DISABLE", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "1")
    settings, kernel = read_book(book.root), Kernel(pathlib.Path("python"), faithful=True)
    variables = environment(settings, "file:///nowhere", tmp_path / "home", kernel)
    names = {"TQDM_DISABLE", "TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTRAOP_THREADS", "PYTHONHASHSEED"}
    assert not names & set(variables)
    assert not list((tmp_path / "home").rglob("*.py"))
    assert "--IPKernelApp.kernel_class=google.colab._kernel.Kernel" in kernel.command
    plain = environment(settings, "file:///nowhere", tmp_path / "other")
    assert plain["TQDM_DISABLE"] == "1"


def test_a_folder_that_is_no_environment_of_colab_is_refused(book, capsys, tmp_path):
    assert book.run("--colab", str(tmp_path)) == 1
    assert "make one with python -m tools colab-environment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("print(1)", ""),
        ("assert 'ran' not in globals(), 'once only'\nran = True", "AssertionError: once only"),
        ("import sys\nprint('no', file=sys.stderr) if 'ran' in globals() else 0\nran = 1", ""),
    ],
)
def test_a_notebook_runs_a_second_time_in_its_kernel(book, tmp_path, code, trouble):
    """What fails then is red; a warning that speaks of the first time is not."""
    book.set_chapters(one=cell(code))
    book.generate()
    settings = read_book(book.root)
    origin = make_origin(settings, tmp_path / "origin")
    setting = Setting(settings, origin, bool, passes=2)
    result = asyncio.run(execute(setting, book.path("chapters/00-one.ipynb")))
    assert trouble in "\n".join(result.troubles)
    assert bool(result.troubles) == bool(trouble)
    assert result.memory > 10


def kernels_below(folder):
    """The processes whose command line names the folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:  # the process is gone, or another user's
            continue
    return found


@pytest.mark.skipif(not pathlib.Path("/proc").is_dir(), reason="looks for kernels in /proc")
def test_interrupting_ends_the_kernels(book, tmp_path):
    book.edit("chapters/00-one.md", "SEED = 0", "import time\nSEED = 0\ntime.sleep(50)")
    book.generate()
    place = tmp_path / "temporary"
    place.mkdir()
    command = [sys.executable, "-m", "tools", "run", "--root", str(book.root)]
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for _ in range(200):
        if len(kernels_below(place)) >= 2:  # the runner and a kernel
            break
        time.sleep(0.1)
    time.sleep(1)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted; the kernels are shut down" in said
    assert not kernels_below(place)
    assert not list(place.iterdir())
