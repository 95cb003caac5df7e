"""Clear errors for input that cannot work, each saying what is wrong and how to mend it."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from .which_keras import (
    how_to_bring_them_together,
    is_of_another_keras,
    tfp_has_another_keras,
)


def check_keras_version(neural_net: object) -> None:
    """Raise unless ``neural_net`` is a layer or model of the Keras that TFP's layers belong to.

    Raises
    ------
    TypeError
        If TFP's layers are no ``tf_keras`` layers in this program (TensorFlow up to 2.15), if it
        is a Keras 3 object (Keras 3 does not see the variables and losses of TFP's layers), or no
        layer at all.
    """
    if tfp_has_another_keras():
        raise TypeError(how_to_bring_them_together())
    if isinstance(neural_net, tf_keras.layers.Layer):
        return
    if is_of_another_keras(neural_net):
        raise TypeError(
            f"{type(neural_net).__name__} is a Keras 3 model. TFP's layers are tf_keras layers, "
            "and Keras 3 neither trains their weights nor collects their losses. Build the model "
            "from tf_keras (import tf_keras) in place of tf.keras or keras."
        )
    raise TypeError(
        f"Expected a tf_keras model or layer, but got {_described(neural_net)}: "
        "pass the network itself, for instance a tf_keras.Sequential."
    )


def _described(thing: object) -> str:
    """Return what kind of thing it is; a class is named as one."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}, which has to be called"
    return type(thing).__name__


def check_weights(neural_net: tf_keras.layers.Layer) -> None:
    """Raise if a weight is NaN or infinite, as after a training that has diverged.

    Raises
    ------
    ValueError
        If one is: in which layers.
    """
    broken = [
        layer.name
        for layer in neural_net._flatten_layers(recursive=True, include_self=False)
        for variable in layer._trainable_weights + layer._non_trainable_weights
        if isinstance(variable, tf.Variable) and variable.dtype.is_floating
        if not np.isfinite(variable.numpy()).all()
    ]
    if broken:
        raise ValueError(
            f"Weights of {', '.join(dict.fromkeys(broken))} are NaN or infinite: the training has "
            "diverged. Build the network anew, and train it with a smaller learning rate."
        )


def check_stateless(neural_net: tf_keras.layers.Layer) -> None:
    """Raise if a recurrent layer carries its state from one batch to the next.

    Raises
    ------
    ValueError
        If one does: it takes batches of one size, and its examples do not stand alone.
    """
    for layer in neural_net._flatten_layers():
        if isinstance(layer, tf_keras.layers.RNN) and layer.stateful:
            raise ValueError(
                f"Layer {layer.name} is stateful: it carries its state from one batch to the next, "
                "and takes batches of one size only. Build it with stateful=False, and give it the "
                "weights: network.set_weights(stateful_network.get_weights())."
            )


def is_whole(value: object) -> bool:
    """Whether a value is one whole number, of Python, NumPy or TensorFlow; no text, yes or no."""
    if isinstance(value, (str, bytes, bool, np.bool_)) or value is None:
        return False
    array = np.asarray(value)
    if array.shape != () or array.dtype.kind not in "iuf":
        return isinstance(value, int)  # beyond 64 bits
    return bool(np.isfinite(array) and array == np.floor(array))


def check_whole(name: str, value: object, least: int, hint: str = "") -> int:
    """Return an argument as a whole number of Python.

    Parameters
    ----------
    name, value
        Of the argument.
    least
        The smallest number that it may be.
    hint
        What it counts, in words that fit after "give".

    Raises
    ------
    ValueError
        If it is no whole number, or a smaller one.
    """
    number = int(value) if is_whole(value) else None  # type: ignore[call-overload]
    if number is None or number < least:
        what = f"{hint}, a" if hint else "a"
        raise ValueError(f"{name} is {value!r}: give {what} whole number of at least {least}.")
    return number


def check_number(name: str, value: object, low: float, high: float, give: str) -> float:
    """Return an argument as a number of Python between two others, these included.

    Parameters
    ----------
    name, value
        Of the argument.
    low, high
        The smallest and the largest number that it may be.
    give
        What to write, in words that fit after "give".

    Raises
    ------
    ValueError
        If it is no finite number, or lies outside.
    """
    array = np.asarray(value)
    is_number = array.shape == () and array.dtype.kind in "iuf"
    if not (is_number and np.isfinite(array) and low <= array <= high):
        raise ValueError(f"{name} is {value!r}: give {give}.")
    return float(array)


def check_optimizer(optimizer: object) -> None:
    """Raise unless ``optimizer`` is an optimizer of ``tf_keras``.

    Raises
    ------
    TypeError
        If it is one of Keras 3 (which does not belong to ``tf_keras``), a name or a class.
    """
    optimizers = tf_keras.optimizers
    if not isinstance(optimizer, (optimizers.Optimizer, optimizers.legacy.Optimizer)):
        kind = type(optimizer)
        raise TypeError(
            f"Expected a tf_keras optimizer, but got one of type {kind.__module__}."
            f"{kind.__qualname__}. Make it with tf_keras, for instance "
            "tf_keras.optimizers.Adam(0.01), not with tf.keras, keras or a name."
        )


def check_finite_rows(array: npt.NDArray[np.generic], name: str) -> None:
    """Raise if an example holds NaN or an infinite value.

    Raises
    ------
    ValueError
        With the number of such examples, and the first.
    """
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return
    bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {len(array)} examples of {name} hold NaN or infinite values, the first "
            f"at index {bad[0]}: remove them or fill the gaps."
        )


def check_labels(
    labels: npt.ArrayLike, num_examples: int, num_classes: int
) -> npt.NDArray[np.int32]:
    """Return the labels [examples] as int32.

    Raises
    ------
    ValueError
        If they are not one whole number in 0 … num_classes − 1 per example.
    """
    array = np.asarray(labels)
    if array.shape != (num_examples,):
        raise ValueError(
            f"labels has shape {array.shape}, but there are {num_examples} images: pass one class "
            "number per image, shape (examples,). For one-hot labels use labels.argmax(axis=-1)."
        )
    if array.dtype.kind not in "biuf" or not np.all(array == np.floor(array)):
        raise ValueError(
            "labels must be whole numbers, the index of each example's class. Names of classes "
            "become numbers with np.unique(labels, return_inverse=True)."
        )
    outside = np.flatnonzero((array < 0) | (array >= num_classes))
    if outside.size:
        raise ValueError(
            f"labels[{outside[0]}] is {array[outside[0]]}, but the network has {num_classes} "
            f"outputs, so labels must lie in 0 … {num_classes - 1}. Give the last layer one unit "
            "per class, and count the classes from 0."
        )
    return array.astype(np.int32)
