"""What holds the project together: contents, address, notebooks, commands, licence."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from chapter_rules import EVERY_CHAPTER, NUMBERED_CHAPTERS
from chapter_text import chapters

ROOT = pathlib.Path(__file__).resolve().parents[1]
MAKE = shutil.which("make") or "make"


def read(name: str) -> str:
    """The text of a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def settings(name: str) -> dict:
    """The settings of a YAML file."""
    return yaml.safe_load(read(name))


def pages_of(toc: dict) -> list[str]:
    """All pages that the contents name, in order."""
    parts = toc.get("parts", [])
    return [toc["root"], *(chapter["file"] for part in parts for chapter in part["chapters"])]


def test_contents_name_every_page_on_disk():
    on_disk = [f"chapters/{path.stem}" for path in (ROOT / "chapters").glob("*.md")]
    assert sorted(pages_of(settings("_toc.yml"))) == sorted(on_disk)


def test_chapters_stand_in_the_order_of_their_numbers():
    numbered = [page for page in pages_of(settings("_toc.yml")) if re.search(r"/\d\d-", page)]
    assert numbered == sorted(numbered)
    assert [chapter.name for chapter in chapters()] == [page.split("/")[1] for page in numbered]


@pytest.mark.parametrize("tool", ["notebooks", "address", "diagram"])
def test_tool_finds_all_in_step(tool):
    command = [sys.executable, "-m", "tools", tool, "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_reference_is_cited():
    keys = set(re.findall(r"^@\w+\{(\w+),", read("references.bib"), re.MULTILINE))
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "chapters").glob("*.md")]
    cited = re.findall(r"\{cite:[tp]\}`([^`]+)`", "\n".join(pages))
    assert keys
    assert keys == {key.strip() for keys_of_one in cited for key in keys_of_one.split(",")}


def test_settings_keep_the_gates():
    config = settings("_config.yml")
    # A release holds notebooks that fetch it; between releases they fetch what is newest.
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.MULTILINE)[1]
    assert config["repository"]["branch"] in ("main", f"v{version}")
    execute = config["execute"]
    assert execute["execute_notebooks"] == "cache"
    assert execute["raise_on_error"] is True
    assert execute["allow_errors"] is False
    assert execute["stderr_output"] == "remove-warn"
    assert "suppress_warnings" not in config["sphinx"]["config"]


def test_no_page_asks_for_live_code_or_comments():
    text = read("_config.yml")
    assert not re.search(r"thebe: true|google_analytics|hypothesis: true|utterances: true", text)


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "CITATION.cff", "CONTRIBUTING.md"])
def test_project_file_is_there(name):
    assert len(read(name)) > 300


def test_licences_agree():
    assert settings("CITATION.cff")["license"] == ["MIT", "CC-BY-4.0"]
    assert "MIT License" in read("LICENSE")
    assert "creativecommons.org/licenses/by/4.0" in read("LICENSE")


def test_versions_of_the_package_agree():
    import helpers

    assert f'version = "{helpers.__version__}"' in read("pyproject.toml")
    assert settings("CITATION.cff")["version"] == helpers.__version__


def test_contributing_explains_every_rule():
    rules = {rule.__doc__.split(":")[0] for rule in (*EVERY_CHAPTER, *NUMBERED_CHAPTERS)}
    explained = set(re.findall(r"^\| (C\d+) \|", read("CONTRIBUTING.md"), re.MULTILINE))
    assert rules | {"C14", "C15"} == explained


def test_no_path_of_a_machine_is_committed():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    texts = [ROOT / name for name in listed if name and not name.endswith((".png", ".svg"))]
    pattern = re.compile(rb"/(?:home|root|Users)/[a-z]")
    assert [p.name for p in texts if p.is_file() and pattern.search(p.read_bytes())] == []


def test_workflows_call_the_commands_of_the_readme():
    book = settings(".github/workflows/book.yml")
    steps = [step.get("run", "") for step in book["jobs"]["test"]["steps"]]
    assert any(step.startswith("make test") for step in steps)
    assert book["permissions"] == {"contents": "read"}
    assert settings(".github/workflows/weekly.yml")["permissions"] == {"contents": "read"}
    assert re.search(r"^make test", read(".ci/run"), re.MULTILINE)
    assert re.search(r"^make test$", read("README.md"), re.MULTILINE)


def make(folder: pathlib.Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Call make in a folder, with programs only from `path` if one is given."""
    # What is given to the make around this one, PYTHON=… among it, is not meant for this one.
    outer = ("MAKE", "MFLAGS", "PYTHON=")
    variables = {k: v for k, v in os.environ.items() if not f"{k}=".startswith(outer)}
    variables |= {"PATH": path} if path else {}
    return subprocess.run(
        [MAKE, "-C", str(folder), *arguments],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def bare(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder, with a space in its name, that holds the Makefile and a stand-in for its tool."""
    folder = tmp_path / "a book"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    say = "import sys; print('found', sys.executable, *sys.argv[1:])\n"
    (folder / "tools" / "__main__.py").write_text(say)
    return folder


def program(folder: pathlib.Path, name: str, text: str) -> None:
    """Write an executable shell script."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_make_lists_its_commands():
    shown = make(ROOT).stdout
    for command in ("book", "test", "serve", "clean", "notebooks", "address"):
        assert f"make {command} " in shown


def test_make_passes_over_an_interpreter_that_fails(bare, tmp_path):
    shims = tmp_path / "shims"
    program(shims, "python3.13", "exit 127")
    program(shims, "python3.12", f'exec "{sys.executable}" "$@"')
    done = make(bare, "environment", path=f"{shims}:/usr/bin:/bin")
    assert re.search("found .* environment", done.stdout), done.stderr


def test_make_says_when_no_interpreter_fits(bare, tmp_path):
    shims = tmp_path / "shims"
    for name in ("python3.13", "python3.12", "python3.11", "python3", "python"):
        program(shims, name, "exit 1")
    done = make(bare, "book", path=f"{shims}:/usr/bin:/bin")
    assert done.returncode != 0
    assert "No working Python 3.11, 3.12 or 3.13" in done.stderr
    done = make(bare, "book", "PYTHON=no-such-python")
    assert "PYTHON=no-such-python is not a working Python" in done.stderr
