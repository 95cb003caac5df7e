"""The loop of TFP's example: ``train_on_batch`` on batches that a Keras sequence hands out."""

from collections.abc import Callable

import numpy as np
import tf_keras

from contenders.tfp_fit import flipout_network
from work import Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = flipout_network(work, len(images))
    neural_net.compile(
        optimizer=tf_keras.optimizers.Adam(work.learning_rate),
        loss=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def run(num_steps: int) -> float:
        for step in range(num_steps):
            rows = slice(step * work.batch_size, (step + 1) * work.batch_size)
            loss, _ = neural_net.train_on_batch(images[rows], labels[rows])
        return loss

    return run
