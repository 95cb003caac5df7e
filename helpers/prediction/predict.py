"""Predictions as averages over draws from the weight posterior.

Introduced in chapters/03-elbo.md, "Five weights side by side".
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..draws.replay import trace
from ..model.checks import check_images, check_keras_version
from .chunks import compile_pieces, fit_pieces, probabilities

Array = npt.NDArray[np.float64]

Predict = Callable[[npt.NDArray[np.float32], int], Array]  # (images, seed) ↦ probabilities

# XLA's compilation pays when the layers' results of all draws and images take so many bytes.
BYTES_THAT_PAY = 4e10


def predict_by_draws(
    neural_net: tf_keras.Model,
    images: npt.ArrayLike,
    num_draws: int,
    seed: int = 0,
    *,
    max_memory: float = 2**28,
    jit_compile: bool | None = None,
) -> Array:
    """Return the class probabilities under ``num_draws`` draws of the weights.

    Every draw is a call of its own: copies of an image inside *one* batch share noise, so that
    their spread is not the posterior's. Average the result over its first axis for the predictive
    distribution (probabilities, not logits, are what is averaged).

    Many draws are computed at a time, on as many images as the memory allows. A draw depends on
    ``seed`` and its number alone: neither more draws nor another bound change it, but for rounding.
    A network with a draw that cannot be numbered so (a gamma distribution, a draw inside a loop) is
    called once a draw, on all images, whatever the bound.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model from images [examples, …] to logits [examples, classes].
    images
        Images [examples, …].
    num_draws
        S, the number of draws, at least 1.
    seed
        Of the draws: the same call gives the same ones.
    max_memory
        About how many bytes noise and results of the layers may take, beside images and result.
    jit_compile
        Whether XLA compiles the network: a second or two at the start, less time for each draw, the
        same draws. ``None`` means: when there is enough to compute to pay for it.

    Returns
    -------
    ndarray
        Probabilities [draws, examples, classes]; the last axis sums to 1.

    Raises
    ------
    TypeError, ValueError
        If the network is not of ``tf_keras``, the images hold NaN, ``num_draws`` is below 1, or
        ``max_memory`` is too small for one draw of a few images.
    """
    check_keras_version(neural_net)
    images = check_images(images)
    if num_draws < 1:
        raise ValueError(f"num_draws is {num_draws}: draw the weights at least once.")
    if not max_memory > 0:
        raise ValueError(f"max_memory is {max_memory}: give a positive number of bytes.")
    tf.random.set_seed(seed)  # for the weights of a network that was never called
    if not neural_net.built:
        neural_net(images[:1])
    predict = compile_prediction(neural_net, images.shape, num_draws, max_memory, jit_compile)
    result = predict(images, seed)
    neural_net(images[:1])  # tracing leaves graph tensors in `losses`; an eager call, values
    return result


def compile_prediction(
    neural_net: tf_keras.Model,
    shape: tuple[int, ...],
    num_draws: int,
    max_memory: float = 2**28,
    jit_compile: bool | None = None,
) -> Predict:
    """Return (images, seed) ↦ what :func:`predict_by_draws` returns, to be called many times.

    Parameters
    ----------
    neural_net
        Has been called once.
    shape
        Of all images, [examples, …].
    num_draws, max_memory, jit_compile
        As in :func:`predict_by_draws`.

    Raises
    ------
    ValueError
        If ``max_memory`` is too small for one draw of a few images.
    """
    pieces = fit_pieces(neural_net, shape, num_draws, max_memory)
    if pieces is None:
        return lambda images, seed: _one_by_one(neural_net, images, num_draws, seed)
    if jit_compile is None:
        jit_compile = pieces.bytes_of_all > BYTES_THAT_PAY
    return compile_pieces(pieces, num_draws, jit_compile)


def _one_by_one(
    neural_net: tf_keras.Model, images: npt.NDArray[np.float32], num_draws: int, seed: int
) -> Array:
    """Return the probabilities, one call of the network a draw, with TensorFlow's own generator."""
    tf.random.set_seed(seed)
    one_draw = trace(neural_net, tf.TensorSpec(images.shape, images.dtype))
    return np.stack([probabilities(one_draw(tf.constant(images))) for _ in range(num_draws)])
