"""Measure what ElboMonitor adds to a fit: ``python -m benchmarks.elbo_monitor --help``.

Each round trains fresh networks under ``fit``: alone, with the monitor, and with monitor and
check-up. What is compared is processor time, of the epochs after the first, and of the first apart:
it compiles, looks at the network and runs the check-up.
"""

import argparse
import sys
import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.training import ElboMonitor

WIDTHS = (400, 400, 10)
INPUTS = 784
ALONE = "fit"


class Costs(NamedTuple):
    """Processor seconds of the first epoch, and the median of the others."""

    first: float
    later: float


class Clock(tf_keras.callbacks.Callback):
    """Note the processor time at the begin and at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self.start = time.process_time()
        self.seconds: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Note what the epoch took, and what lies between it and the one before."""
        now = time.process_time()
        self.seconds.append(now - self.start)
        self.start = now


def compiled_network(layer_class: type, num_examples: int) -> tf_keras.Sequential:
    """Return the network, its KL divided by N."""

    def divergence(q: Any, p: Any, _: Any) -> tf.Tensor:
        return tfp.distributions.kl_divergence(q, p) / num_examples

    layers = [
        layer_class(units, activation="relu", kernel_divergence_fn=divergence)
        for units in WIDTHS[:-1]
    ]
    last = layer_class(WIDTHS[-1], kernel_divergence_fn=divergence)
    network = tf_keras.Sequential([tf_keras.Input((INPUTS,)), *layers, last])
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(tf_keras.optimizers.Adam(), loss)
    return network


def costs(layer_class: type, contender: str, options: argparse.Namespace) -> Costs:
    """Return what one fit took."""
    num_examples = options.steps * options.batch_size
    rng = np.random.default_rng(0)
    images = rng.normal(size=(num_examples, INPUTS)).astype(np.float32)
    labels = rng.integers(0, WIDTHS[-1], num_examples)
    monitors = {
        "monitor": ElboMonitor(num_examples, check=False),
        "monitor, check-up": ElboMonitor(num_examples),
    }
    network = compiled_network(layer_class, num_examples)
    clock = Clock()
    network.fit(
        images,
        labels,
        batch_size=options.batch_size,
        epochs=options.epochs,
        verbose=0,
        callbacks=[*([monitors[contender]] if contender in monitors else []), clock],
    )
    return Costs(clock.seconds[0], float(np.median(clock.seconds[1:])))


def main() -> None:
    """Measure, and print the ratios round by round and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=50, help="in an epoch")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--layer", default="DenseFlipout", help="of tfp.layers")
    options = parser.parse_args()
    layer_class = getattr(tfp.layers, options.layer)
    contenders = [ALONE, "monitor", "monitor, check-up"]
    ratios: dict[str, list[float]] = {name: [] for name in contenders[1:]}
    for number in range(options.rounds):
        turn = contenders[number % 3 :] + contenders[: number % 3]
        found = {name: costs(layer_class, name, options) for name in turn}
        base = found.pop(ALONE)
        for name, cost in found.items():
            ratios[name].append(cost.later / base.later)
            more = cost.first - base.first
            tell(f"round {number + 1}: {name}: x {ratios[name][-1]:.3f}, once {more:+.1f} s")
    for name, of_rounds in ratios.items():
        tell(f"{name}: {np.median(of_rounds):.3f} times the processor time of an epoch of fit")


def tell(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
