"""Which helpers a chapter can reach: what its stored outputs depend on, and no more.

A chapter imports helpers by name, helpers import each other by relative names, and programs that a
chapter starts stand in it as strings. So the imports and strings of the code name every module that
can be loaded. Wherever that cannot be told (a module that is imported by a computed name, a file
that is read from beside the code, the package as a whole, a name that no file has), all of
`helpers/` counts, data files included.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections import defaultdict
from collections.abc import Iterator

PACKAGE = "helpers"
MENTION = re.compile(rf"\b{PACKAGE}\b(?:\.\w+)*")
BEYOND_NAMES = re.compile(
    r"\b(?:__file__|__path__|__import__|__loader__|__spec__|import_module|find_spec|exec|eval"
    r"|spec_from_file_location|SourceFileLoader|pkgutil|runpy|resources|zipimport)\b"
)
PROSE = re.compile(rf"\b(?!import\b|from\b)\w+ {PACKAGE}(?=[.,;:]?(?: |$))")  # "these helpers"
EVERYTHING = "*"


class Modules:
    """The modules of a book's helpers by their dotted names, as the files are now.

    They are read at once: an execution takes minutes, and a file may be edited meanwhile.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.contents: dict[pathlib.Path, bytes] = {}
        self.known: dict[str, set[str]] = {}
        self.files: dict[str, list[pathlib.Path]] = defaultdict(list)
        for path in sorted((root / PACKAGE).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            self.files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)].append(path)
            self.contents[path] = path.read_bytes()

    def named(self, name: str, *, whole: bool = True) -> set[str]:
        """The module that a dotted name means; what stands behind it may be a name inside.

        Everything, if there is none, and for the package as a whole, whose modules are not named.
        """
        parts = name.split(".")
        while parts and ".".join(parts) not in self.files:
            if not whole:
                return {EVERYTHING}
            parts.pop()
        return {".".join(parts)} if len(parts) > 1 else {EVERYTHING}

    def reached(self, source: str) -> set[str]:
        """The modules that code reaches, through other modules too; or EVERYTHING among them."""
        found: set[str] = set()
        waiting = self.mentioned(source)
        while waiting and EVERYTHING not in waiting | found:
            name = waiting.pop()
            parents = {name.rsplit(".", count)[0] for count in range(name.count(".") + 1)}  # and it
            for module in parents - found:
                found.add(module)
                waiting |= self.mentioned_in(module)
        return found | waiting

    def mentioned_in(self, module: str) -> set[str]:
        """The modules that a module itself names."""
        if module not in self.known:
            self.known[module] = set()
            for path in self.files[module]:
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                self.known[module] |= self.mentioned(self.contents[path].decode(), package)
        return self.known[module]

    def mentioned(self, source: str, package: str = "") -> set[str]:
        """The modules that code itself names in imports and strings; `package` is where it lies."""
        found: set[str] = set()
        for kind, text in _words(ast.parse(source), package):
            if BEYOND_NAMES.search(text):
                return {EVERYTHING}
            for name in MENTION.findall(text):
                found |= self.named(name, whole=kind != "import")
        return found

    def paths(self, source: str) -> list[pathlib.Path] | None:
        """The files that code can reach; None for all of the folder."""
        names = self.reached(source)
        if EVERYTHING in names:
            return None
        return sorted(path for name in names for path in self.files[name])


def _words(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Yield what can name a module: imports, strings that are no docstrings, and names."""
    docstrings = set(_docstrings(tree))
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            yield from (("import", alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, package)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield "string", PROSE.sub("", node.value)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            yield "name", "" if name == PACKAGE else name  # its import was looked at


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those below `if __name__ == "another name than here"`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("__name__ == "):
            waiting += node.orelse
        else:
            yield node
            waiting += ast.iter_child_nodes(node)


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The dotted name of what `from ... import` asks in a module of `package`."""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1] if node.level else []
    return ".".join([*base, *filter(None, [node.module])])


def _from(node: ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Yield what `from a import b` may load: a, and a.b if that is a module."""
    if (node.level and not package) or "*" in {alias.name for alias in node.names}:
        yield "import", PACKAGE  # from nobody knows where, or whatever it likes: everything
        return
    module = absolute(node, package)
    yield "import", module
    yield from (("from", f"{module}.{alias.name}") for alias in node.names)


def _docstrings(tree: ast.AST) -> Iterator[int]:
    """Yield the ids of the nodes that are docstrings: prose, which nothing executes."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, holders) and node.body and isinstance(node.body[0], ast.Expr):
            yield id(node.body[0].value)
