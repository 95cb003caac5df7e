"""Train the digits of chapter 11 over seeds and lengths: ``python -m benchmarks.seeds --help``.

A claim that compares trainings needs more than one seed, and a training that has come to rest. One
page cannot wait for that, so this program trains a network of the chapter for each weight of the
KL, each seed and two lengths, prunes the networks, and writes down how they predict.
"""

import argparse
import datetime
import json
import pathlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from helpers.data.digits import load_digits_split
from helpers.losses.pruning import prune, signal_to_noise
from helpers.networks.dense import bayesian_network
from helpers.prediction.metrics import predictive_metrics
from helpers.training import train_by_elbo
from helpers.training.elbo import negative_log_likelihood

FACTORS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)  # on the right weight of the KL, 1/N
LENGTHS = {400: FACTORS, 1600: (0.0, 0.1, 1.0)}  # steps, each of all training digits
SHARES = (0.0, 0.5, 0.75, 0.9, 0.95)  # of weights that are removed
NUM_DRAWS = 50
TRAIN, TEST = load_digits_split(test_fraction=0.8)
NUM_EXAMPLES = len(TRAIN.labels)
Row = dict[str, Any]


def falling_rate(num_steps: int) -> tf_keras.optimizers.Optimizer:
    """Return Adam with a rate that falls to 0 over the steps."""
    rate = tf_keras.optimizers.schedules.CosineDecay(0.1, num_steps)
    return tf_keras.optimizers.Adam(rate)


def train_with_factor(factor: float, num_steps: int, seed: int) -> tf_keras.Sequential:
    """Return a network trained with a multiple of the right weight of the KL."""
    neural_net = bayesian_network([32, 10], seed=seed)
    train_by_elbo(
        neural_net,
        TRAIN.images,
        TRAIN.labels,
        num_epochs=num_steps,
        batch_size=NUM_EXAMPLES,
        kl_weight=factor / NUM_EXAMPLES,
        optimizer=falling_rate(num_steps),
        seed=seed,
        progress=False,
    )
    return neural_net


def train_with_l2(num_steps: int, seed: int) -> tf_keras.Sequential:
    """Return a network trained with the part of the KL that is an L2 penalty, and no other."""
    neural_net = bayesian_network([32, 10], seed=seed)
    neural_net(TRAIN.images[:1])
    optimizer = falling_rate(num_steps)
    optimizer.build(neural_net.trainable_variables)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = negative_log_likelihood(neural_net(TRAIN.images), TRAIN.labels)
            for layer in neural_net.layers:
                squares = tf.reduce_sum(layer.kernel_posterior.mean() ** 2)
                loss += 0.5 * squares / NUM_EXAMPLES
        variables = neural_net.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    tf.random.set_seed(seed)
    for _ in range(num_steps):
        step()
    return neural_net


def mean_probabilities(neural_net: tf_keras.Sequential, seed: int) -> npt.NDArray[np.float64]:
    """Return the probabilities of the held-out digits [examples, 10], averaged over draws."""
    outputs = TEST.images  # ends as [draws, examples, 10]
    for number, layer in enumerate(neural_net.layers):
        kernels = layer.kernel_posterior.sample(NUM_DRAWS, seed=[seed, number])
        outputs = layer.activation(outputs @ kernels + layer.bias_posterior.mean())
    probabilities = tf.nn.softmax(tf.cast(outputs, tf.float64))
    return np.asarray(probabilities).mean(axis=0)


def scores(neural_net: tf_keras.Sequential, seed: int) -> dict[str, float]:
    """Return how the network predicts the held-out digits, and how sure it is."""
    mean = mean_probabilities(neural_net, seed)
    metrics = predictive_metrics(mean, TEST.labels)
    accuracy = float(metrics["accuracy"])
    return {
        "accuracy": accuracy,
        "density": float(metrics["log_predictive_density"]),
        "calibration_error": float(metrics["expected_calibration_error"]),
        "overconfidence": float(mean.max(axis=1).mean()) - accuracy,
    }


def pruned_scores(neural_net: tf_keras.Sequential, trained: str, seed: int) -> Iterator[Row]:
    """Yield a row for each share of weights removed, the smallest |μ|/σ first."""
    kept, order = neural_net.get_weights(), signal_to_noise(neural_net)
    for share in SHARES:
        prune(neural_net, order, share)
        row = {"trained": trained, "seed": seed, "removed": share}
        yield row | scores(neural_net, seed)
        neural_net.set_weights(kept)


def measure(num_seeds: int) -> dict[str, list[Row]]:
    """Return the rows of both tables: the weights of the KL, and pruning."""
    weights: list[Row] = []
    pruning: list[Row] = []
    for seed in range(num_seeds):
        for num_steps, factors in LENGTHS.items():
            for factor in factors:
                neural_net = train_with_factor(factor, num_steps, seed)
                row = {"factor": factor, "steps": num_steps, "seed": seed}
                weights.append(row | scores(neural_net, seed))
                if num_steps == min(LENGTHS) and factor in (0.0, 1.0):
                    name = "ELBO" if factor else "no KL"
                    pruning += pruned_scores(neural_net, name, seed)
        l2_net = train_with_l2(min(LENGTHS), seed)
        pruning += pruned_scores(l2_net, "L2 part only", seed)
    return {"weights": weights, "pruning": pruning}


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the file to write")
    options = parser.parse_args()
    packages = ("tensorflow", "tensorflow-probability", "tf_keras", "numpy")
    record = {
        "command": f"python -m benchmarks.seeds --seeds {options.seeds} --out {options.out}",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
        "seeds": list(range(options.seeds)),
        **measure(options.seeds),
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
