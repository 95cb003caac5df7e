"""Walking from an object to what it refers to, closures included."""

import functools
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

LEAVES = (
    types.ModuleType,
    type,
    str,
    bytes,
    int,
    float,
    complex,
    np.ndarray,
    np.generic,
    tf.Tensor,
    tf.DType,
    tf.TensorShape,
)
LIBRARIES = ("tensorflow", "tf_keras", "keras", "numpy", "tensorflow_probability", "builtins")
LIMIT = 50_000


def reachable(*roots: Any) -> Iterator[Any]:
    """Yield every object that the roots refer to, the roots included, each once.

    Followed are attributes, items of containers, closures, defaults and the globals that a
    function of the reader names, those of the methods of a reader's class too; not modules,
    tensors and arrays.
    """
    waiting = list(roots)
    seen: set[int] = set()
    while waiting and len(seen) < LIMIT:
        item = waiting.pop(0)
        if id(item) in seen or item is None:
            continue
        seen.add(id(item))
        yield item
        if not isinstance(item, (*LEAVES, tf.Variable)):
            waiting += _neighbours(item)


def _neighbours(item: Any) -> list[Any]:
    """Return what an object refers to directly."""
    if isinstance(item, dict):
        return list(item.values())
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if isinstance(item, types.FunctionType):
        return _of_function(item)
    if isinstance(item, types.MethodType):
        return [item.__self__, item.__func__]
    if isinstance(item, functools.partial):
        return [item.func, *item.args, *item.keywords.values()]
    found = list(getattr(item, "__dict__", {}).values())
    python_function = getattr(item, "python_function", None)
    found += [] if python_function is None else [python_function]
    owner = getattr(item, "weakrefself_target__", None)  # of a method that is a tf.function
    found += [] if owner is None else [owner()]
    return found + _of_class(type(item))


def _of_class(cls: type) -> list[Any]:
    """Return the functions and variables that a reader's class, and its reader's parents, hold."""
    own = [c for c in cls.__mro__ if c.__module__.split(".")[0] not in LIBRARIES]
    items = [item for c in own for item in vars(c).values()]
    inside = [getattr(item, "__func__", getattr(item, "fget", item)) for item in items]
    return [item for item in inside if isinstance(item, (types.FunctionType, tf.Variable))]


def _of_function(function: types.FunctionType) -> list[Any]:
    """Return the closure, the defaults and the named globals of a function."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # a name that is not bound yet
            continue
    found += list(function.__defaults__ or ()) + list((function.__kwdefaults__ or {}).values())
    if (function.__module__ or "").split(".")[0] not in LIBRARIES:
        names = _names(function.__code__)
        found += [function.__globals__[name] for name in names if name in function.__globals__]
    return found


def _names(code: types.CodeType) -> list[str]:
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return [*code.co_names, *(name for part in inner for name in _names(part))]
