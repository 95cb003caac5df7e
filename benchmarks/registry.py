"""Finding contenders and reading what their files say of themselves, without importing them."""

import ast
import pathlib
from dataclasses import dataclass

PARTS = pathlib.Path(__file__).parent / "step_parts.py"
CONTENDERS = pathlib.Path(__file__).parent / "contenders"
ENVIRONMENTS = ("book", "torch", "jax")
KINDS = ("book", "tfp", "peer", "bound")


@dataclass(frozen=True)
class Contender:
    """A contender's file and the constants TITLE, ENVIRONMENT and KIND in it.

    ``part`` names a row of the table of parts, where the file is that table.
    """

    name: str
    file: pathlib.Path
    title: str
    environment: str
    kind: str
    part: str = ""


def read_contender(file: pathlib.Path) -> Contender:
    """Return what a file says of itself.

    Raises
    ------
    ValueError
        If a constant or ``prepare(work, images, labels)`` is missing, or a constant is unknown.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    arguments = {it.name: [argument.arg for argument in it.args.args] for it in functions}
    if arguments.get("prepare") != ["work", "images", "labels"]:
        raise ValueError(f"{file.name} has no function prepare(work, images, labels).")
    for name, allowed in (("TITLE", None), ("ENVIRONMENT", ENVIRONMENTS), ("KIND", KINDS)):
        if name not in constants or (allowed and constants[name] not in allowed):
            choice = f", one of {', '.join(allowed)}" if allowed else ", a few words"
            raise ValueError(f"{file.name} must set the constant {name}{choice}.")
    chosen = (str(constants[name]) for name in ("TITLE", "ENVIRONMENT", "KIND"))
    return Contender(file.stem, file.resolve(), *chosen)


def all_contenders(folder: pathlib.Path = CONTENDERS) -> dict[str, Contender]:
    """Return every contender of a folder by its name."""
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    return {file.stem: read_contender(file) for file in files}


def all_parts(file: pathlib.Path = PARTS) -> dict[str, Contender]:
    """Return the parts of a step by their names, from the table ``PARTS`` of a file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PARTS":
            assert isinstance(node.value, ast.Dict), "PARTS is a table"
            rows = zip(node.value.keys, node.value.values, strict=True)
            titles = {ast.literal_eval(key): _title(call) for key, call in rows if key}
            return {
                name: Contender(name, file.resolve(), title, "book", "bound", part=name)
                for name, title in titles.items()
            }
    raise ValueError(f"{file.name} has no table PARTS.")


def _title(call: ast.expr) -> str:
    """The first argument of a row's call."""
    assert isinstance(call, ast.Call), "a row is Measured(title, prepare)"
    return str(ast.literal_eval(call.args[0]))


def choose(names: list[str]) -> list[Contender]:
    """Return the contenders of these names, all contenders where there is none.

    A name that ends in ".py" is a file of one's own; "parts" means all parts of a step.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    contenders, parts = all_contenders(), all_parts()
    known = contenders | parts
    names = [it for name in names for it in (parts if name == "parts" else [name])]
    if unknown := [name for name in names if not name.endswith(".py") and name not in known]:
        raise ValueError(f"Unknown contenders: {', '.join(unknown)}. There are {', '.join(known)}.")
    return [
        read_contender(pathlib.Path(name)) if name.endswith(".py") else known[name]
        for name in names or contenders
    ]
