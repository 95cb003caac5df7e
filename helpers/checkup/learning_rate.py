"""Whether the learning rate is the one that the reader wrote."""

import ast
import inspect
import sys
from typing import Any

import tf_keras

from helpers.checkup.case import Case
from helpers.checkup.reachable import reachable
from helpers.checkup.report import Finding


def check_learning_rate(case: Case) -> list[Finding]:
    """Return a finding if an optimizer runs at its class's default learning rate."""
    findings = []
    roots = (case.network, case.patient.loss)
    for optimizer in reachable(*roots):
        if not isinstance(optimizer, tf_keras.optimizers.Optimizer):
            continue
        rate = optimizer._learning_rate
        rate = float(rate.numpy()) if hasattr(rate, "numpy") else None
        if rate is not None and abs(rate - _default(type(optimizer))) < 1e-9:
            findings.append(_judge(type(optimizer).__name__, rate))
    return findings[:1]


def _default(cls: Any) -> float:
    default = inspect.signature(cls.__init__).parameters["learning_rate"].default
    return float(default) if isinstance(default, (int, float)) else float("nan")


def _judge(name: str, rate: float) -> Finding:
    ignored, others = _written(name)
    cure = f"Write {name}(learning_rate=...)."
    if ignored and rate not in ignored:
        text = (
            f"{name} was given lr={ignored[-1]:g}, but tf_keras ignores lr=: it runs at its "
            f"default learning rate, {rate:g}."
        )
        kind, sure = ("look", "possible") if others else ("wrong", "likely")
        return Finding("learning-rate-ignored", kind, text, None, rate, ignored[-1], sure, cure)
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
    """Return the code that the reader has run: cells of the notebook, or the calling files."""
    main = vars(sys.modules["__main__"])
    cells = [str(cell) for cell in main.get("In", []) if "lr" in str(cell)]
    files = {frame.filename for frame in inspect.stack(context=0)}
    own = str(__file__).rsplit("checkup", 1)[0]
    readable = [f for f in files if f.endswith(".py") and not f.startswith(own)]
    outside = [f for f in readable if "-packages" not in f and "/lib/python" not in f]
    texts = [*cells]
    for path in outside:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (any file of the reader)
            texts.append(file.read())
    return [text for text in texts if _parses(text)]


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
