"""Print the history of one replica and of two, as JSON; started by test_elbo_monitor."""

import json
import sys

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.training import ElboMonitor

NUM_EXAMPLES = 37  # the last batch of 8 has 5 rows: 3 and 2, or 4 and 1


def history_under(strategy, monitor):
    """Columns of a fit whose σ are so small that the draws do not matter."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(NUM_EXAMPLES, 5)).astype(np.float32), rng.integers(0, 3, NUM_EXAMPLES)
    tf_keras.utils.set_random_seed(0)
    posterior = tfp.layers.default_mean_field_normal_fn(
        loc_initializer=tf_keras.initializers.RandomNormal(stddev=0.4, seed=3),
        untransformed_scale_initializer=tf_keras.initializers.Constant(-13.0),
    )
    with strategy.scope():
        layer = tfp.layers.DenseFlipout(
            3,
            name="only",
            kernel_posterior_fn=posterior,
            kernel_divergence_fn=lambda q, p, _: (
                tfp.distributions.kl_divergence(q, p) / NUM_EXAMPLES
            ),
        )
        model = tf_keras.Sequential([layer])
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(tf_keras.optimizers.SGD(1e-3), loss)
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    held_out = (x[:11], y[:11])
    fitted = model.fit(x, y, callbacks=[monitor], validation_data=held_out, **options)
    return fitted.history


if __name__ == "__main__":
    processor = tf.config.list_physical_devices("CPU")[0]
    part = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(processor, [part, part])
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    strategies = (tf.distribute.get_strategy(), two)
    histories = [history_under(s, ElboMonitor(NUM_EXAMPLES)) for s in strategies]
    sys.stdout.write(json.dumps(histories) + "\n")
