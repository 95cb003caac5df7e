"""Measure predictions by draws: ``python -m benchmarks.prediction --help``.

For each class of layers, number of images and number of draws, three are timed in turn: one pass of
a plain network of the same size over the same images, the book's prediction, and a call of the
network for each draw. Compilation is reported apart; times are per draw, ratios of the same round.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from benchmarks.environments import versions
from benchmarks.record import provenance, write_record
from benchmarks.work import load_images
from helpers.networks import bayesian_network, plain_network
from helpers.prediction import compile_prediction

LAYERS = ("DenseFlipout", "DenseReparameterization", "DenseLocalReparameterization")
WIDTHS = [400, 400, 10]
MOST_CALLS = 10  # of the network in a round: calls one by one take long


def milliseconds(function: Callable[[], Any], times: int) -> dict[str, float]:
    """Return wall and processor milliseconds of a call, the mean of so many."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        function()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"ms": wall / times * 1e3, "cpu_ms": cpu / times * 1e3}


def measure(layer: str, images: Any, num_draws: int, rounds: int) -> dict[str, Any]:
    """Return the times of all rounds for one class of layers, and seconds of compilation."""
    neural_net = bayesian_network(WIDTHS, layer_class=getattr(tfp.layers, layer))
    plain, batch = plain_network(WIDTHS), tf.constant(images)
    neural_net(batch[:1])
    start = time.perf_counter()
    predict = compile_prediction(neural_net, images.shape, num_draws, jit_compile=True)
    predict(images, 0)
    compile_seconds = time.perf_counter() - start
    one_pass = tf.function(plain).get_concrete_function(batch)
    one_call = tf.function(neural_net).get_concrete_function(batch)
    calls = {
        "one_pass": (lambda: one_pass(batch).numpy(), max(3, 5000 // len(images))),
        "book": (lambda: predict(images, 1), 1),
        "call_a_draw": (lambda: one_call(batch).numpy(), min(num_draws, MOST_CALLS)),
    }
    for function, _ in calls.values():
        function()
    taken = [{name: milliseconds(*it) for name, it in calls.items()} for _ in range(rounds)]
    for it in taken:
        it["book"] = {name: value / num_draws for name, value in it["book"].items()}
    return {"compile_seconds": compile_seconds, "rounds": taken}


def ratio(result: dict[str, Any], name: str) -> float:
    """Return how many times the one deterministic pass a draw takes, median over the rounds."""
    taken = result["rounds"]
    return statistics.median(it[name]["ms"] / it["one_pass"]["ms"] for it in taken)


def parse_options(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=LAYERS)
    parser.add_argument("--images", nargs="+", type=int, default=[500, 10_000])
    parser.add_argument("--draws", nargs="+", type=int, default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mnist", help="the file mnist.npz of Keras")
    parser.add_argument("--out", type=pathlib.Path, help="result file")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Measure all and write each result as soon as there is one."""
    options = parse_options(arguments)
    record = {"format": 1, "what": "prediction by draws", **provenance(), "measurements": []}
    record["data"] = "MNIST" if options.mnist else "deterministic images"
    record["environments"] = {"book": versions(sys.executable)}
    images, _ = load_images(options.mnist, max(options.images))
    for count, layer, draws in itertools.product(options.images, options.layers, options.draws):
        result = measure(layer, np.ascontiguousarray(images[:count]), draws, options.rounds)
        where = {"layer": layer, "num_images": count, "num_draws": draws}
        record["measurements"].append({**where, **result})
        ratios = {name: round(ratio(result, name), 2) for name in ("book", "call_a_draw")}
        sys.stdout.write(json.dumps({**where, "times_one_pass": ratios}) + "\n")
        sys.stdout.flush()
        if options.out:
            write_record(options.out, record)


if __name__ == "__main__":
    main(sys.argv[1:])
