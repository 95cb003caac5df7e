"""Keras 3 around TFP's layers: nothing is trained, and losses stays empty."""

import sys
from typing import Any

import tf_keras

from .reachable import reachable
from .report import Finding


def is_keras_3(network: Any) -> bool:
    """Whether it is a layer or model of Keras 3."""
    keras = sys.modules.get("keras")
    layer = getattr(getattr(keras, "layers", None), "Layer", None)
    version = str(getattr(keras, "__version__", "2"))
    return layer is not None and version >= "3" and isinstance(network, layer)


def check_keras_3(network: Any) -> list[Finding]:
    """Return the alarm for a Keras 3 model, naming the layers of TFP that it holds."""
    inside = [x for x in reachable(network) if isinstance(x, tf_keras.layers.Layer)]
    names = ", ".join(layer.name for layer in inside)
    trained = len(getattr(network, "trainable_variables", []))
    text = (
        f"This is a Keras 3 model. Keras 3 neither trains the layers of TFP nor collects their "
        f"losses: it sees {trained} trainable variables and {len(network.losses)} losses."
    )
    cure = (
        "Build the model from tf_keras (import tf_keras), or set TF_USE_LEGACY_KERAS=1 before "
        "tf.keras is first touched."
    )
    return [Finding("keras-3", "wrong", text, names or None, trained, None, "measured", cure)]
