"""TFP's way: ``compile`` and ``fit``, with the KL that the layers add to ``losses``."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from work import NUM_FEATURES, Work


def flipout_network(work: Work, num_examples: int) -> tf_keras.Sequential:
    """Return the network of TFP's example; each layer's divergence is divided by N."""

    def divergence(q, p, _):
        return tfp.distributions.kl_divergence(q, p) / num_examples

    layers = [
        tfp.layers.DenseFlipout(
            units, activation=activation, kernel_divergence_fn=divergence
        )
        for units, activation in zip(work.layer_widths, ["relu", "relu", None], strict=True)
    ]
    return tf_keras.Sequential([tf_keras.Input((NUM_FEATURES,)), *layers])


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = flipout_network(work, len(images))
    neural_net.compile(
        optimizer=tf_keras.optimizers.Adam(work.learning_rate),
        loss=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def run(num_steps: int) -> float:
        shown = num_steps * work.batch_size
        history = neural_net.fit(
            np.resize(images, (shown, NUM_FEATURES)), np.resize(labels, shown),
            batch_size=work.batch_size, verbose=0)
        return history.history["loss"][-1]

    return run
