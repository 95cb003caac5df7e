"""A plain loop around one ``tf.function`` with a gradient tape, fed by ``tf.data``.

Source: TensorFlow's guide "Writing a training loop from scratch".
"""

import numpy as np
import tensorflow as tf
import tf_keras

from benchmarks.tfp_networks import flipout_network, shaped
from benchmarks.work import Images, Labels, Run, Work

TITLE = "TFP: tf.function loop"
ENVIRONMENT = "book"
KIND = "tfp"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile one step with as many calls of the network as draws; loop in Python."""
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = flipout_network(work, len(images))
    optimizer = tf_keras.optimizers.Adam(work.learning_rate)
    data = tf.data.Dataset.from_tensor_slices((shaped(images, work), labels))
    data = data.shuffle(len(images), seed=work.seed).repeat()
    batches = iter(data.batch(work.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE))

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            draws = [neural_net(images, training=True) for _ in range(work.num_draws)]
            nlls = [tf.nn.sparse_softmax_cross_entropy_with_logits(labels, it) for it in draws]
            loss = tf.reduce_mean(nlls) + sum(neural_net.losses)
        gradients = tape.gradient(loss, neural_net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, neural_net.trainable_variables, strict=True))
        return loss

    def run(num_steps: int) -> float:
        loss = np.nan
        for _ in range(num_steps):
            loss = step(*next(batches))
        return float(loss)

    return run
