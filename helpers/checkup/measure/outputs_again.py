"""Outputs of a network, given again without computing them, where nothing but targets changes.

In the evaluations of a data term beside other targets the network does the same again and again:
in a deep network that is most of a check-up's time.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from ...model.watch import KERAS_LAYER


class OtherCallError(ValueError):
    """The network is called with other arguments, or more often, than it was."""


@dataclass
class NotedCalls:
    """The calls of a network in one evaluation.

    Attributes
    ----------
    network
        Whose calls.
    calls
        Its arguments, by place and by name, and what it returned, call by call.
    """

    network: Any
    calls: list[tuple[Any, Any]] = field(default_factory=list)

    @contextlib.contextmanager
    def given_again(self, *, running: bool = False) -> Iterator[None]:
        """Let the network return what it returned, call by call.

        Parameters
        ----------
        running
            Whether to run it as well, for what it adds to ``losses``; else nothing is computed.

        Raises
        ------
        OtherCallError
            Where it is called in another way.
        """
        noted = iter(self.calls)
        original = KERAS_LAYER.__dict__["__call__"]

        def __call__(layer: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if layer is not self.network:
                return original(layer, *args, **kwargs)
            arguments, outputs = next(noted, (None, None))
            if arguments is None or not are_same(arguments, (args, kwargs)):
                raise OtherCallError("The network is called in another way than before.")
            if running:
                original(layer, *args, **kwargs)
            return outputs

        with mock.patch.object(KERAS_LAYER, "__call__", __call__):
            yield


@contextlib.contextmanager
def calls_noted(network: Any) -> Iterator[NotedCalls]:
    """Note the calls of a network, and what they return."""
    noted = NotedCalls(network)
    original = KERAS_LAYER.__dict__["__call__"]

    def __call__(layer: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        outputs = original(layer, *args, **kwargs)
        if layer is network:
            noted.calls.append(((args, kwargs), outputs))
        return outputs

    with mock.patch.object(KERAS_LAYER, "__call__", __call__):
        yield noted


def are_same(one: Any, other: Any) -> bool:
    """Whether two structures of arguments hold the same values."""
    try:
        tf.nest.assert_same_structure(one, other)
    except (TypeError, ValueError):
        return False
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return all(a is b or _is_equal(a, b) for a, b in pairs)


def _is_equal(one: Any, other: Any) -> bool:
    if any(tf.is_tensor(x) and tf.is_symbolic_tensor(x) for x in (one, other)):
        return False
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
