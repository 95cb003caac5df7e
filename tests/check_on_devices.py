"""Check networks on two logical devices: python check_on_devices.py. Writes JSON.

In a process of its own: logical devices must be there before TensorFlow starts.
"""

import json
import sys

import numpy as np
import tensorflow as tf

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 2)

import tensorflow_probability as tfp  # noqa: E402
import tf_keras  # noqa: E402

from helpers.checkup import checkup  # noqa: E402

RNG = np.random.default_rng(1)
INPUTS = RNG.normal(size=(70, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 70)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def examined(by: float) -> dict[str, object]:
    """The report on a network after two steps on both devices, and whether it left all alone."""
    with STRATEGY.scope():

        def kl(q, p, _):
            return tfp.distributions.kl_divergence(q, p) / by

        network = tf_keras.Sequential([tfp.layers.DenseFlipout(3, kernel_divergence_fn=kl)])
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(tf_keras.optimizers.Adam(0.01), loss)
    network.fit(INPUTS, LABELS, batch_size=35, verbose=0)
    before = [value.tobytes() for value in network.get_weights()]
    report = checkup(network, INPUTS, LABELS, num_examples=70)
    return {
        "ok": report.ok,
        "alarms": sorted(finding.kind for finding in report.alarms),
        "unknown": [finding.message for finding in report.unknown] + report.unchecked,
        "same": before == [value.tobytes() for value in network.get_weights()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"right": examined(70), "unscaled": examined(1)}))
