"""The reader's own code, and the ``lr=`` that optimizers are given in it."""

import ast
import functools
import os
import pathlib
import site
import sys
import sysconfig

# The folder of all helpers: optimizers that they make are none of the reader's.
HELPERS = next(at.parent for at in pathlib.Path(__file__).parents if at.name == "checkup")


def written_rates(name: str) -> tuple[list[float], bool]:
    """Return the values of ``lr=`` given to that class, and whether it is also made otherwise.

    Parameters
    ----------
    name
        Of the optimizer's class.
    """
    ignored: list[float] = []
    others = False
    for source in readers_sources():
        if "lr=" not in source.replace(" ", ""):
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and _called(node).lower() == name.lower():
                values = [_number(k.value) for k in node.keywords if k.arg == "lr"]
                ignored += [v for v in values if v is not None]
                others |= not values
            elif isinstance(node, ast.Constant) and str(node.value).lower() == name.lower():
                others = True
    return ignored, others


def readers_sources() -> list[str]:
    """Return the code with optimizers: the cells of the notebook, and modules of no library."""
    cells = [str(cell) for cell in vars(sys.modules["__main__"]).get("In", [])]
    files = {str(getattr(module, "__file__", None) or "") for module in [*sys.modules.values()]}
    own = [name for name in sorted(files) if name.endswith(".py") and not _is_library(name)]
    texts = cells + [pathlib.Path(name).read_text("utf-8", "replace") for name in own]
    return [text for text in texts if "optimizer" in text.lower() and _parses(text)]


def _is_library(path: str) -> bool:
    """Whether a file is of an installed package, of Python itself, or of these helpers."""
    return "-packages" in path or path.startswith(_libraries())


@functools.cache
def _libraries() -> tuple[str, ...]:
    """Return how the paths of such files begin; there are thousands of files to compare with."""
    own = str(HELPERS) + os.sep
    return (*sysconfig.get_paths().values(), *site.getsitepackages(), own)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _number(node: ast.expr) -> float | None:
    try:
        return float(ast.literal_eval(node))
    except (ValueError, TypeError):
        return None
