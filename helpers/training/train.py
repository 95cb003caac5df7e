"""Training a Bayesian network by its ELBO, with the history of both terms as a table.

Introduced in chapters/01-kl-formula.md, "The guess, term by term".
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import tensorflow as tf
import tf_keras

from ..model.checks import check_keras_version, check_number, check_whole
from ..model.outputs import remember_likelihood
from ..saving.autosave import saving_into
from .read_data import DataOptions
from .session import Session
from .stepper import Stepper
from .workers import Workers


def train_by_elbo(
    neural_net: tf_keras.Model,
    inputs: Any,
    targets: Any = None,
    *,
    likelihood: Any = None,
    num_epochs: int,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    kl_weight: float | None = None,
    optimizer: tf_keras.optimizers.Optimizer | None = None,
    seed: int = 0,
    num_draws: int = 1,
    jit_compile: bool | None = None,
    validation_data: Any = None,
    callbacks: Sequence[tf_keras.callbacks.Callback] | tf_keras.callbacks.Callback | None = (),
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    num_examples: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    save_every: float = 60.0,
    resume: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Minimise mean negative log-likelihood + ``kl_weight`` · KL, and return the history.

    With the default weight, 1/N, the loss is the negative ELBO divided by N. The log-likelihood of
    an example is the sum over everything that belongs to it: pixels, steps, columns, outputs. The
    KL is in nats, whatever the layers divide it by, and counts once.

    Interrupting it (Ctrl-C, or the stop button of a notebook) ends training after the step at hand
    and returns the history so far; the network keeps what it has learnt. A network that was built
    in the scope of a ``tf.distribute`` strategy is trained on all its devices, with the same result
    as on one; under ``MultiWorkerMirroredStrategy`` on all its machines: each runs the same program
    on the same data, and the folder lies on a disk that all of them share. Interrupting one stops
    all.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model with Bayesian layers, compiled or not.
    inputs, targets
        Data [examples, …]: arrays, lists, frames, tuples or dicts of them for several inputs and
        outputs. Or inputs alone, a ``tf.data.Dataset`` or Keras ``Sequence`` of (inputs,
        targets[, weights]): it is passed over once to count and check the examples, then once for
        each epoch, in its own order.
    likelihood
        What the targets are, given the outputs: a ``tf_keras`` loss or its name, a function
        (targets, outputs) ↦ negative log-likelihood of each example in nats, a function outputs ↦
        distribution, or one of these for each output, in a list or a dict. ``None`` means: the
        distribution that the network puts out, the compiled loss if it is a log-likelihood, or
        class numbers beside logits or probabilities; whatever else is asked for.
    num_epochs
        How often to pass over the data.
    batch_size
        B, at most the number of examples; the last batch of an epoch may be smaller. 128 if that is
        not more than there are.
    learning_rate
        Of a new Adam; 0.01 if neither it nor an optimizer is given and the network is not compiled.
    kl_weight
        Factor on the KL, in nats, beside the *mean* negative log-likelihood. ``None`` means 1/N.
    optimizer
        A ``tf_keras`` optimizer; ``None`` means that of a compiled network, if there is no
        ``learning_rate``. It does what it does under ``fit``: clipping, schedules, constraints of
        variables, averages (``use_ema``) that are the weights in the end. Pass the same one again
        to go on training, with another seed, so that the order and the draws are new.
    seed
        Of the order of the batches and of the draws. Both depend on it and on the number of the
        step alone, so that a run can be repeated, and resumed draw for draw.
    num_draws
        S, the draws of the weights that each step averages.
    jit_compile
        Whether XLA compiles the step: some seconds at the start, less time for each step, and
        other draws for the same seed. ``None`` means: when the training is long enough to pay, on
        one device, without loops in the graph, and without convolutions on a CPU.
    validation_data
        (inputs, targets[, weights]) or a dataset: measured at the end of each epoch, by draws of
        the weights.
    callbacks
        Of ``tf_keras``, one or several. They hear of the ends of epochs; those that act on each
        step slow it down. Not together with ``folder``: what they remember is in no checkpoint.
    sample_weight, class_weight
        Factors on the log-likelihood of each example or each prediction, in a dict or list of each
        output; or of the examples, or steps, of each class. A weight of 2 counts an example as if
        it stood in the data twice: the data then say as much, beside the KL, as the sum of the
        weights, and N stays the number of rows.
    num_examples
        N, where it is not the number of rows: of augmented data, the number without copies.
    folder
        Where to save the training every ``save_every`` seconds and at its end; ``None`` to save
        nothing. A checkpoint is never left half written.
    save_every
        Seconds between two checkpoints: the most that is lost when the process is killed.
    resume
        Whether to go on from the checkpoint in ``folder``, if there is one, to the same history as
        without a break. Pass all else as before; only ``num_epochs`` may grow. Of a dataset, the
        last pass is read again up to the step, and must be what it was.
    progress
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        A row per step: ``step``, ``epoch``, ``negative_log_likelihood`` (nats per example, of the
        batch), ``kl`` (nats, all layers), one column ``kl <layer>`` per layer (nats), ``penalty``
        (what regularisers, and −log p of weights that are one number each, add to the loss),
        ``elbo`` (nats, whole data set, estimated from the batch; NaN where ``losses`` holds no KL)
        and ``loss`` (what was minimised).
        With validation data, at the last step of each epoch, ``val_negative_log_likelihood`` (nats
        per example, mean over draws) and ``val_log_predictive_density`` (nats per example, of the
        draws' averaged density); NaN elsewhere.

    Raises
    ------
    TypeError
        If the network, the optimizer or a callback is not of ``tf_keras``, data are sparse, or the
        network was built under another strategy than those above.
    ValueError
        If nothing says what the outputs are, targets do not belong to outputs, data hold NaN or
        class numbers outside the classes, the batch is larger than the data, the network has no KL
        or one of unknown weight, the loss stops being finite or diverges, the folder holds the
        checkpoint of another training, or a network that is to be saved draws in a way that cannot
        be resumed.
    OSError
        If the folder cannot be written to; ``ConnectionError`` if another worker was lost, with the
        step that all of them, started again, can go on from.
    RuntimeError
        If another worker could not go on.
    """
    check_keras_version(neural_net)
    callbacks = [] if callbacks is None else tf.nest.flatten(callbacks)
    _check_saving(folder, save_every, resume, callbacks)
    optimizer = _optimizer(neural_net, optimizer, learning_rate)
    num_epochs, seed = check_whole("num_epochs", num_epochs, 0), check_whole("seed", seed, 0)
    options = DataOptions(likelihood, sample_weight, class_weight, num_examples)
    workers = Workers(neural_net.distribute_strategy)
    with workers.watched(lambda: "Start all of them again."), contextlib.ExitStack() as stack:
        with workers.together():
            saving = stack.enter_context(
                saving_into(folder, save_every, resume=resume, writes=workers.is_chief)
            )
            if jit_compile is None:  # the draws depend on it
                jit_compile = saving.saved_option("jit_compile")
            stepper = Stepper(
                neural_net,
                inputs,
                targets,
                batch_size=batch_size,
                num_epochs=num_epochs,
                optimizer=optimizer,
                seed=seed,
                kl_weight=kl_weight,
                num_draws=num_draws,
                jit_compile=jit_compile,
                options=options,
            )
            session = Session(stepper, validation_data, callbacks, saving)
        tf.random.set_seed(seed)
        rows = session.run(progress)
    remember_likelihood(neural_net, stepper.likelihood, likelihood)
    return session.table(rows)


def _optimizer(
    neural_net: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer | None,
    learning_rate: float | None,
) -> tf_keras.optimizers.Optimizer:
    """Return the optimizer that is given, or compiled, or a new Adam."""
    if optimizer is not None and learning_rate is not None:
        raise ValueError(
            "Both optimizer and learning_rate are given: pass the rate to the optimizer, "
            "tf_keras.optimizers.Adam(learning_rate)."
        )
    if optimizer is not None:
        return optimizer
    if learning_rate is not None:
        check_number("learning_rate", learning_rate, 0, math.inf, "a number above 0, say 0.01")
    compiled = getattr(neural_net, "optimizer", None)
    if compiled is not None and learning_rate is None:
        return compiled
    with neural_net.distribute_strategy.scope():
        return tf_keras.optimizers.Adam(0.01 if learning_rate is None else learning_rate)


def _check_saving(folder: Any, save_every: float, resume: bool, callbacks: Sequence[Any]) -> None:
    """Raise for wishes about saving that cannot be fulfilled.

    Raises
    ------
    ValueError
        If there is nothing to resume from, no time between two checkpoints, or callbacks whose
        memory no checkpoint holds.
    """
    if folder is None and resume:
        raise ValueError("resume=True needs a folder to go on from: pass folder= as well.")
    if folder is not None and not os.fspath(folder):
        raise ValueError('folder is "": pass the name of a folder, for instance "runs/first".')
    check_number("save_every", save_every, 0, math.inf, "seconds, for instance 60")
    if folder is not None and len(callbacks):
        raise ValueError(
            "callbacks and folder are given, but what a callback remembers (the patience of "
            "EarlyStopping, say) is in no checkpoint, so that a resumed training would be another "
            "one. Leave one of them out; a schedule of the learning rate belongs to the optimizer."
        )
