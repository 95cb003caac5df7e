"""Which Keras an object belongs to, and which Keras the layers of TFP belong to in this program.

Since TensorFlow 2.16 TFP's layers are layers of ``tf_keras``. Up to 2.15 they are layers of
``tf.keras``, which is Keras 2 there, and a ``tf_keras`` beside it is a second copy whose classes
are others: its models take TFP's layers for plain callables, and lose their losses without a word.

Introduced in chapters/16-which-keras.md, "Old TensorFlow: which Keras do the layers have there?".
"""

import re
from collections.abc import Iterator

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

# TensorFlow 2.15 is the first that reads TF_USE_LEGACY_KERAS.
SWITCH_SINCE = (2, 15)
OF_KERAS = re.compile(r"(keras|tensorflow\.python\.keras)(\.|$)")


def tfp_has_another_keras() -> bool:
    """Whether TFP's layers are no layers of ``tf_keras``, as up to TensorFlow 2.15."""
    return not issubclass(tfp.layers.DenseFlipout, tf_keras.layers.Layer)


def is_of_another_keras(network: object) -> bool:
    """Whether it is an object of ``keras`` or ``tf.keras`` that is none of ``tf_keras``."""
    if isinstance(network, tf_keras.layers.Layer):
        return False
    return any(OF_KERAS.match(name) for name in _modules(network))


def how_to_bring_them_together() -> str:
    """Return what to say and to write where TFP's layers are no layers of ``tf_keras``."""
    version = tf.__version__
    text = (
        f"With TensorFlow {version} the layers of TFP belong to tf.keras, which is Keras 2 there, "
        "and tf_keras is another copy that does not know them: "
    )
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= SWITCH_SINCE:
        return text + (
            'write import os; os.environ["TF_USE_LEGACY_KERAS"] = "1" in the first line of the '
            "program, before TensorFlow is imported. Both names mean one library then, and a "
            "model of tf.keras is right as it stands."
        )
    return text + (
        "these tools need a newer one, pip install --upgrade tensorflow tf_keras "
        '"tensorflow-probability[tf]", and a model built from tf_keras (import tf_keras).'
    )


def _modules(network: object) -> Iterator[str]:
    """Yield the names of the modules in which the classes of an object were made."""
    return (cls.__module__ for cls in type(network).__mro__)
