"""The floor: the matrix products of one Flipout step, forward and backward, and nothing else.

Each layer multiplies by the mean and by the perturbation; the gradients by both kernels and, above
the first layer, by both inputs follow. The loop over steps runs in the graph, one step at a time.
"""

import numpy as np
import tensorflow as tf

from benchmarks.work import Images, Labels, Run, Work

TITLE = "matrix products alone"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile the loop of products over successive batches."""
    del labels
    work.only_dense()
    generator = np.random.default_rng(work.seed)
    kernels = [
        [tf.Variable(generator.normal(size=shape) / shape[0], dtype=tf.float32) for _ in range(2)]
        for shape in work.shapes
    ]
    pool = tf.constant(images[: (work.num_draws + 1) * work.batch_size])

    @tf.function
    def loop(num_steps: tf.Tensor) -> tf.Tensor:
        def body(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            for draw in range(work.num_draws):  # other rows at each draw: none can be shared
                first = draw * work.batch_size + step % work.batch_size
                total += products(pool[first : first + work.batch_size], kernels)
            return step + 1, total

        start = (0, tf.zeros(()))
        # One step at a time: the graph would let independent steps overlap.
        return tf.while_loop(lambda step, _: step < num_steps, body, start, parallel_iterations=1)

    return lambda num_steps: float(loop(tf.constant(num_steps))[1])


def products(inputs: tf.Tensor, kernels: list[list[tf.Variable]]) -> tf.Tensor:
    """Return one number that needs all products of a step; ``kernels`` are pairs, one a layer."""
    before, hidden = [], [inputs, inputs]
    for pair in kernels:
        before.append(hidden)
        hidden = [tf.matmul(it, kernel) for it, kernel in zip(hidden, pair, strict=True)]
    gradients, upstream = [], hidden
    for layer in reversed(range(len(kernels))):
        pairs = zip(before[layer], upstream, strict=True)
        gradients += [tf.matmul(it, gradient, transpose_a=True) for it, gradient in pairs]
        if layer:
            pairs = zip(upstream, kernels[layer], strict=True)
            upstream = [tf.matmul(gradient, it, transpose_b=True) for gradient, it in pairs]
    return tf.add_n([gradient[0, 0] for gradient in gradients])
