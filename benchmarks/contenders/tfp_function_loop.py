"""A plain loop around one ``tf.function`` with a gradient tape."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from contenders.tfp_fit import flipout_network
from work import Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = flipout_network(work, len(images))
    optimizer = tf_keras.optimizers.Adam(work.learning_rate)
    data = tf.data.Dataset.from_tensor_slices((images, labels))
    batches = iter(data.shuffle(len(images)).repeat().batch(work.batch_size))

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = neural_net(images, training=True)
            nll = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )
            loss = nll + sum(neural_net.losses)
        gradients = tape.gradient(loss, neural_net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, neural_net.trainable_variables))
        return loss

    def run(num_steps: int) -> float:
        for _ in range(num_steps):
            loss = step(*next(batches))
        return float(loss)

    return run
