"""Measure predictions by draws: ``python -m benchmarks.prediction --help``.

For each number of images and of draws, one round times, in an order of its own: a pass of a plain
network of the same size over the same images; and, for each class of layers, the book's prediction
and a call of the network for each draw. All times are per draw; compilation is reported apart. The
result file is of the format of the benchmark of training steps, with the images as the batch.
"""

import argparse
import itertools
import pathlib
import random
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.one_process import measurement, new_record, timed
from benchmarks.record import write_record
from benchmarks.work import Images, Work, load_images
from helpers.networks.dense import bayesian_network, plain_network
from helpers.prediction.predict import compile_prediction

LAYERS = ("DenseFlipout", "DenseReparameterization", "DenseLocalReparameterization")
WIDTHS = [400, 400, 10]
MOST_CALLS = 10  # of the network in a round: calls one by one take long
ONE_PASS = "one_pass"
CONTENDERS = {
    ONE_PASS: {"title": "one pass of a plain network", "kind": "bound"},
    **{name: {"title": f"the book's prediction, {name}", "kind": "book"} for name in LAYERS},
    **{f"{name} called": {"title": f"calls of {name}", "kind": "tfp"} for name in LAYERS},
}


class Prepared(NamedTuple):
    """What is timed: a function, how often it is called, and how many draws that makes in all."""

    function: Callable[[], Any]
    num_calls: int
    parts: int
    compile_seconds: float

    def call(self) -> None:
        """Call the function as often as it is to be called in a round."""
        for _ in range(self.num_calls):
            self.function()


def prepare(images: Images, num_draws: int) -> dict[str, Prepared]:
    """Return the contenders for so many images and draws, compiled."""
    contenders = {ONE_PASS: called(plain_network(WIDTHS), images, max(3, 5000 // len(images)))}
    for name in LAYERS:
        neural_net = bayesian_network(WIDTHS, layer_class=getattr(tfp.layers, name))
        neural_net(images[:1])
        contenders[name] = predicted(neural_net, images, num_draws)
        contenders[f"{name} called"] = called(neural_net, images, min(num_draws, MOST_CALLS))
    return contenders


def predicted(neural_net: tf_keras.Model, images: Images, num_draws: int) -> Prepared:
    """Return the book's prediction, compiled by XLA."""
    start = time.perf_counter()
    classes = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    predict = compile_prediction(
        neural_net, images, num_draws, likelihood=classes, jit_compile=True
    )
    np.asarray(predict(images, 0))
    return Prepared(
        lambda: np.asarray(predict(images, 1)), 1, num_draws, time.perf_counter() - start
    )


def called(neural_net: tf_keras.Model, images: Images, num_calls: int) -> Prepared:
    """Return a call of the network on all images, compiled by ``tf.function``."""
    start, batch = time.perf_counter(), tf.constant(images)
    compiled = tf.function(neural_net).get_concrete_function(batch)
    compiled(batch)
    seconds = time.perf_counter() - start
    return Prepared(lambda: compiled(batch).numpy(), num_calls, num_calls, seconds)


def parse_options(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", type=int, default=[500, 10_000])
    parser.add_argument("--draws", nargs="+", type=int, default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the order within a round")
    parser.add_argument("--mnist", help="the file mnist.npz of Keras")
    parser.add_argument("--out", type=pathlib.Path, help="result file")
    return parser.parse_args(arguments)


def measure(images: Images, num_draws: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the measurements of all rounds for so many images and draws, times per draw."""
    contenders, taken = prepare(images, num_draws), []
    work = Work(batch_size=len(images), num_draws=num_draws, seed=options.seed)
    order = random.Random(options.seed)
    for number in range(options.rounds):
        for name in order.sample(list(contenders), len(contenders)):
            it = contenders[name]
            times = timed(it.call, it.parts)
            taken.append(measurement((name, work, number), images, [times], it.compile_seconds))
            sys.stdout.write(f"{len(images)} images, {num_draws} draws: {name} {times.ms:.2f} ms\n")
            sys.stdout.flush()
    return taken


def main(arguments: list[str]) -> None:
    """Measure all and write the results as soon as there are some."""
    options = parse_options(arguments)
    record = new_record("benchmarks.prediction", options, arguments, CONTENDERS)
    images, _ = load_images(options.mnist, max(options.images))
    for count, num_draws in itertools.product(options.images, options.draws):
        some = np.ascontiguousarray(images[:count])
        record["measurements"] += measure(some, num_draws, options)
        if options.out:
            write_record(options.out, record)


if __name__ == "__main__":
    main(sys.argv[1:])
