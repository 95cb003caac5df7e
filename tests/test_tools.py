"""The tools as a whole: one command each, a bare Python where there is no other, no circles."""

import pathlib
import subprocess
import sys

import pytest
from fixtures.tiny_book import ROOT, TinyBook, cell
from test_helpers_style import undocumented, untyped

from tools import __main__ as commands
from tools import diagram

BARE = ("environment", "lock", "colab-environment")  # run before anything is installed
SOURCES = [path for folder in ("tools", "_ext") for path in sorted((ROOT / folder).rglob("*.py"))]


def tools(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command of the tools."""
    command = [sys.executable, *options, "-m", "tools", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# The commands


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_all_commands_are_listed_on_a_bare_python(arguments):
    done = tools(*arguments, options=("-S",))
    assert done.returncode == 0, done.stderr
    for name, (_, what) in commands.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert what in done.stdout


def test_an_unknown_command_is_told(capsys):
    assert commands.main(["bake"]) == 2
    assert "no command is called 'bake'" in capsys.readouterr().err


def test_arguments_and_exit_codes_are_passed_on(tmp_path, capsys):
    book = TinyBook(tmp_path / "book")
    for code in (1, 0):
        assert commands.main(["notebooks", "--check", "--root", str(book.root)]) == code
        book.generate()
    assert "3 notebooks in step" in capsys.readouterr().out


@pytest.mark.parametrize("name", BARE)
def test_what_makes_the_environment_needs_nothing_installed(name):
    """Without site-packages, -S, as in a Python that has just been installed."""
    done = tools(name, "--help", options=("-S",))
    assert done.returncode == 0, done.stderr
    assert f"usage: python -m tools {name}" in done.stdout


def test_other_commands_would_be_red_there():
    assert "ModuleNotFoundError" in tools("run", "--help", options=("-S",)).stderr


# Who imports whom


def test_nothing_changes_where_python_looks_for_modules():
    """But for the set-up cell of the notebooks, which makes the fetched helpers importable."""
    mark = "sys.path." + "insert"
    paths = [*SOURCES, *(ROOT / "tests").rglob("*.py")]
    found = {p.relative_to(ROOT).as_posix() for p in paths if mark in p.read_text("utf-8")}
    assert found == {"tools/colab/set_up_cell.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tools_import_no_extension_no_test_and_no_helper(path):
    package = ".".join(path.parent.relative_to(ROOT).parts)
    names = diagram.imported(path.read_text(encoding="utf-8"), package)
    tests = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    assert {name.split(".")[0] for name in names} & (tests | {"_ext", "helpers", "tests"}) == set()


@pytest.mark.parametrize("rule", [undocumented, untyped])
def test_tools_keep_the_rules_of_helpers(rule):
    faults = {path.name: rule(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: found for name, found in faults.items() if found} == {}


FILES = {
    "helpers/losses/__init__.py": '"""What losses\nhold: ``nats``.\n\nMore."""',
    "helpers/losses/sums.py": "import math",
    "helpers/model/__init__.py": '"""What a network must be."""',
    "helpers/model/checks.py": "import figures\nfrom ..losses.sums import math",
    "benchmarks/__init__.py": '"""What a step costs."""',
    "benchmarks/costs.py": "def f():\n    from helpers import model",
    "tools/__init__.py": '"""Tools."""',
    "tools/inner/__init__.py": '"""Inner tools."""',
    "tools/inner/a.py": "import ast",
    "_ext/one.py": "from tools.inner import a",
}
DRAWN = """```mermaid
graph LR
  subgraph helpers
    losses
    model
    model --> losses
  end
  chapters -.-> losses
  benchmarks -.-> model
  tools
  _ext -.-> tools
```
"""


@pytest.fixture
def book(tmp_path: pathlib.Path) -> TinyBook:
    """A tiny book with packages, and its picture."""
    made = TinyBook(tmp_path / "book")
    for path in made.path("_ext").glob("[a-z]*.py"):
        path.unlink()
    for name, text in FILES.items():
        made.write(name, text + "\n")
    made.set_chapters(one=cell("from helpers.losses.sums import math"), two=cell("x = ?"))
    made.write("CONTRIBUTING.md", f"# Before\n\n{diagram.START}\n{diagram.END}\n\n# After\n")
    assert draw(made) == 0
    return made


def draw(book: TinyBook, *arguments: str) -> int:
    """Run the command."""
    return diagram.main(["--root", str(book.root), *arguments])


def test_the_picture_shows_who_imports_whom(book):
    text = book.read("CONTRIBUTING.md")
    assert DRAWN in text
    assert text.startswith("# Before\n")
    assert text.endswith("\n# After\n")
    assert "| `helpers/losses` | What losses hold: `nats`. |\n" in text
    assert "| `tools/inner` | Inner tools. |\n" in text
    assert draw(book, "--check") == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("helpers/losses/sums.py", "import math", "import math\nimport helpers.model.checks"),
        ("helpers/model/checks.py", "from ..losses.sums import math", ""),
        ("helpers/model/__init__.py", "must be", "has to be"),
        ("benchmarks/costs.py", "helpers import model", "helpers.losses import sums"),
        ("tools/inner/a.py", "import ast", "import benchmarks.costs"),
        ("chapters/00-one.md", "helpers.losses.sums", "helpers.model.checks"),
        ("CONTRIBUTING.md", "model --> losses", "losses --> model"),
    ],
)
def test_the_check_is_red_where_picture_and_code_differ(book, capsys, name, old, new):
    book.edit(name, old, new)
    before = book.read("CONTRIBUTING.md")
    assert draw(book, "--check") == 1
    assert "run python -m tools diagram" in capsys.readouterr().err
    assert book.read("CONTRIBUTING.md") == before
    assert draw(book) == 0
    assert draw(book, "--check") == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("CONTRIBUTING.md", diagram.START, "", "needs the lines"),
        ("CONTRIBUTING.md", diagram.END, "", "needs the lines"),
        ("helpers/model/__init__.py", '"""What a network must be."""', "", "has no docstring"),
    ],
)
def test_what_cannot_be_drawn_is_told(book, capsys, name, old, new, message):
    book.edit(name, old, new)
    assert draw(book) == 1
    assert message in capsys.readouterr().err
