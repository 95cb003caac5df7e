"""Training a Bayesian network by its ELBO, with the history of both terms as a table.

Introduced in chapters/01-kl-formula.md, "The guess, term by term".
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tf_keras
import tqdm.auto

from ..model.checks import check_keras_version
from ..saving.autosave import Saving, saving_into
from ..saving.same_run import describe_run, training_variables
from .guard import check_finite, check_not_diverging
from .history import history_table
from .interrupt import deferred_interrupt
from .stepper import Stepper

Array = npt.NDArray[np.float64]


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
    if optimizer is None:
        with neural_net.distribute_strategy.scope():
            optimizer = tf_keras.optimizers.Adam(learning_rate)
    with saving_into(folder, save_every, resume=resume) as saving:
        if jit_compile is None:  # the draws depend on it
            jit_compile = saving.saved_option("jit_compile")
        stepper = Stepper(
            neural_net,
            images,
            labels,
            batch_size=batch_size,
            num_epochs=num_epochs,
            optimizer=optimizer,
            seed=seed,
            kl_weight=kl_weight,
            num_draws=num_draws,
            jit_compile=jit_compile,
        )
        saving.check_repeatable(stepper.unrepeatable)
        tf.random.set_seed(seed)
        rows = _take_steps(stepper, _restore(stepper, saving), saving, progress)
    return history_table(rows, stepper.entries, stepper.order, stepper.kl_weight)


def _restore(stepper: Stepper, saving: Saving) -> Array:
    """Set network and optimizer as they were saved; return the history so far [steps, columns]."""
    neural_net, optimizer, order = stepper.neural_net, stepper.optimizer, stepper.order
    with neural_net.distribute_strategy.scope():
        variables = training_variables(neural_net, optimizer)

    def describe() -> dict[str, Any]:
        return describe_run(
            neural_net,
            optimizer,
            stepper.images,
            stepper.labels,
            batch_size=order.batch_size,
            kl_weight=stepper.kl_weight,
            **stepper.options._asdict(),
        )

    return saving.restore(variables, describe, 1 + len(stepper.entries), order.num_steps)


def _take_steps(stepper: Stepper, rows: Array, saving: Saving, progress: bool) -> Array:
    """Take the steps that are still to be taken, and return the history of all [steps, columns]."""
    num_steps = stepper.order.num_steps
    # Without `disable` the bar shows in notebooks too, and TQDM_DISABLE=1 switches it off.
    options = {} if progress else {"disable": True}
    bar = tqdm.auto.tqdm(total=num_steps, initial=len(rows), unit="step", **options)
    with bar, deferred_interrupt() as is_stopped:
        for new in stepper.run(len(rows), num_steps):
            rows = np.concatenate([rows, new])
            check_finite(rows, stepper.entries, stepper.neural_net)
            check_not_diverging(rows, stepper.kl_weight)
            saving.save_if_due(rows)
            bar.update(len(new))
            bar.set_postfix(nll=f"{rows[-1, 0]:.3f}", kl=f"{rows[-1, 1:].sum():.0f}")
            if is_stopped():
                break
        saving.save(rows)
    if len(rows) < num_steps:
        bar.write(f"Stopped after {len(rows)} steps; the history so far is returned.")
    return rows
