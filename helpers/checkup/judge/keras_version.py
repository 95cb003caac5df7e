"""Keras 3 around TFP's layers: nothing is trained, and losses stays empty."""

from typing import Any

from ..measure.keras_3 import layers_of_keras_2
from ..report import Finding


def check_keras_3(network: Any) -> list[Finding]:
    """Return the alarm for a Keras 3 model, naming the layers of TFP that it holds."""
    names = ", ".join(layer.name for layer in layers_of_keras_2(network))
    trained = len(getattr(network, "trainable_variables", []))
    text = (
        f"This is a Keras 3 model. Keras 3 neither trains the layers of TFP nor collects their "
        f"losses: it sees {trained} trainable variables and {len(network.losses)} losses."
    )
    cure = (
        "Build the model from tf_keras (import tf_keras), or set TF_USE_LEGACY_KERAS=1 before "
        "tf.keras is first touched."
    )
    return [
        Finding(
            kind="keras-3",
            verdict="wrong",
            message=text,
            layer=names or None,
            value=trained,
            sure="measured",
            cure=cure,
        )
    ]
