"""``TimeDistributed`` as ``fit`` runs it: all steps in one call of the layer inside.

Where the size of a batch is known, as in an eager call, Keras calls a layer that is not its own
once for each step, and its KL is added as often. In ``fit`` the size is not known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tf_keras


def runs_eagerly(network: Any) -> bool:
    """Whether ``fit`` calls a network without compiling its step."""
    # The property would say what TensorFlow is set to just now.
    return bool(getattr(network, "_run_eagerly", None) or getattr(network, "dynamic", False))


@contextlib.contextmanager
def steps_at_once(network: Any) -> Iterator[None]:
    """Call the layers inside ``TimeDistributed`` once, as in ``fit``, inside the block.

    Not those of a network that is compiled with ``run_eagerly=True``.
    """
    found = [
        layer
        for layer in ([] if runs_eagerly(network) else network._flatten_layers())
        if isinstance(layer, tf_keras.layers.TimeDistributed)
        and not getattr(layer.layer, "stateful", False)
    ]
    before = [layer._always_use_reshape for layer in found]
    for layer in found:
        layer._always_use_reshape = True
    try:
        yield
    finally:
        for layer, value in zip(found, before, strict=True):
            layer._always_use_reshape = value
