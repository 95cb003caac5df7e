"""The network of the question, and a plain one of the same size.

Introduced in chapters/01-kl-formula.md, "Test the guess".
"""

from collections.abc import Sequence
from typing import Any

import tensorflow_probability as tfp
import tf_keras

from .posteriors import gaussian_posterior, point_posterior


def bayesian_network(
    layer_widths: Sequence[int],
    *,
    seed: int = 0,
    layer_class: type = tfp.layers.DenseFlipout,
    **layer_options: Any,
) -> tf_keras.Sequential:
    """Return a network of Bayesian dense layers, not yet built, that puts out logits.

    Parameters
    ----------
    layer_widths
        Units of each layer; the last is the number of classes and has no activation, the others
        are ReLU. ``[64, 64, 10]`` gives two hidden layers and ten logits.
    seed
        Seed of the initial posterior; every layer derives its own from it.
    layer_class
        A dense layer of ``tfp.layers`` with a ``kernel_posterior``.
    layer_options
        Passed on to every layer, for instance ``kernel_divergence_fn``.

    Returns
    -------
    tf_keras.Sequential
        Layers named ``hidden_1``, ``hidden_2``, …, ``logits``. Maps images [batch, features] to
        logits [batch, classes].

    Raises
    ------
    ValueError
        If a width is not a positive whole number.
    """
    names = _layer_names(layer_widths)
    layers = []
    for index, (units, name) in enumerate(zip(layer_widths, names, strict=True)):
        options = {
            "kernel_posterior_fn": gaussian_posterior(seed=1000 * seed + index),
            "bias_posterior_fn": point_posterior(),
            **layer_options,
        }
        layers.append(layer_class(units, activation=_activation(name), name=name, **options))
    return tf_keras.Sequential(layers, name="neural_net")


def plain_network(
    layer_widths: Sequence[int], *, seed: int = 0, **layer_options: Any
) -> tf_keras.Sequential:
    """Return an ordinary network with the same layers as :func:`bayesian_network`.

    Parameters
    ----------
    layer_widths, seed
        As in :func:`bayesian_network`. The weights start by Glorot's rule, Keras' default.
    layer_options
        Passed on to every layer, for instance ``kernel_regularizer``.

    Raises
    ------
    ValueError
        If a width is not a positive whole number.
    """
    names = _layer_names(layer_widths)
    glorot = tf_keras.initializers.GlorotUniform
    return tf_keras.Sequential(
        [
            tf_keras.layers.Dense(
                units,
                activation=_activation(name),
                kernel_initializer=glorot(seed=1000 * seed + index),
                name=name,
                **layer_options,
            )
            for index, (units, name) in enumerate(zip(layer_widths, names, strict=True))
        ],
        name="plain_net",
    )


def _layer_names(layer_widths: Sequence[int]) -> list[str]:
    """Check the widths and name the layers: hidden_1, hidden_2, …, logits."""
    if not layer_widths or any(int(width) != width or width < 1 for width in layer_widths):
        raise ValueError(
            f"layer_widths is {list(layer_widths)}: give one positive whole number per layer, "
            "the last being the number of classes, for instance [64, 64, 10]."
        )
    return [f"hidden_{i}" for i in range(1, len(layer_widths))] + ["logits"]


def _activation(name: str) -> str | None:
    return None if name == "logits" else "relu"
