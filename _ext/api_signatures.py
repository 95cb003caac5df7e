"""Sphinx extension: show the helpers' signatures as they are written.

autodoc prints what a type name stands for, which for `npt.ArrayLike` takes five lines and differs
between versions of Python. Here the signature is the one in the source.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def written_signature(function: Any) -> tuple[str, str | None]:
    """Return a function's arguments and its return type as its source spells them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(f"{function} is no plain function")
    returns = ast.unparse(definition.returns) if definition.returns else None
    return f"({ast.unparse(definition.args)})", returns


def use_written(
    _app: Sphinx, what: str, _name: str, subject: Any, _options: Any, _given: str, _returns: str
) -> tuple[str, str | None] | None:
    """Answer autodoc's question for the signature of a function."""
    return written_signature(subject) if what == "function" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("autodoc-process-signature", use_written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
