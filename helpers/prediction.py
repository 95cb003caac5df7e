"""Predictions as averages over draws from the weight posterior."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from helpers.validation import check_images, check_keras_version

Array = npt.NDArray[np.float64]


def predict_by_draws(
    neural_net: tf_keras.Model, images: npt.ArrayLike, num_draws: int, seed: int = 0
) -> Array:
    """Return the class probabilities under ``num_draws`` draws of the weights.

    Every draw is a call of its own: copies of an image inside *one* batch share noise, so that
    their spread is not the posterior's. Average the result over its first axis for the predictive
    distribution (probabilities, not logits, are what is averaged).

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model from images [examples, …] to logits [examples, classes].
    images
        Images [examples, …].
    num_draws
        S, the number of draws, at least 1.
    seed
        Of TensorFlow's global generator, so that the same call gives the same draws.

    Returns
    -------
    ndarray
        Probabilities [draws, examples, classes]; the last axis sums to 1.

    Raises
    ------
    TypeError, ValueError
        If the network is not of ``tf_keras``, the images hold NaN, or ``num_draws`` is below 1.
    """
    check_keras_version(neural_net)
    images = check_images(images)
    if num_draws < 1:
        raise ValueError(f"num_draws is {num_draws}: draw the weights at least once.")
    tf.random.set_seed(seed)
    # Compiling pays only from a few draws on (and for one or two, TensorFlow warns of retracing).
    one_draw = tf.function(neural_net) if num_draws > 10 else neural_net
    logits = tf.stack([one_draw(tf.constant(images)) for _ in range(num_draws)])
    neural_net(images[:1])  # a compiled call leaves graph tensors in `losses`; an eager one, values
    return tf.nn.softmax(tf.cast(logits, tf.float64)).numpy()
