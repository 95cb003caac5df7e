"""The book's trainer as a contender: layers as a reader writes them, steps of the trainer."""

import time
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.tfp_networks import network, shaped
from benchmarks.work import Images, Labels, Run, Work
from helpers.saving.same_run import training_variables
from helpers.training import train as training
from helpers.training.batches import BatchOrder
from helpers.training.steps import StepOptions

EPOCHS = 10  # of the training that a reader asks for; the trainer decides by it whether XLA pays


def prepare_trainer(
    work: Work,
    images: Images,
    labels: Labels,
    *,
    layer_class: type = tfp.layers.DenseFlipout,
    jit_compile: bool | None = None,
) -> Run:
    """Return a run of the book's trainer on a network of one class of layers.

    ``jit_compile`` is the trainer's: ``None`` leaves the choice to it.
    """
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = network(work, layer_class)
    optimizer = tf_keras.optimizers.Adam(work.learning_rate)
    images, labels = training.check_training_data(
        neural_net, shaped(images, work), labels, work.batch_size
    )
    training_variables(neural_net, optimizer)  # builds the optimizer
    order = BatchOrder(len(images), work.batch_size, EPOCHS, work.seed)
    if jit_compile is None:
        jit_compile = training.pays_to_compile(neural_net, order.num_steps * work.num_draws)
    kl_weight = 1 / len(images)
    step = training.trace_for_batches(neural_net, images, labels, work.batch_size, kl_weight)
    options = StepOptions(work.num_draws, work.seed, jit_compile)
    given = neural_net, optimizer, images, labels, order, kl_weight, step, options
    return _continued(training.Training(*given, names=[]))


def _continued(whole: training.Training) -> Run:
    """Return a run of so many more steps, by the program that was compiled in the first.

    This is the loop of ``train_by_elbo``, which compiles anew at each call, so that a call could
    not be timed in its steady state. It is the one place that knows the trainer's inside.
    """
    steps_of, taken, most = training._compiler(whole), 0, 1
    next_most = training._steps_per_call

    def steps(first: int, most: int) -> Any:
        images, labels = training._copy_batches(whole, first, most)
        return steps_of(labels.shape[1])(images, labels, tf.constant(first, tf.int64)).numpy()

    # The smaller batch at the end of an epoch compiles too: now, not in the middle of a timed run.
    steps(whole.order.steps_per_epoch - 1, 1)

    def run(num_steps: int) -> float:
        nonlocal taken, most
        goal, rows = taken + num_steps, np.empty((1, 2))
        while taken < goal:
            start = time.perf_counter()
            rows = steps(taken, min(most, goal - taken))
            taken += len(rows)
            most = next_most(time.perf_counter() - start, len(rows))
        return float(rows[-1, 0] + whole.kl_weight * rows[-1, 1:].sum())

    return run
