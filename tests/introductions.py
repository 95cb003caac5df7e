"""Where the book introduces each module of the helpers: the first section that uses it."""

import ast
import pathlib
import re

from chapter_text import CODE_CELL, ROOT, Chapter, chapters

HEADING = re.compile(r"^#{1,4} (.+?)[ ]*$", re.MULTILINE)
SAID = re.compile(r'^Introduced in chapters/(\d\d-[\w-]+)\.md, "(.+)"\.$', re.MULTILINE)


def sections(chapter: Chapter) -> list[tuple[str, str]]:
    """The headings of a chapter in order, each with the code below it up to the next heading."""
    cells = {found.start(): found[1] for found in CODE_CELL.finditer(chapter.text)}
    outside = CODE_CELL.sub(lambda found: " " * len(found[0]), chapter.text)
    heads = [(found.start(), found[1]) for found in HEADING.finditer(outside)]
    ends = [start for start, _ in heads[1:]] + [len(chapter.text)]
    return [
        (title, "\n".join(code for at, code in cells.items() if start < at < end))
        for (start, title), end in zip(heads, ends, strict=True)
    ]


def module_of(dotted: str, root: pathlib.Path = ROOT) -> pathlib.Path | None:
    """The file of a dotted name of the helpers, if there is one."""
    path = root / dotted.replace(".", "/")
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return found[0] if found else None


def imported(chapter: Chapter) -> dict[str, pathlib.Path]:
    """Name ↦ module, of what a chapter imports from helpers; faces lead to the module behind."""
    names: dict[str, pathlib.Path] = {}
    for cell in chapter.cells:
        for node in ast.walk(ast.parse(cell.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers"):
                path = module_of(str(node.module))
                for alias in node.names:
                    if path is not None:
                        names[alias.asname or alias.name] = behind(path, alias.name)
    return names


def behind(path: pathlib.Path, name: str) -> pathlib.Path:
    """The module that a face hands a name on from."""
    if path.name != "__init__.py":
        return path
    if (path.parent / f"{name}.py").is_file():
        return path.parent / f"{name}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return path.parent / f"{(node.module or '').replace('.', '/')}.py"
    return path


def first_uses() -> dict[pathlib.Path, tuple[str, str]]:
    """Each module that chapters import, with the chapter and section that use it first."""
    found: dict[pathlib.Path, tuple[str, str]] = {}
    landing, *walk = chapters()
    for chapter in [*walk, landing]:  # the landing page shows some early, and explains nothing
        names = imported(chapter)
        for title, code in sections(chapter):
            used = {
                node.id for node in ast.walk(ast.parse(body(code))) if isinstance(node, ast.Name)
            }
            for name in sorted(used & set(names)):
                found.setdefault(names[name], (chapter.name, title))
    return found


def body(code: str) -> str:
    """Code without the options of its cells."""
    lines, inside = [], False
    for line in code.splitlines():
        if line == "---":
            inside = not inside
        elif not inside and not re.match(r":[\w-]+: ", line):
            lines.append(line)
    return "\n".join(lines)
