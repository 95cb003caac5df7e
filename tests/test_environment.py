"""The environment: exactly the pins, nothing beside them; helpers that change nothing."""

import ast
import importlib.metadata
import pathlib
import subprocess
import sys
import tomllib

import pytest
from chapter_text import chapters
from packaging.requirements import Requirement

from tools import check, environment, lock
from tools.environment import normal

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = {  # module that is imported: package that brings it
    "IPython": "ipython",
    "sklearn": "scikit-learn",
    "tensorflow_probability": "tensorflow-probability",
    "tf_keras": "tf-keras",
    "bs4": "beautifulsoup4",
    "yaml": "pyyaml",
    "jupyter_book": "jupyter-book",
    "jupyter_cache": "jupyter-cache",
}


def read_pins(name: str) -> list[Requirement]:
    """The requirements of a file that are meant for this interpreter and system."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line.split("  #")[0]) for line in lines if line and line[0] != "#"]
    return [pin for pin in found if pin.marker is None or pin.marker.evaluate()]


def installed() -> dict[str, str]:
    """Name and version of every distribution of this environment."""
    folders = [entry for entry in sys.path if pathlib.Path(entry).name == "site-packages"]
    found = importlib.metadata.distributions(path=folders)
    return {normal(d.metadata["Name"]): d.version for d in found}


def wrong_versions(pins: list[Requirement], versions: dict[str, str]) -> list[str]:
    """The pins that the installed versions do not keep."""
    return [
        f"{pin}: {versions.get(normal(pin.name))} is installed"
        for pin in pins
        if not pin.specifier.contains(versions.get(normal(pin.name), "0"), prereleases=True)
    ]


def test_wrong_versions_turn_red():
    pins = [Requirement("numpy==2.1.3")]
    assert wrong_versions(pins, {"numpy": "2.1.3"}) == []
    assert wrong_versions(pins, {"numpy": "2.5.0"})
    assert wrong_versions(pins, {})


@pytest.mark.parametrize("name", environment.PINS)
def test_installed_versions_are_the_pins(name):
    assert wrong_versions(read_pins(name), installed()) == []


def test_constraints_cover_all_that_is_installed():
    locked = {normal(pin.name) for name in environment.PINS for pin in read_pins(name)}
    assert set(installed()) - locked - environment.KEEP == set()


def test_constraints_are_exact():
    for pin in read_pins("constraints.txt"):
        assert [clause.operator for clause in pin.specifier] == ["=="], str(pin)


def colab_part() -> dict[str, str]:
    """The part of constraints.txt that Colab has too."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return lock.read_freeze(text.split("# Not on Colab")[0])


def outside_imports(source: str) -> set[str]:
    """The packages outside the standard library and the book that code imports."""
    tree = ast.parse(source)
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    whole = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level]
    names |= {n.module for n in whole if n.module}
    own = set(sys.stdlib_module_names) | {"helpers", "google"}
    return {name.split(".")[0] for name in names} - own


def test_what_chapters_import_is_pinned_to_colabs_version():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "helpers").rglob("*.py")]
    sources += [cell.text for chapter in chapters() for cell in chapter.cells]
    imported = set().union(*(outside_imports(source) for source in sources))
    pins = {normal(pin.name): str(pin.specifier) for pin in read_pins("requirements.txt")}
    colab = colab_part()
    for module in imported:
        package = normal(MODULES.get(module, module))
        assert pins.get(package) == f"=={colab.get(package)}", f"{module} is not pinned to Colab's"


def test_imports_are_found():
    code = "import os\nimport numpy as np\nfrom tensorflow.math import log\nfrom helpers import x\n"
    assert outside_imports(code) == {"numpy", "tensorflow"}


def test_jupyter_book_is_the_first():
    assert installed()["jupyter-book"].startswith("1.")


def test_helpers_ask_for_nothing():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == []
    assert "optional-dependencies" not in project
    assert "dynamic" not in project


def test_installing_helpers_would_install_nothing_else(tmp_path):
    """pip, asked to install the package, names the package alone."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet"]
    command += ["--no-build-isolation", "--ignore-installed", "--report", "-", "."]
    copy = tmp_path / "book"
    subprocess.run(["git", "init", "--quiet", copy], check=True)
    for name in ["pyproject.toml", "README.md", *map(str, helper_files())]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"download_info"') == 1


def helper_files() -> list[pathlib.Path]:
    """The modules of the package, as paths from the root."""
    return [path.relative_to(ROOT) for path in (ROOT / "helpers").rglob("*.py")]


def test_helpers_are_not_installed():
    assert "tfp-losses" not in installed()


def test_plan_of_the_environment():
    wanted = environment.stamp()
    same = "\n".join(wanted)
    assert environment.plan(None, wanted) == "create"
    assert environment.plan("", wanted) == "create"
    assert environment.plan(same, wanted) == "keep"
    assert environment.plan(same[:-1] + "x", wanted) == "update"
    assert environment.plan("3.10.0" + same, wanted) == "create"
    assert environment.plan(same.replace(wanted[1], "/elsewhere"), wanted) == "create"


def test_stamp_changes_with_the_pins(tmp_path):
    for name in environment.PINS:
        (tmp_path / name).write_text("a==1\n")
    before = environment.stamp(tmp_path)
    (tmp_path / "constraints.txt").write_text("a==2\n")
    assert environment.stamp(tmp_path) != before


def test_lock_takes_colabs_versions():
    colab = lock.read_freeze("numpy==2.1.3\nSphinx==8.2.3\ntf_keras==2.20.1\n-e git+x\n")
    assert colab == {"numpy": "2.1.3", "tf-keras": "2.20.1"}
    text = 'numpy==1.0\ntf_keras==2.0 ; sys_platform == "linux"\njupyter-book<2\n# numpy==1.0\n'
    renewed = lock.with_colab_versions(text, colab)
    assert renewed == text.replace("1.0\ntf", "2.1.3\ntf").replace("=2.0 ", "=2.20.1 ")


def test_lock_marks_what_differs_between_pythons():
    found = {"3.11": {"a": "1", "b": "2"}, "3.13": {"a": "1", "b": "3", "c": "4"}}
    text = lock.render(found, {"a": "1"})
    assert text.index("a==1") < text.index("# Not on Colab") < text.index("b==2")
    assert 'b==2 ; python_version == "3.11"' in text
    assert "c==4\n" in text


def test_green_run_is_forgotten_when_a_file_changes(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "new.py").write_text("1")
    before = check.state(tmp_path)
    (tmp_path / "new.py").write_text("2")
    assert check.state(tmp_path) != before


def test_skipped_tests_count_as_failed(tmp_path):
    report = tmp_path / "tests.xml"
    suite = '<testsuite tests="5" failures="1" errors="0" skipped="1"/>'
    report.write_text(f"<testsuites>{suite}</testsuites>")
    assert check.counts(report, 1) == (3, 2)


def test_the_slowest_tests_and_files_are_named(tmp_path):
    report = tmp_path / "tests.xml"
    times = {("a", "long"): 3.0, ("a", "short"): 0.5, ("b", "parts[1]@site"): 2.0}
    cases = [
        f'<testcase classname="tests.test_{file}" name="{name}" time="{seconds}"/>'
        for (file, name), seconds in times.items()
    ]
    report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    lines = check.slowest_tests(report, count=2).splitlines()
    assert lines[1:3] == ["    3.0 s  test_a.py::long", "    2.0 s  test_b.py::parts[1]"]
    assert lines[3] == "slowest files: test_a.py 4 s, test_b.py 2 s"


def test_a_run_that_broke_off_counts_as_failed(tmp_path):
    report = tmp_path / "tests.xml"
    report.write_text('<testsuite tests="5" failures="0" errors="0" skipped="0"/>')
    assert check.counts(report, 0) == (5, 0)
    assert check.counts(report, 3) == (5, 1)
