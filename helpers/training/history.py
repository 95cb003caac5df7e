"""The history of a training as a table: the terms of the loss, step by step, layer by layer."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from .batches import BatchOrder, StreamOrder
from .elbo import elbo
from .loss_terms import LossTerms

VALIDATION = ("val_negative_log_likelihood", "val_log_predictive_density")


def history_table(
    rows: npt.NDArray[np.float64],
    terms: LossTerms,
    order: BatchOrder | StreamOrder,
    num_examples: int,
) -> pd.DataFrame:
    """Turn rows [steps, 1 + terms (+ 2)] (NLL, each term, validation) into a table.

    Parameters
    ----------
    rows
        What :meth:`~helpers.training.stepper.Stepper.take` returned, from the first step on, and
        beside it two columns of validation if there is one.
    terms
        Their names, and their weights in the loss.
    order
        Of the batches: it tells the epoch of each step.
    num_examples
        The number N of training examples.

    Returns
    -------
    pandas.DataFrame
        As :func:`~helpers.training.train.train_by_elbo` says.
    """
    nll, values, validation = np.split(rows, [1, 1 + len(terms.names)], axis=1)
    is_kl, weights = np.array(terms.is_kl), np.array(terms.weights)
    steps = np.arange(len(rows))
    kl = values[:, is_kl].sum(axis=1)
    penalty = values[:, ~is_kl] @ weights[~is_kl]
    columns = {
        "step": steps + 1,
        "epoch": steps // order.steps_per_epoch,
        "negative_log_likelihood": nll[:, 0],
        "kl": kl,
    }
    kls = (i for i, is_one in enumerate(terms.is_kl) if is_one)
    columns |= {f"kl {terms.names[i]}": values[:, i] for i in kls}
    columns |= {
        "penalty": penalty,
        "elbo": elbo(nll[:, 0], kl, num_examples) if is_kl.any() else np.nan,
        "loss": nll[:, 0] + terms.kl_weight * kl + penalty,
    }
    columns |= dict(zip(VALIDATION, validation.T, strict=False))
    return pd.DataFrame(columns)
