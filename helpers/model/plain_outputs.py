"""Outputs of which nothing is said: told by activation and targets, or asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .activations import are_probabilities
from .likelihood import Likelihood, bernoulli, categorical, one_hot, squeezed
from .loss_fit import YES_NO

LOGITS = "likelihood=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
ONE_HOT = "likelihood=tf_keras.losses.CategoricalCrossentropy(from_logits=True)"
VALUES = "likelihood=lambda outputs: tfd.Normal(outputs, noise)"


def of_plain_tensor(outputs: Any, targets: Any, activation: str, before: Any) -> Likelihood:
    """Return the likelihood of outputs of which nothing is said.

    Raises
    ------
    ValueError
        If they can be taken in more than one way.
    """
    array = np.asarray(tf.convert_to_tensor(outputs))
    if are_probabilities(array):
        is_row = targets is not None and tuple(targets.shape) == array.shape
        return one_hot(from_logits=False) if is_row else categorical(from_logits=False)
    if activation == "sigmoid" and (targets is None or _are_zeros_and_ones(targets)):
        return bernoulli(from_logits=False)
    if before is not None:
        found: Likelihood = before
        return found
    if targets is not None and _are_class_numbers(targets, array):
        return categorical(from_logits=True)
    raise ValueError(_ask(array, targets))


def _are_zeros_and_ones(targets: Any) -> bool:
    return bool(np.isin(np.asarray(targets), (0, 1)).all())


def _are_class_numbers(targets: Any, outputs: Any) -> bool:
    """Whether whole numbers, of a type of whole numbers, stand beside two or more columns."""
    labels = squeezed(targets, outputs.ndim - 1)
    whole = labels.dtype.is_integer or labels.dtype.is_bool
    return bool(whole and outputs.shape[-1] > 1 and tuple(labels.shape) == outputs.shape[:-1])


def _ask(outputs: Any, targets: Any) -> str:
    """Return the question that the reader must answer, with what to write."""
    shape = ", ".join(map(str, ("batch", *outputs.shape[1:])))
    start = f"The network puts out numbers of shape ({shape}), and nothing says what they are. "
    if targets is None:
        return (
            f"{start}Pass {LOGITS} if they are logits of classes, {YES_NO} if logits of yes or no, "
            f"{VALUES} if they are values (with a noise that you know or learn)."
        )
    array = np.asarray(targets)
    if array.dtype.kind in "OUS":
        return (
            "targets are words: make them numbers, np.unique(targets, return_inverse=True)[1], or "
            "pass likelihood=."
        )
    if array.shape == outputs.shape and outputs.shape[-1] > 1 and _are_zeros_and_ones(array):
        return (
            f"{start}The targets are rows of 0 and 1. Pass {ONE_HOT} if each row is one class, "
            f"{YES_NO} if each column is a yes or no of its own."
        )
    if _are_zeros_and_ones(array) and outputs.shape[-1] == 1:
        return (
            f"{start}The targets are 0 and 1. Pass {YES_NO} if the outputs are logits of yes or no,"
            f" {VALUES} if they are values."
        )
    if array.dtype.kind in "biu" and outputs.shape[-1] > 1:
        places = ", ".join(map(str, ("batch", *outputs.shape[1:-1])))
        return (
            f"{start}The targets are whole numbers of shape {array.shape}. Class numbers would be "
            f"of shape ({places}), one for each prediction: flatten before the last layer, or pass "
            "targets of that shape; else say what they are, with likelihood=."
        )
    if array.dtype.kind == "f" and np.all(array == np.floor(array)) and outputs.shape[-1] > 1:
        return (
            f"{start}The targets are whole numbers of a floating type. If they are class numbers, "
            f"pass targets.astype(int), or {LOGITS}; if they are values, {VALUES}."
        )
    return (
        f"{start}For values the noise must be known: end the network with "
        "tfpl.DistributionLambda(lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus("
        f"t[..., 1:]))), or pass {VALUES}."
    )
