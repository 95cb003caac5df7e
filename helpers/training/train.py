"""Training a Bayesian network by its ELBO, with the history of both terms as a table."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tf_keras
import tqdm.auto

from ..draws.replay import has_loop, unrepeatable_operations
from ..losses.by_layer import loss_entries
from ..model.checks import check_images, check_keras_version, check_labels, check_optimizer
from ..saving.autosave import Autosave
from ..saving.checkpoint import load_checkpoint, lock_folder
from ..saving.same_run import describe_run, training_variables
from .batches import BatchOrder
from .devices import check_devices, compile_steps_for_devices
from .elbo import elbo
from .guard import check_finite, check_not_diverging
from .interrupt import deferred_interrupt
from .steps import Step, StepOptions, Steps, trace_step

Array = npt.NDArray[np.float64]
Batch = tuple[tf.TensorSpec, tf.TensorSpec]  # of images and labels

# XLA's compilation pays when training updates so many weights in all: weights × steps × draws.
UPDATES_THAT_PAY = 3e8
SECONDS_PER_CALL = 0.5  # so often Python looks after the bar, an interrupt and the checkpoint
BYTES_PER_CALL = 2**25  # of the images for the steps of one call
# What Python raises where a network takes the size of its batch, None, for a number.
ASKED_FOR_SIZE = (AssertionError, AttributeError, TypeError, ValueError)


class Training(NamedTuple):
    """What stays the same from the first step to the last; ``names`` are those of the entries."""

    neural_net: tf_keras.Model
    optimizer: tf_keras.optimizers.Optimizer
    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    order: BatchOrder
    kl_weight: float
    step: Step
    options: StepOptions
    names: list[str]


def train_by_elbo(
    neural_net: tf_keras.Model,
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    num_epochs: int,
    batch_size: int = 128,
    learning_rate: float = 0.01,
    kl_weight: float | None = None,
    optimizer: tf_keras.optimizers.Optimizer | None = None,
    seed: int = 0,
    num_draws: int = 1,
    jit_compile: bool | None = None,
    folder: str | os.PathLike[str] | None = None,
    save_every: float = 60.0,
    resume: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Minimise mean negative log-likelihood + ``kl_weight`` · KL, and return the history.

    With the default weight, 1/N, the loss is the negative ELBO divided by N. Interrupting it
    (Ctrl-C, or the stop button of a notebook) ends training after the step at hand and returns the
    history so far; the network keeps what it has learnt. A network that was built in the scope of a
    ``tf.distribute`` strategy is trained on all its devices, with the same result as on one.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model from images [batch, …] to logits [batch, classes].
    images, labels
        Training images [examples, …] and class numbers [examples].
    num_epochs
        How often to pass over the data.
    batch_size
        B, at most the number of examples; the last batch of an epoch may be smaller.
    learning_rate
        Of Adam; unused when ``optimizer`` is given.
    kl_weight
        Factor on the KL beside the *mean* negative log-likelihood. ``None`` means 1/N.
    optimizer
        A ``tf_keras`` optimizer; pass the same one again to go on training, with another seed, so
        that the order and the draws are new.
    seed
        Of the order of the batches and of the draws. Both depend on it and on the number of the
        step alone, so that a run can be repeated, and resumed draw for draw.
    num_draws
        S, the draws of the weights that each step averages.
    jit_compile
        Whether XLA compiles the step: some seconds at the start, less time for each step, and
        other draws for the same seed. ``None`` means: when the training is long enough to pay, on
        one device, without loops in the graph, and without convolutions on a CPU.
    folder
        Where to save the training every ``save_every`` seconds and at its end; ``None`` to save
        nothing. A checkpoint is never left half written.
    save_every
        Seconds between two checkpoints: the most that is lost when the process is killed.
    resume
        Whether to go on from the checkpoint in ``folder``, if there is one, to the same history as
        without a break. Pass all else as before; only ``num_epochs`` may grow.
    progress
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        A row per step: ``step``, ``epoch``, ``negative_log_likelihood`` (nats per example, of the
        batch), ``kl`` (nats, all layers), one column ``kl <layer>`` per layer (nats), ``elbo``
        (nats, whole data set, estimated from the batch) and ``loss`` (what was minimised).

    Raises
    ------
    TypeError
        If the network or the optimizer is not of ``tf_keras``.
    ValueError
        If the data hold NaN, labels lie outside the classes, the batch is larger than the data,
        the network has no KL, the loss stops being finite or diverges, the folder holds the
        checkpoint of another training, or a network that is to be saved draws in a way that cannot
        be resumed.
    OSError
        If the folder cannot be written to.
    """
    check_keras_version(neural_net)
    with neural_net.distribute_strategy.scope():
        images, labels = check_training_data(neural_net, images, labels, batch_size)
        optimizer = tf_keras.optimizers.Adam(learning_rate) if optimizer is None else optimizer
        check_optimizer(optimizer)
    kl_weight = 1.0 / len(images) if kl_weight is None else float(kl_weight)
    order = BatchOrder(len(images), batch_size, num_epochs, seed)
    step = trace_for_batches(neural_net, images, labels, batch_size, kl_weight)
    names = _entry_names(neural_net)  # of the trace: the first call may make more entries
    _check_repeatable(folder, step)
    if jit_compile is None:
        jit_compile = _chooses_xla(folder, resume, neural_net, step, order.num_steps * num_draws)
    options = StepOptions(num_draws, seed, jit_compile)
    check_devices(neural_net, order.batch_sizes, options)
    data = images, labels, order
    training = Training(neural_net, optimizer, *data, kl_weight, step, options, names)
    tf.random.set_seed(seed)
    with contextlib.nullcontext() if folder is None else lock_folder(folder):
        autosave = _autosave(training, folder, save_every)
        rows = autosave.restore(resume, 1 + len(names), order.num_steps)
        return _history(_take_steps(training, rows, autosave, progress), training)


def _chooses_xla(
    folder: str | os.PathLike[str] | None,
    resume: bool,
    neural_net: tf_keras.Model,
    step: Step,
    num_steps: int,
) -> bool:
    """Return whether XLA compiles: as in the saved training, since its draws depend on it.

    Not for draws that cannot come from outside, nor for loops, whose gradients XLA may refuse.
    """
    if checkpoint := load_checkpoint(folder) if folder is not None and resume else None:
        return bool(checkpoint.run["jit_compile"])
    if has_loop(step.traced) or unrepeatable_operations(step.traced):
        return False
    return pays_to_compile(neural_net, num_steps)


def pays_to_compile(neural_net: tf_keras.Model, num_steps: int) -> bool:
    """Whether XLA wins back the seconds of its compilation within so many steps and draws.

    Never on several devices, nor where a CPU convolves: there XLA is the slower one.
    """
    if neural_net.distribute_strategy.num_replicas_in_sync > 1:
        return False
    convolves = any(len(variable.shape) > 2 for variable in neural_net.trainable_variables)
    if convolves and not tf.config.list_physical_devices("GPU"):
        return False
    return neural_net.count_params() * num_steps >= UPDATES_THAT_PAY


def check_training_data(
    neural_net: tf_keras.Model, images: npt.ArrayLike, labels: npt.ArrayLike, batch_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return images and labels as arrays, after calling the network once on the first image.

    Raises
    ------
    TypeError, ValueError
        As :func:`train_by_elbo` says.
    """
    check_keras_version(neural_net)
    images = check_images(images)
    logits = neural_net(images[:1])
    if len(logits.shape) != 2:
        raise ValueError(
            f"The network maps one image to shape {tuple(logits.shape)}: it must give logits of "
            "shape (1, classes). Flatten before the last layer."
        )
    labels = check_labels(labels, len(images), int(logits.shape[1]))
    if not 1 <= batch_size <= len(images):
        raise ValueError(
            f"batch_size is {batch_size}, but there are {len(images)} training examples: "
            f"choose a batch size from 1 to {len(images)}."
        )
    if not neural_net.losses:
        raise ValueError(
            "The network has no entry in losses, so this would be maximum likelihood, not an ELBO. "
            "Use TFP's layers with their prior and divergence left in place."
        )
    return images, labels


def _check_repeatable(folder: str | os.PathLike[str] | None, step: Step) -> None:
    """Raise if a training that is to be saved draws numbers that it could not draw again."""
    if folder is None:
        return
    if names := unrepeatable_operations(step.traced):
        raise ValueError(
            f"The operation {names[0]} draws from a state of TensorFlow that no checkpoint holds, "
            "so a training of this network cannot be resumed draw for draw. Train it without "
            "folder, or draw by tf.random.normal or tf.random.uniform, outside of loops."
        )


def trace_for_batches(
    neural_net: tf_keras.Model,
    images: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    batch_size: int,
    kl_weight: float,
) -> Step:
    """Return the step, traced for batches of any size; of this one if the network asks for it."""
    try:
        return trace_step(neural_net, _batch(images, labels, None), kl_weight)
    except ASKED_FOR_SIZE:  # any other mistake shows again with the size
        pass
    return trace_step(neural_net, _batch(images, labels, batch_size), kl_weight)


def _batch(
    images: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], size: int | None
) -> Batch:
    """Return shape and type of a batch of images and of its labels, ``None`` for any size."""
    return (
        tf.TensorSpec([size, *images.shape[1:]], images.dtype),
        tf.TensorSpec([size], labels.dtype),
    )


def _autosave(
    training: Training, folder: str | os.PathLike[str] | None, save_every: float
) -> Autosave:
    """Return what saves this training."""
    neural_net, optimizer, images, labels, order, kl_weight, _, options, _ = training
    with neural_net.distribute_strategy.scope():
        variables = training_variables(neural_net, optimizer)
    run = (
        {}
        if folder is None
        else describe_run(
            neural_net,
            optimizer,
            images,
            labels,
            batch_size=order.batch_size,
            kl_weight=kl_weight,
            **options._asdict(),
        )
    )
    return Autosave(folder, save_every, variables, run)


def _take_steps(training: Training, rows: Array, autosave: Autosave, progress: bool) -> Array:
    """Take the steps that are still to be taken, and return the history of all [steps, columns]."""
    order, steps_of = training.order, _compiler(training)
    most = 1
    # Without `disable` the bar shows in notebooks too, and TQDM_DISABLE=1 switches it off.
    options = {} if progress else {"disable": True}
    bar = tqdm.auto.tqdm(total=order.num_steps, initial=len(rows), unit="step", **options)
    with bar, deferred_interrupt() as is_stopped:
        while len(rows) < order.num_steps and not is_stopped():
            start, before = time.perf_counter(), len(rows)
            images, labels = _copy_batches(training, before, most)
            new = steps_of(labels.shape[1])(images, labels, tf.constant(before, tf.int64))
            rows = np.concatenate([rows, new.numpy()])
            check_finite(rows, training.names, training.neural_net)
            check_not_diverging(rows, training.kl_weight)
            autosave.save_if_due(rows)
            most = _steps_per_call(time.perf_counter() - start, len(rows) - before)
            bar.update(len(rows) - before)
            bar.set_postfix(nll=f"{rows[-1, 0]:.3f}", kl=f"{rows[-1, 1:].sum():.0f}")
        autosave.save(rows)
    if len(rows) < order.num_steps:
        bar.write(f"Stopped after {len(rows)} steps; the history so far is returned.")
    return rows


def _copy_batches(training: Training, first: int, most: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return images and labels [steps, batch, …] of up to ``most`` steps from ``first`` on.

    Only these are copied, not all images: memory is dearer than the copying.
    """
    limit = max(1, BYTES_PER_CALL // training.images[: training.order.batch_size].nbytes)
    rows = training.order.rows(first, min(most, limit))
    return tf.constant(training.images[rows]), tf.constant(training.labels[rows])


def _compiler(training: Training) -> Callable[[int], Steps]:
    """Return batch size ↦ its compiled steps, each compiled when it is first asked for."""
    neural_net, optimizer, images, labels, order, kl_weight, step, options, _ = training
    is_alone = neural_net.distribute_strategy.num_replicas_in_sync == 1

    @functools.cache
    def compiled(size: int | None, jit_compile: bool) -> Steps:
        batch = _batch(images, labels, size)
        same = step if step.batch == batch else trace_step(neural_net, batch, kl_weight)
        chosen = options._replace(jit_compile=jit_compile)
        return compile_steps_for_devices(neural_net, same, kl_weight, optimizer, chosen)

    def steps_of(size: int) -> Steps:
        # One small batch an epoch does not win back a compilation by XLA.
        jit_compile = options.jit_compile and size == order.batch_size
        takes_any = step.batch[0].shape[0] is None and is_alone and not jit_compile
        return compiled(None if takes_any else size, jit_compile)

    return steps_of


def _steps_per_call(seconds: float, num_steps: int) -> int:
    """Return how many steps to take in the next call, from the time of the last one."""
    return max(1, int(num_steps * SECONDS_PER_CALL / max(seconds, 1e-6)))


def _history(rows: Array, training: Training) -> pd.DataFrame:
    """Turn the rows (NLL, KL of each entry) into the table that is returned."""
    names = [f"kl {name}" for name in training.names]
    history = pd.DataFrame(rows, columns=["negative_log_likelihood", *names])
    kl = history[names].sum(axis=1)
    steps = np.arange(len(rows))
    history.insert(0, "step", steps + 1)
    history.insert(1, "epoch", steps // training.order.steps_per_epoch)
    history.insert(3, "kl", kl)
    nll = history["negative_log_likelihood"]
    history["elbo"] = elbo(nll, kl, len(training.images))
    history["loss"] = nll + training.kl_weight * kl
    return history


def _entry_names(neural_net: tf_keras.Model) -> list[str]:
    """Name each entry of ``losses`` after its layer; part and number are added against clashes."""
    entries = loss_entries(neural_net)
    names = [entry.layer.name for entry in entries]
    names = [
        name if names.count(name) == 1 else f"{name} {entry.part}"
        for name, entry in zip(names, entries, strict=True)
    ]
    return [
        name if names.count(name) == 1 else f"{name} {names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]
