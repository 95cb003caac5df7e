"""Layers that draw only while they train: without it, all draws of a prediction are the same."""

from typing import Any

import numpy as np
import tensorflow as tf

from ..model.likelihood import flatten_heads
from ..model.noise_layers import without_noise
from ..model.untouched import untouched, use_seed

SAME = 1e-6  # relative; what rounding may change

ONLY_IN_TRAINING = (
    "All draws are the same: the network draws weights only when it is called with training=True, "
    "as in fit. Let its layers draw at every call, whatever training is, as TFP's layers do."
)


def check_draws_outside_training(network: Any, inputs: Any) -> None:
    """Raise if a network that draws nothing does draw while it trains, Keras' own noise aside.

    Parameters
    ----------
    network
        A network whose prediction has no random numbers; it is left as it was.
    inputs
        A few examples, as tensors.

    Raises
    ------
    ValueError
        If it does.
    """
    with untouched(network), without_noise(network):
        try:
            one, other = (_outputs(network, inputs, seed) for seed in (1, 2))
        except (TypeError, ValueError):  # a call that takes no ``training``
            return
    if not all(np.allclose(a, b, rtol=SAME, atol=SAME) for a, b in zip(one, other, strict=True)):
        raise ValueError(ONLY_IN_TRAINING)


def _outputs(network: Any, inputs: Any, seed: int) -> list[Any]:
    """Return what the network puts out in training; of a distribution its mean."""
    use_seed(seed, repeatable=True)
    leaves = flatten_heads(network(inputs, training=True))
    means = [leaf.mean() if hasattr(leaf, "log_prob") else leaf for leaf in leaves]
    return [np.asarray(tf.convert_to_tensor(leaf), float) for leaf in means]
