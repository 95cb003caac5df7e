"""Train small networks on logical devices: python train_on_devices.py 2 (or 3). Prints JSON.

In a process of its own: logical devices must be there before TensorFlow starts, and TensorFlow
reduces over one group of devices in a process, so that 2 and 3 do not go together.
"""

import json
import sys
import tempfile

import numpy as np
import tensorflow as tf

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 3)

import tensorflow_probability as tfp  # noqa: E402
import tf_keras  # noqa: E402

from helpers.losses.measured_weight import measured_kl_weight  # noqa: E402
from helpers.networks.dense import bayesian_network  # noqa: E402
from helpers.page.errors import error_message  # noqa: E402
from helpers.training import train_by_elbo  # noqa: E402

RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(17, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 17).astype(np.int32)
# The last class occurs once, and not among the first few that a network is tried on.
RARE = np.where(np.arange(17) == 16, 2, LABELS % 2)
NUM_DEVICES = int(sys.argv[1])
STRATEGIES = {
    "one": tf.distribute.get_strategy(),
    "OneDeviceStrategy": tf.distribute.OneDeviceStrategy("CPU:1"),
    "many": tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(NUM_DEVICES)]),
}
LAYERS = ("DenseFlipout", "DenseLocalReparameterization")


def network(strategy, layer="DenseFlipout"):
    # Behind a ReLU, DenseLocalReparameterization has no gradient where a whole row is 0.
    widths = [3] if layer == "DenseLocalReparameterization" else [4, 3]
    with STRATEGIES[strategy].scope():
        neural_net = bayesian_network(widths, seed=2, layer_class=getattr(tfp.layers, layer))
        neural_net(IMAGES[:1])
    return neural_net


def sgd(strategy, learning_rate=0.3):
    with STRATEGIES[strategy].scope():
        return tf_keras.optimizers.SGD(learning_rate)


def train(neural_net, images=IMAGES, labels=LABELS, **options):
    """Batches of 7, 7 and 3: none divides by 2, and 7 not by 3."""
    options = {"num_epochs": 2, "batch_size": 7, "seed": 4, "progress": False, **options}
    return train_by_elbo(neural_net, images, labels, **options)


def trained(strategy, layer="DenseFlipout", optimizer=sgd, **options):
    """History and weights."""
    neural_net = network(strategy, layer)
    history = train(neural_net, optimizer=optimizer(strategy), **options)
    weights = np.concatenate([weight.ravel() for weight in neural_net.get_weights()])
    return {"history": history.to_numpy(float).tolist(), "weights": weights.tolist()}


def kl_weight(strategy):
    """What a training on blank images does to the means of the first layer."""
    neural_net = network(strategy)
    optimizer, blank = sgd(strategy, 0.05), np.zeros_like(IMAGES)
    return measured_kl_weight(
        neural_net.layers[0],
        lambda: train(neural_net, blank, num_epochs=1, optimizer=optimizer),
        learning_rate=0.05,
        num_steps=3,
    )


def of_statistics():
    """The error of a network with batch normalisation, whose weights must stay."""
    with STRATEGIES["many"].scope():
        layers = [tf_keras.layers.BatchNormalization(), tfp.layers.DenseFlipout(3)]
        neural_net = tf_keras.Sequential(layers)
        neural_net(IMAGES[:1])
    before = neural_net.get_weights()
    message = error_message(lambda: train(neural_net))
    same = all((a == b).all() for a, b in zip(before, neural_net.get_weights(), strict=True))
    return {"message": message, "same": same}


def refused(**options):
    """The error, and whether the weights stayed."""
    neural_net = network("many")
    before = neural_net.get_weights()
    message = error_message(lambda: train(neural_net, **options))
    same = all((a == b).all() for a, b in zip(before, neural_net.get_weights(), strict=True))
    return {"message": message, "same": same}


def not_finite():
    """The error of a likelihood that is infinite for one class."""

    def infinite_for_the_last(labels, logits):
        nats = tf_keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return tf.where(tf.cast(labels, tf.int32) == 2, np.inf, nats)

    likelihood = {"likelihood": infinite_for_the_last, "optimizer": adam("many")}
    return refused(labels=RARE, batch_size=17, **likelihood)


def resumed():
    """Two devices: one epoch into a folder, then the second from there."""
    with tempfile.TemporaryDirectory() as folder:
        trained("many", num_epochs=1, folder=folder)
        return trained("many", num_epochs=2, folder=folder, resume=True)


def adam(strategy):
    with STRATEGIES[strategy].scope():
        return tf_keras.optimizers.Adam(0.05)


if __name__ == "__main__":
    layers = LAYERS if NUM_DEVICES == 2 else LAYERS[:1]
    results = {
        "trained": {f"{s} {layer}": trained(s, layer) for s in ("one", "many") for layer in layers},
        "kl_weight": kl_weight("many"),
    }
    if NUM_DEVICES == 2:
        results |= {
            "OneDeviceStrategy": trained("OneDeviceStrategy"),
            "adam": {strategy: trained(strategy, optimizer=adam) for strategy in ("one", "many")},
            "num_draws": refused(num_draws=2),
            "jit_compile": refused(jit_compile=True),
            "small": refused(images=IMAGES[:15], labels=LABELS[:15]),
            "statistics": of_statistics(),
            "not_finite": not_finite(),
            "resumed": resumed(),
        }
    sys.stdout.write(json.dumps(results))
