"""The floor: the matrix products of one Flipout step, forward and backward, and nothing else."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from work import NUM_FEATURES, Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    generator = np.random.default_rng(work.seed)
    kernels = [tf.Variable(generator.normal(size=shape) / shape[0], dtype=tf.float32)
        for shape in work.shapes for _ in range(2)]
    inputs = tf.constant(images[:work.batch_size])

    @tf.function
    def step():
        before, hidden = [], [inputs, inputs]
        for layer in range(len(work.shapes)):
            before.append(hidden)
            hidden = [tf.matmul(h, k) for h, k in zip(hidden, kernels[2*layer:2*layer+2], strict=True)]
        gradients, upstream = [], hidden
        for layer in reversed(range(len(work.shapes))):
            gradients += [tf.matmul(h, g, transpose_a=True) for h, g in zip(before[layer], upstream)]
            if layer:
                upstream = [tf.matmul(g, k, transpose_b=True) for g, k in zip(upstream, kernels[2*layer:2*layer+2])]
        return gradients

    def run(num_steps: int) -> float:
        for _ in range(num_steps):
            gradients = step()
        return float(gradients[0][0, 0])

    return run
