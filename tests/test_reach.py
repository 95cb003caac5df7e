"""The helpers that a chapter can reach: all that it loads when it runs, or everything."""

import ast
import subprocess
import sys

import nbformat
import pytest
from fixtures.tiny_book import ROOT

from tools.execute.fingerprint import Fingerprints
from tools.execute.reach import EVERYTHING, Modules

SOURCES = {
    "helpers/__init__.py": '"""All helpers."""',
    "helpers/alone.py": '"""Not helpers.other, which stands here as a word."""',
    "helpers/other.py": "import math",
    "helpers/user.py": "def late():\n    from helpers.other import math\n    return math",
    "helpers/figures/__init__.py": "from helpers.figures.style import COLOUR",
    "helpers/figures/style.py": "COLOUR = 'the colour of these helpers'",
    "helpers/figures/plot.py": "import helpers.alone as a",
    "helpers/data.py": "import pathlib\nPLACE = pathlib.Path(__file__).parent",
    "helpers/table.csv": "1",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import numpy", set()),
        ("import helpers.alone", {"alone"}),
        ("from helpers.alone import x", {"alone"}),
        ("def f():\n    import helpers.alone", {"alone"}),
        ("from helpers.user import (\n    late,\n)", {"user", "other"}),
        ("import helpers.figures", {"figures", "figures.style"}),
        (
            "from helpers.figures import plot",
            {"figures", "figures.style", "figures.plot", "alone"},
        ),
        ("from helpers.figures.style import COLOUR", {"figures", "figures.style"}),
        ("program = 'from helpers.user import late'", {"user", "other"}),
        ("f'import helpers.alone; print({x})'", {"alone"}),
        ("x = 'helpers.alone.x'", {"alone"}),
        ("x = 'Fetch these helpers, or newer helpers.'", set()),
    ],
)
def test_what_is_named_is_reached(folder, source, names):
    expected = {f"helpers.{name}" for name in names} | ({"helpers"} if names else set())
    assert Modules(folder).reached(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import helpers",
        "from helpers import alone",
        "from helpers.figures import *",
        "from .alone import x",
        "import helpers.gone",
        "x = 'import helpers'",
        "x = 'from helpers import alone'",
        "open('book/helpers/table.csv')",
        "folder / 'helpers' / 'table.csv'",
        "import importlib\nimportlib.import_module('helpers' + name)",
        "__import__(name)",
        "exec(program)",
        "from helpers.data import PLACE",
        "import pkgutil",
        "from importlib.resources import files",
    ],
)
def test_what_cannot_be_told_counts_as_everything(folder, source):
    assert EVERYTHING in Modules(folder).reached(source)
    before = Fingerprints(folder).reached(source)
    (folder / "helpers/table.csv").write_text("2")
    assert Fingerprints(folder).reached(source) != before


def test_code_that_is_no_python_counts_as_everything(folder):
    assert Fingerprints(folder).reached("%time f()") == Fingerprints(folder).key


@pytest.mark.parametrize(
    ("name", "changes"),
    [("user", True), ("other", True), ("__init__", True), ("alone", False), ("data", False)],
)
def test_the_fingerprint_changes_with_what_is_reached_alone(folder, name, changes):
    def now():
        return Fingerprints(folder).reached("from helpers.user import late")

    before = now()
    with (folder / f"helpers/{name}.py").open("a") as file:
        file.write("\nMORE = 1\n")
    assert (now() != before) == changes


def test_a_module_that_becomes_a_package_counts(folder):
    source = "from helpers.alone import x"
    before = Fingerprints(folder).reached(source)
    (folder / "helpers/alone").mkdir()
    (folder / "helpers/alone/__init__.py").write_text("")
    assert Fingerprints(folder).reached(source) != before


def test_other_versions_are_another_fingerprint(folder, monkeypatch):
    before = Fingerprints(folder).reached("import helpers.alone")
    monkeypatch.setattr("sys.version", "3.99")
    assert Fingerprints(folder).reached("import helpers.alone") != before


def test_an_edit_during_an_execution_does_not_count_as_executed(folder):
    prints = Fingerprints(folder)
    before = prints.reached("import helpers.alone")
    (folder / "helpers/alone.py").write_text("EDITED = True")
    assert prints.reached("import helpers.alone") == before
    assert Fingerprints(folder).reached("import helpers.alone") != before


def test_what_a_chapter_of_the_book_loads_is_among_what_it_reaches():
    """The other route: import what the chapter imports, and look at what Python has loaded."""
    cells = nbformat.read(ROOT / "chapters/08-exact-answer.ipynb", as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    program = f"{ast.unparse(tree)}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if name.split(".")[0] == "helpers"}
    modules = Modules(ROOT)
    assert len(loaded) > 5
    assert loaded <= modules.reached(source)
    assert len(modules.paths(source)) < len(modules.contents) / 2
