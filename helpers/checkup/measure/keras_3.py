"""Whether a network is one of Keras 3, without importing Keras 3."""

import sys
from typing import Any

import tf_keras

from ...model.reachable import reachable


def is_keras_3(network: Any) -> bool:
    """Whether it is a layer or model of Keras 3."""
    keras = sys.modules.get("keras")
    layer = getattr(getattr(keras, "layers", None), "Layer", None)
    version = str(getattr(keras, "__version__", "2"))
    return layer is not None and version >= "3" and isinstance(network, layer)


def layers_of_keras_2(network: Any) -> list[Any]:
    """Return the layers of ``tf_keras``, TFP's among them, that a network refers to."""
    return [x for x in reachable(network) if isinstance(x, tf_keras.layers.Layer)]
