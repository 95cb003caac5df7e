"""The code itself: typed, documented, used, clean for ruff, mypy and codespell."""

import ast
import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest
from chapter_text import chapters

ROOT = pathlib.Path(__file__).resolve().parents[1]
HELPERS = sorted((ROOT / "helpers").rglob("*.py"))
PROSE = ("chapters/*.md", "*.md", "benchmarks/*.md", "*.cff", "references.bib")
CODE = ("helpers/**/*.py", "benchmarks/**/*.py", "tests/*.py", "tools/**/*.py", "_ext/*.py")
OUTSIDE = {"_ext", "benchmarks", "chapters", "google", "sphinx", "tests", "tools"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def definitions(tree: ast.AST) -> list[Definition]:
    """Every function and class, methods included."""
    return [node for node in ast.walk(tree) if isinstance(node, Definition)]


def undocumented(source: str) -> list[str]:
    """Public functions, classes and methods without a docstring."""
    tree = ast.parse(source)
    holders = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    named = [n for holder in holders for n in holder.body if isinstance(n, Definition)]
    public = [node for node in named if not node.name.startswith("_")]
    return [node.name for node in public if not ast.get_docstring(node)]


def untyped(source: str) -> list[str]:
    """Functions with an argument or a result that has no type."""
    found = []
    for node in definitions(ast.parse(source)):
        if isinstance(node, Function):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            every += [a for a in (node.args.vararg, node.args.kwarg) if a]
            typed = all(a.annotation or a.arg in ("self", "cls") for a in every)
            if not typed or node.returns is None:
                found.append(node.name)
    return found


SPOILED = {
    undocumented: "def f() -> None:\n    pass\n",
    untyped: 'def f(x) -> None:\n    "Doc."\n',
}
GOOD = 'def f(x: int) -> None:\n    """Doc."""\n    x = 1\n'


@pytest.mark.parametrize("rule", SPOILED, ids=lambda rule: rule.__name__)
def test_rule_turns_red(rule):
    assert rule(GOOD) == []
    assert rule(SPOILED[rule]) == ["f"]


@pytest.mark.parametrize("rule", SPOILED, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", HELPERS, ids=lambda path: path.stem)
def test_helpers_keep_the_rule(rule, path):
    assert rule(path.read_text(encoding="utf-8")) == []


def module_name(path: pathlib.Path, root: pathlib.Path = ROOT) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, package: str = "") -> set[str]:
    """The dotted names that a module of `package` imports, `from a import b` as a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = parts[: len(parts) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def package_of(path: pathlib.Path) -> str:
    """The package that a module lies in; a package lies in itself."""
    name = module_name(path)
    return name if path.stem == "__init__" else name.rpartition(".")[0]


def import_graph() -> dict[str, set[str]]:
    """Each helper module with the helper modules that it imports."""
    imports = {
        module_name(path): imports_of(path.read_text(encoding="utf-8"), package_of(path))
        for path in HELPERS
        if path != ROOT / "helpers/__init__.py"  # whose faces are those of the installed package
    }
    return {name: found & set(imports) - {name} for name, found in imports.items()}


def on_circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that import themselves through others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        return seen

    return {name for name in graph if name in reached(name)}


def test_no_circular_imports():
    assert on_circles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == {"a", "b"}
    assert on_circles(import_graph()) == set()


def repeated(paths: list[pathlib.Path]) -> set[str]:
    """The names that two modules of the helpers have; figures are named after what they show."""
    names = [path.stem for path in paths if "figures" not in path.parts and path.stem[0] != "_"]
    return {name for name in names if names.count(name) > 1}


def test_no_two_modules_have_one_name():
    twice = [pathlib.Path(f"helpers/{name}") for name in ("a/x.py", "b/x.py", "figures/x.py")]
    assert repeated(twice) == {"x"}
    assert repeated(twice[1:]) == set()
    assert repeated(HELPERS) == set()


def test_helpers_import_no_chapter_or_tool():
    tests = {path.stem for path in (ROOT / "tests").glob("*.py")}
    for path in HELPERS:
        roots = {name.split(".")[0] for name in imports_of(path.read_text(encoding="utf-8"))}
        assert roots & (tests | OUTSIDE) == set(), path.name


def names_used(tree: ast.AST) -> set[str]:
    """The names that code mentions: variables, attributes, imports."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return names | {alias.name for node in imports for alias in node.names}


def unused(helpers: dict[str, str], pages: list[str]) -> set[str]:
    """Public names of helpers that no page reaches, not even through other helpers."""
    uses: dict[str, set[str]] = {}
    for source in helpers.values():
        for node in ast.parse(source).body:
            targets = (
                node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
            )
            for name in [getattr(target, "name", getattr(target, "id", "")) for target in targets]:
                uses.setdefault(name, set()).update(names_used(node) - {name})
    reached, waiting = set(), set().union(*(names_used(ast.parse(page)) for page in pages))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting |= uses.get(name, set())
    return {name for name in uses if name and not name.startswith("__")} - reached


def test_unused_helpers_turn_red():
    helpers = {"a": "def f():\n    return g()\ndef g():\n    return 1\ndef h():\n    return f()\n"}
    assert unused(helpers, ["from helpers.a import f\nf()"]) == {"h"}


def test_every_helper_serves_a_chapter():
    helpers = {str(path): path.read_text(encoding="utf-8") for path in HELPERS}
    pages = [cell.text for chapter in chapters() for cell in chapter.cells]
    assert unused(helpers, ["", *pages]) == set()


def test_api_page_shows_every_module():
    page = (ROOT / "chapters" / "api.md").read_text(encoding="utf-8")
    shown = [line.split()[-1] for line in page.splitlines() if line.startswith(".. automodule::")]
    wanted = {module_name(path) for path in HELPERS if path.name != "__init__.py"}
    assert sorted(shown) == sorted(wanted)


def test_every_module_imports():
    for path in HELPERS:
        module = importlib.import_module(module_name(path))
        assert inspect.getdoc(module), f"{path.name} has no docstring"


def check(*command: str) -> str:
    """Run a Python module of the environment; return what it complains of."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def files(*patterns: str) -> list[str]:
    """The files that fit the patterns, as paths from the root."""
    return sorted(str(p.relative_to(ROOT)) for pattern in patterns for p in ROOT.glob(pattern))


def test_ruff_finds_nothing():
    assert check("ruff", "check", ".") == ""


def test_ruff_would_format_nothing():
    assert check("ruff", "format", "--check", ".") == ""


def test_types_are_right():
    assert check("mypy") == ""


def test_spelling_is_right():
    assert check("codespell_lib", *files(*PROSE, *CODE)) == ""


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("a.py", "import os\n", ("ruff", "check", "--isolated")),
        ("a.py", "x=1\n", ("ruff", "format", "--isolated", "--check")),
        ("a.py", "x: int = 'a'\n", ("mypy", "--strict")),
        ("a.md", "A mean and t" + "eh scale\n", ("codespell_lib",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_gates_turn_red(tmp_path, name, text, command):
    (tmp_path / name).write_text(text)
    assert check(*command, str(tmp_path / name)) != ""
