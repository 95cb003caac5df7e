"""The history of a training as a table: both terms of the loss, step by step, layer by layer."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import tf_keras

from ..model.loss_entries import loss_entries
from .batches import BatchOrder
from .elbo import elbo


def entry_names(neural_net: tf_keras.Model) -> list[str]:
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


def history_table(
    rows: npt.NDArray[np.float64], names: Sequence[str], order: BatchOrder, kl_weight: float
) -> pd.DataFrame:
    """Turn rows [steps, 1 + entries] (NLL, then the KL of each entry, nats) into a table.

    Parameters
    ----------
    rows
        What :meth:`~helpers.training.stepper.Stepper.take` returned, from the first step on.
    names
        Of the entries.
    order
        Of the batches: it tells N, and the epoch of each step.
    kl_weight
        Factor on the KL in what was minimised.

    Returns
    -------
    pandas.DataFrame
        As :func:`~helpers.training.train.train_by_elbo` says.
    """
    columns = [f"kl {name}" for name in names]
    history = pd.DataFrame(rows, columns=["negative_log_likelihood", *columns])
    kl = history[columns].sum(axis=1)
    steps = np.arange(len(rows))
    history.insert(0, "step", steps + 1)
    history.insert(1, "epoch", steps // order.steps_per_epoch)
    history.insert(3, "kl", kl)
    nll = history["negative_log_likelihood"]
    history["elbo"] = elbo(nll, kl, order.num_examples)
    history["loss"] = nll + kl_weight * kl
    return history
