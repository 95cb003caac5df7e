"""Whether a loss fits the outputs: logits, probabilities, rates, or a distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .activations import are_probabilities
from .kept_logits import squash_of
from .keras_losses import likelihood_of_loss, loss_name
from .likelihood import Likelihood

tfd = tfp.distributions

SQUASHED = ("classes", "one-hot", "yes or no")
YES_NO = "likelihood=tf_keras.losses.BinaryCrossentropy(from_logits=True)"


def likelihood_beside(outputs: Any, loss: Any, activation: str) -> Likelihood:
    """Return the likelihood that a loss of Keras is beside these outputs, once it fits them.

    A softmax or sigmoid whose logits are kept is undone by Keras, whatever ``from_logits`` says.

    Parameters
    ----------
    outputs, loss
        What the network puts out for a few examples, and a name or an object of Keras.
    activation
        What made the outputs, as for :func:`check_fit`.

    Raises
    ------
    ValueError
        If the loss is no log-likelihood, or takes other outputs.
    """
    found = likelihood_of_loss(loss)
    undone = "sigmoid" if found.kind == "yes or no" else "softmax"
    if found.kind in SQUASHED and tf.is_tensor(outputs) and squash_of(outputs) == undone:
        found = likelihood_of_loss(loss, from_logits=False)
    check_fit(found, outputs, loss, activation)
    return found


def check_fit(found: Likelihood, outputs: Any, said: Any, activation: str | None = None) -> None:
    """Raise if the outputs are not of the kind that a likelihood takes.

    Parameters
    ----------
    found, outputs
        The likelihood, and what the network puts out for a few examples.
    said
        What the reader wrote for it.
    activation
        What made the outputs: "linear" for nothing, "" if that is not known; ``None`` to judge by
        the numbers alone.

    Raises
    ------
    ValueError
        If a distribution is taken for numbers, logits for probabilities, or probabilities for
        logits.
    """
    if isinstance(outputs, tfd.Distribution):
        raise ValueError(  # noqa: TRY004 (the reader passed a loss, not a wrong type)
            "The network puts out a distribution, of which a loss of Keras would compare a draw "
            "with the targets. Leave likelihood out: its own log_prob is used."
        )
    name, array = loss_name(said) or str(said), np.asarray(tf.convert_to_tensor(outputs))
    takes_logits = "logits" in found.description
    if found.kind in ("classes", "one-hot"):
        _check_classes(array, name, activation, takes_logits=takes_logits)
    if found.kind == "yes or no" and activation == "softmax":
        raise ValueError(
            f"{name} beside a softmax is no likelihood: Keras takes what goes into the softmax for "
            "logits of yes or no, column by column. Give the last layer a sigmoid, or, for one "
            "class of several, take categorical_crossentropy (class numbers: "
            "sparse_categorical_crossentropy)."
        )
    if found.kind == "yes or no":
        inside = bool(np.all((array >= 0) & (array <= 1)))
        if not takes_logits and not (inside and activation != "linear"):
            raise ValueError(
                f"{name} takes the outputs for probabilities (from_logits=False), but "
                f"{'nothing keeps them in' if inside else 'they leave'} [0, 1]. For logits pass "
                f"{YES_NO}, or give the last layer a sigmoid."
            )
        if takes_logits and activation == "sigmoid":
            raise ValueError(_squashed_twice(name, "sigmoid"))
        if takes_logits and activation == "" and np.all((array > 0) & (array < 1)):
            raise ValueError(
                f"{name} takes the outputs for logits (from_logits=True), but all of them lie "
                "between 0 and 1, as probabilities do, and the last layer does not say what they "
                "are. Pass likelihood=lambda outputs: tfd.Bernoulli(logits=outputs), or "
                "probs=outputs."
            )
    if found.kind == "counts" and (np.any(array <= 0) or activation == "linear"):
        raise ValueError(
            "poisson takes the outputs for rates, but nothing keeps them above 0: give the last "
            'layer activation="softplus", or pass likelihood=lambda outputs: tfd.Poisson('
            "log_rate=outputs)."
        )


def _check_classes(array: Any, name: str, activation: str | None, *, takes_logits: bool) -> None:
    if array.ndim < 2 or array.shape[-1] < 2:
        raise ValueError(
            f"{name} needs an output for each class, but there is one: for yes or no pass {YES_NO}"
            ", or give the last layer one unit for each class."
        )
    if takes_logits and (activation == "softmax" or are_probabilities(array)):
        raise ValueError(_squashed_twice(name, "softmax"))
    if takes_logits and activation == "sigmoid":
        raise ValueError(
            f"The outputs end in a sigmoid, column by column, but {name} takes them for logits of "
            "one class of several: leave out the sigmoid, or, for yes or no in each column, take "
            "binary_crossentropy."
        )
    if not takes_logits and not are_probabilities(array):
        raise ValueError(
            f"{name} takes the outputs for probabilities (from_logits=False), but they do not sum "
            "to 1. If they are logits, say so: SparseCategoricalCrossentropy(from_logits=True) for "
            "class numbers, CategoricalCrossentropy(from_logits=True) for one-hot rows."
        )


def _squashed_twice(name: str, squash: str) -> str:
    return (
        f"The outputs are probabilities already, and {name} with from_logits=True would apply "
        f"{squash} once more: leave out from_logits=True, or the {squash} of the last layer."
    )
