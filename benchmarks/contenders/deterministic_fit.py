"""A plain network of the same widths under ``fit``: what being Bayesian costs is the difference."""

from collections.abc import Callable

import numpy as np
import tf_keras

from work import NUM_FEATURES, Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = tf_keras.Sequential(
        [tf_keras.Input((NUM_FEATURES,))]
        + [tf_keras.layers.Dense(units, activation=activation)
        for units, activation in zip(work.layer_widths, ["relu", "relu", None], strict=True)]
    )
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
