"""Whether a network is one of Keras 3, without importing Keras 3."""

from typing import Any

import tf_keras

from ...model.reachable import reachable
from ...model.which_keras import is_of_another_keras, tfp_has_another_keras


def is_keras_3(network: Any) -> bool:
    """Whether it is a model or layer of Keras 3, in a program whose TFP belongs to ``tf_keras``."""
    return is_of_another_keras(network) and not tfp_has_another_keras()


def layers_of_keras_2(network: Any) -> list[Any]:
    """Return the layers of ``tf_keras``, TFP's among them, that a network refers to."""
    return [x for x in reachable(network) if isinstance(x, tf_keras.layers.Layer)]
