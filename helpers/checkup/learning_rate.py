"""Whether the learning rate is the one that the reader wrote."""

import ast
import inspect
import pathlib
import site
import sys
import sysconfig
from typing import Any

import tf_keras

from .case import Case
from .reachable import reachable
from .report import Finding, Sureness, Verdict


def check_learning_rate(case: Case) -> list[Finding]:
    """Return a finding if an optimizer runs at its class's default learning rate."""
    findings: list[Finding] = []
    roots = (case.network, case.patient.loss)
    for optimizer in reachable(*roots):
        if not isinstance(optimizer, tf_keras.optimizers.Optimizer):
            continue
        if _compiled_by_name(case.network, optimizer):
            continue
        rate = optimizer._learning_rate
        rate = float(rate.numpy()) if hasattr(rate, "numpy") else None
        if rate is not None and abs(rate - _default(type(optimizer))) < 1e-9:
            found = _judge(type(optimizer).__name__, rate)
            findings += [] if found is None else [found]
    return findings[:1]


def _compiled_by_name(network: Any, optimizer: Any) -> bool:
    """Whether ``compile`` got a string such as "adam", in which nobody can write ``lr=``."""
    given = getattr(getattr(network, "_compile_config", None), "config", {})
    return network.optimizer is optimizer and isinstance(given.get("optimizer"), str)


def _default(cls: Any) -> float:
    default = inspect.signature(cls.__init__).parameters["learning_rate"].default
    return float(default) if isinstance(default, (int, float)) else float("nan")


def _judge(name: str, rate: float) -> Finding | None:
    ignored, others = _written(name)
    cure = f"Write {name}(learning_rate=...)."
    if ignored and rate not in ignored:
        where = "Somewhere in your code " if others else ""
        text = (
            f"{where}{name} is given lr={ignored[-1]:g}. tf_keras ignores lr=: this optimizer runs "
            f"at its default learning rate, {rate:g}."
        )
        verdict: Verdict = "look" if others else "wrong"
        sure: Sureness = "possible" if others else "likely"
        return Finding("learning-rate-ignored", verdict, text, None, rate, ignored[-1], sure, cure)
    if not ignored and _sources():
        return None
    text = f"{name} runs at its default learning rate, {rate:g}. An old lr= would be ignored."
    return Finding("learning-rate-default", "look", text, None, rate, None, "possible", cure)


def _written(name: str) -> tuple[list[float], bool]:
    """Return the values of ``lr=`` given to that class, and whether it is also made otherwise."""
    ignored: list[float] = []
    others = False
    for source in _sources():
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


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _number(node: ast.expr) -> float | None:
    try:
        return float(ast.literal_eval(node))
    except (ValueError, TypeError):
        return None


def _sources() -> list[str]:
    """Return the code of the reader: the cells of the notebook, and modules of no library."""
    cells = [str(cell) for cell in vars(sys.modules["__main__"]).get("In", [])]
    files = {str(getattr(module, "__file__", None) or "") for module in [*sys.modules.values()]}
    own = str(pathlib.Path(__file__).parents[1])
    outside = [
        f
        for f in sorted(files)
        if f.endswith(".py") and not f.startswith(own) and not _is_library(f)
    ]
    texts = cells + [pathlib.Path(f).read_text("utf-8", "replace") for f in outside]
    return [text for text in texts if "optimizer" in text.lower() and _parses(text)]


def _is_library(path: str) -> bool:
    libraries = [*sysconfig.get_paths().values(), *site.getsitepackages()]
    return "-packages" in path or any(path.startswith(library) for library in libraries)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
