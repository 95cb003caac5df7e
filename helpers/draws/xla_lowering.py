"""Whether XLA takes a function: asked by lowering it, which neither compiles nor runs it.

Some operations XLA lacks (tables of words, some that resize images), and of loops it must know how
often they run. TensorFlow would say so when the function is first run, in the middle of other work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.InternalError,
    TypeError,
    ValueError,
)
LONGEST = 200  # of what XLA says


class XlaRefusalError(ValueError):
    """XLA does not take a network that it was to compile."""


def check_xla_takes(function: Any, specs: Sequence[tf.TensorSpec]) -> None:
    """Raise unless XLA takes a function.

    Parameters
    ----------
    function
        A ``tf.function`` with ``jit_compile=True``.
    specs
        Of its arguments, with all lengths known.

    Raises
    ------
    XlaRefusalError
        With what XLA says.
    """
    try:
        function.experimental_get_compiler_ir(*specs)(stage="hlo_serialized")
    except REFUSALS as error:
        said = " ".join(str(error).split())[:LONGEST]
        raise XlaRefusalError(
            f"XLA cannot compile this network: leave jit_compile out, or say jit_compile=False. It "
            f"says: {said}"
        ) from None
