"""Keras' own layers of noise, such as Dropout, left out for a look at what else draws."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from tf_keras.src.engine import base_layer


@contextlib.contextmanager
def without_noise(network: Any) -> Iterator[None]:
    """Let layers of Keras that only add noise, such as Dropout, hand on what they get."""
    with contextlib.ExitStack() as stack:
        for layer in network._flatten_layers():
            if isinstance(layer, base_layer.BaseRandomLayer) and not layer.weights:
                stack.enter_context(mock.patch.object(layer, "call", _identity))
            for name in ("dropout", "recurrent_dropout"):  # of the cell of an RNN
                if isinstance(vars(layer).get(name), float):
                    stack.enter_context(mock.patch.object(layer, name, 0.0))
        yield


def _identity(inputs: Any, *_args: Any, **_options: Any) -> Any:
    return inputs
