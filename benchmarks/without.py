"""Measure what each piece of the trainer brings: ``python -m benchmarks.without --help``.

Two processes of one program can differ by more than a piece brings, so the trainer and the trainer
without a piece train in turns in one process: in each round, some bursts of steps of each, in an
order of their own. The result file is of the format of the benchmark of training steps.
"""

import argparse
import contextlib
import functools
import pathlib
import random
import statistics
import sys
import time
from typing import Any, NamedTuple
from unittest import mock

import tensorflow as tf
import tensorflow_probability as tfp

import helpers.draws.noise
import helpers.training.stepper
import helpers.training.steps
from benchmarks.book_training import prepare_trainer
from benchmarks.one_process import Times, measurement, new_record, timed
from benchmarks.record import write_record
from benchmarks.work import Images, Labels, Run, Work, load_images


def keras_update(optimizer: Any, gradients: Any, variables: Any) -> None:
    """Move the variables by Keras' own operations, a dozen for each."""
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def normals_of_xla(bits: tf.Tensor) -> tf.Tensor:
    """Return N(0, 1) numbers by XLA's own inverse of the error function."""
    unit = (tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) + 0.5) * 2.0**-23
    return 2**0.5 * tf.math.erfinv(unit)


class Variant(NamedTuple):
    """A trainer: its layers, and the attribute of a module that something else stands in for."""

    title: str
    layer_class: type
    instead: tuple[Any, str, Any] | None = None


ONE_KERNEL = tfp.layers.DenseReparameterization
FLIPOUT = tfp.layers.DenseFlipout
STEPS, NOISE, STEPPER = helpers.training.steps, helpers.draws.noise, helpers.training.stepper
VARIANTS = {
    "book_trainer": Variant("the book's trainer", FLIPOUT),
    "book_trainer_reparameterization": Variant(
        "the book's trainer, DenseReparameterization", ONE_KERNEL
    ),
    "without_fused_adam": Variant(
        "without fused Adam", FLIPOUT, (STEPS, "apply_gradients", keras_update)
    ),
    "without_vector_softplus": Variant(
        "without softplus for vectors", FLIPOUT, (STEPS, "SUBSTITUTES", {})
    ),
    "without_vector_normals": Variant(
        "without normals for vectors", FLIPOUT, (NOISE, "normal_from_bits", normals_of_xla)
    ),
    "without_graph_loop": Variant(
        "without the loop in the graph", FLIPOUT, (STEPPER, "steps_per_call", lambda *_: 1)
    ),
    "without_kept_scales": Variant(
        "without scales kept (DenseReparameterization)", ONE_KERNEL, (STEPS, "KEPT", ())
    ),
}


class Prepared(NamedTuple):
    """A variant, compiled, with the seconds that took."""

    run: Run
    compile_seconds: float


def prepare(variant: Variant, work: Work, images: Images, labels: Labels) -> Prepared:
    """Set up a variant and take its first steps, which compile it."""
    start = time.perf_counter()
    stand_in = mock.patch.object(*variant.instead) if variant.instead else contextlib.nullcontext()
    with stand_in:
        run = prepare_trainer(
            work, images, labels, layer_class=variant.layer_class, jit_compile=True
        )
        run(2)
    return Prepared(run, time.perf_counter() - start)


def bursts(
    prepared: dict[str, Prepared], options: argparse.Namespace, order: random.Random
) -> dict[str, list[Times]]:
    """Return the times of a step in each burst of one round."""
    taken: dict[str, list[Times]] = {name: [] for name in prepared}
    for _ in range(options.bursts):
        for name in order.sample(list(prepared), len(prepared)):
            burst = functools.partial(prepared[name].run, options.steps)
            taken[name].append(timed(burst, options.steps))
    return taken


def parse_options(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bursts", type=int, default=15, help="of each variant in a round")
    parser.add_argument("--steps", type=int, default=25, help="in a burst")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mnist", help="the file mnist.npz of Keras")
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--out", type=pathlib.Path, help="result file")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Measure all variants and write the results after each round."""
    options, work = parse_options(arguments), Work()
    contenders = {name: {"title": it.title, "kind": "book"} for name, it in VARIANTS.items()}
    record = new_record("benchmarks.without", options, arguments, contenders)
    images, labels = load_images(options.mnist, options.examples)
    prepared = {name: prepare(it, work, images, labels) for name, it in VARIANTS.items()}
    order = random.Random(options.seed)
    for number in range(options.rounds):
        for name, times in bursts(prepared, options, order).items():
            where, seconds = (name, work, number), prepared[name].compile_seconds
            record["measurements"].append(measurement(where, images, times, seconds))
            middle = statistics.median(it.ms for it in times)
            sys.stdout.write(f"round {number + 1}: {name} {middle:.2f} ms per step\n")
            sys.stdout.flush()
        if options.out:
            write_record(options.out, record)


if __name__ == "__main__":
    main(sys.argv[1:])
