"""Draw who imports whom, by package, in CONTRIBUTING.md: python -m tools diagram [--check].

Between two marks stand a picture (Mermaid, which GitHub draws) and what each package holds, in the
words of its docstring. Both are read from the code, so they cannot drift from it.
"""

from __future__ import annotations

import ast
import contextlib
import pathlib

from tools.book.page_source import read_cells
from tools.book.root import BookError
from tools.book.settings import Book
from tools.execute.reach import absolute
from tools.write_or_check import run_command

PAGE = "CONTRIBUTING.md"
START = "<!-- from here on made by: python -m tools diagram -->"
END = "<!-- up to here -->"
CHAPTERS, HELPERS = "chapters", "helpers"
OTHERS = ("benchmarks", "tools", "_ext")  # drawn as one node each

Graph = dict[str, set[str]]


def imported(source: str, package: str = "") -> set[str]:
    """Return the dotted names that code in `package` imports, `from a import b` as a and a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, package)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def packages(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the packages that are drawn, by their dotted names, with their folders."""
    found = [path.parent for path in sorted((root / HELPERS).glob("*/__init__.py"))]
    found += [root / name for name in OTHERS if (root / name / "__init__.py").exists()]
    return {".".join(path.relative_to(root).parts): path for path in found}


def imported_by_chapters(book: Book) -> set[str]:
    """Return the dotted names that chapters import; a cell may show what is no Python."""
    names: set[str] = set()
    for path in book.chapters():
        for cell in read_cells(book, path)[1]:
            if cell.kind == "code":
                with contextlib.suppress(SyntaxError):
                    names |= imported(cell.source)
    return names


def who_imports_whom(book: Book) -> Graph:
    """Return each package, and the chapters, with the packages that it imports."""
    known = packages(book.root)
    names: Graph = {CHAPTERS: imported_by_chapters(book)}
    for package, folder in known.items():
        names[package] = set()
        for path in folder.rglob("*.py"):
            lies_in = ".".join(path.parent.relative_to(book.root).parts)
            names[package] |= imported(path.read_text(encoding="utf-8"), lies_in)
    return {
        package: {of for name in found for of in known if f"{name}.".startswith(f"{of}.")}
        - {package}
        for package, found in names.items()
    }


def arrows(graph: Graph, package: str, arrow: str) -> list[str]:
    """Return the line that draws what a package imports; none where it imports nothing."""
    ends = " & ".join(name.removeprefix(f"{HELPERS}.") for name in sorted(graph[package]))
    return [f"{package.removeprefix(f'{HELPERS}.')} {arrow} {ends}"] if ends else []


def picture(graph: Graph) -> list[str]:
    """Return the graph in Mermaid's words: the helpers in a frame, around it who uses them."""
    inside = [name for name in graph if name.startswith(f"{HELPERS}.")]
    outside = [name for name in graph if name not in inside]
    lines = ["```mermaid", "graph LR", f"  subgraph {HELPERS}"]
    lines += [f"    {name.removeprefix(f'{HELPERS}.')}" for name in inside]
    lines += [f"    {line}" for name in inside for line in arrows(graph, name, "-->")]
    lines.append("  end")
    for name in outside:
        lines += [f"  {line}" for line in arrows(graph, name, "-.->") or [name]]
    return [*lines, "```"]


def holds(folder: pathlib.Path) -> str:
    """Return the first paragraph of a package's docstring, in one line of Markdown."""
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    first = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0]
    if not first:
        raise BookError(f"{folder.name}/__init__.py has no docstring: say what the package holds")
    return " ".join(first.split()).replace("``", "`").replace("|", "\\|")


def inner_packages(root: pathlib.Path) -> list[pathlib.Path]:
    """Return the folders of the packages inside tools/, which are told and not drawn."""
    return [path.parent for path in sorted((root / "tools").glob("*/__init__.py"))]


def section(book: Book) -> str:
    """Return what stands between the marks."""
    told = [*packages(book.root).values(), *inner_packages(book.root)]
    places = {path.relative_to(book.root).as_posix(): path for path in told}
    rows = [f"| `{name}` | {holds(path)} |" for name, path in sorted(places.items())]
    table = ["| Package | What it holds |", "|---|---|", *rows]
    return "\n".join(["", *picture(who_imports_whom(book)), "", *table, "", ""])


def run(book: Book, *, check: bool) -> list[str]:
    """Write the section anew, or say that it is not what the code gives."""
    page = book.root / PAGE
    text = page.read_text(encoding="utf-8")
    if text.count(START) != 1 or END not in text.partition(START)[2]:
        raise BookError(f"{PAGE} needs the lines {START} and {END}, once and in this order")
    before, _, rest = text.partition(START)
    made = f"{before}{START}\n{section(book)}{END}{rest.partition(END)[2]}"
    if made != text and check:
        return [f"{PAGE} does not show the packages as they are: run python -m tools diagram"]
    if made != text:
        page.write_text(made, encoding="utf-8")
    return []


def praise(book: Book) -> str:
    """What to say when all is in order."""
    return f"{PAGE} shows the {len(packages(book.root))} packages as they are"


def main(arguments: list[str]) -> int:
    """Run the command."""
    return run_command("diagram", __doc__, run, praise, arguments)
