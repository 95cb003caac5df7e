"""Whether targets are what a likelihood describes: class numbers in range, 0 and 1, counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .families import family_of, probabilities_of
from .likelihood import AnyLikelihood, Likelihood, flatten_heads

Array = npt.NDArray[Any]


def check_targets(likelihood: AnyLikelihood, targets: Sequence[Any], outputs: Any) -> None:
    """Raise unless the targets of all examples are what the likelihood describes.

    Parameters
    ----------
    likelihood
        Of the outputs.
    targets
        One array [examples, …] for each head.
    outputs
        Of a few examples: their shape is compared.

    Raises
    ------
    ValueError
        What is wrong with which target, and what to pass.
    """
    for head, array, output in zip(likelihood.flat, targets, flatten_heads(outputs), strict=True):
        _check_head(head, np.asarray(array), output)


def _check_head(head: Likelihood, targets: Array, outputs: Any) -> None:
    kind, shape = _described(head, outputs)
    if kind in ("function", "values"):
        return  # of the reader's own: log_prob itself is asked
    if targets.dtype.kind not in "biuf":
        raise ValueError(
            "targets must be numbers. Names of classes become numbers with "
            "np.unique(targets, return_inverse=True)[1]."
        )
    if kind == "classes":
        check_class_numbers(targets, shape, head.ignored)
    elif kind == "one-hot":
        _check_rows(targets, shape)
    elif kind == "yes or no":
        _check_range(targets, "0 or 1, or shares between them", targets >= 0, targets <= 1)
    else:
        whole = targets == np.floor(targets)
        _check_range(targets, "counts: whole numbers of at least 0", targets >= 0, whole)


def _described(head: Likelihood, outputs: Any) -> tuple[str, tuple[int, ...]]:
    """Return what the targets are, and for classes the shape (…, classes) of one example."""
    if head.kind == "function":
        return head.kind, ()
    if head.kind != "distribution" or head.distribution is None:
        return head.kind, tuple(tf.convert_to_tensor(outputs).shape)[1:]
    distribution = head.distribution(outputs)
    family = family_of(distribution)
    has_classes = family in ("classes", "one-hot")
    return family, tuple(probabilities_of(distribution).shape)[1:] if has_classes else ()


def check_class_numbers(targets: Array, shape: tuple[int, ...], ignored: int | None = None) -> None:
    """Raise unless targets [examples, …] are class numbers for outputs [examples, …, classes].

    Raises
    ------
    ValueError
        If they have another shape, are no whole numbers, or lie outside the classes.
    """
    *places, num_classes = shape
    if targets.shape[1:] not in (tuple(places), (*places, 1)):
        wanted = f"(examples{''.join(f', {n}' for n in places)}{',' if not places else ''})"
        raise ValueError(
            f"targets have shape {targets.shape}: pass one class number for each prediction, shape "
            f"{wanted}. For one-hot rows use targets.argmax(axis=-1)."
        )
    if not np.all(targets == np.floor(targets)):
        raise ValueError(
            "targets must be whole numbers, the index of each class. Names of classes become "
            "numbers with np.unique(targets, return_inverse=True)[1]."
        )
    outside = (targets < 0) | (targets >= num_classes)
    if ignored is not None:
        outside &= targets != ignored
    if np.any(outside):
        place = tuple(int(x) for x in np.argwhere(outside)[0])
        raise ValueError(
            f"targets[{', '.join(map(str, place))}] is {targets[place]}, but the network has "
            f"{num_classes} outputs, so class numbers must lie in 0 … {num_classes - 1}. Give the "
            "last layer one unit for each class, and count the classes from 0."
        )


def _check_rows(targets: Array, shape: tuple[int, ...]) -> None:
    """Raise unless targets are one-hot rows, or shares that sum to 1."""
    if targets.shape[1:] != shape:
        raise ValueError(
            f"targets have shape {targets.shape}, but the loss takes one-hot rows, shape "
            f"(examples, {', '.join(map(str, shape))}): pass tf.one_hot(targets, {shape[-1]}), or "
            "use SparseCategoricalCrossentropy for class numbers."
        )
    if np.any(targets < 0) or not np.allclose(targets.sum(axis=-1), 1, atol=1e-4):
        raise ValueError(
            "Each row of targets must hold one 1 and zeros, or shares that sum to 1. For several "
            "yes or no in a row use BinaryCrossentropy."
        )


def _check_range(targets: Array, what: str, *conditions: Array) -> None:
    wrong = ~np.logical_and.reduce(conditions)
    if np.any(wrong):
        place = tuple(int(x) for x in np.argwhere(wrong)[0])
        raise ValueError(
            f"targets[{', '.join(map(str, place))}] is {targets[place]}: the likelihood describes "
            f"{what}."
        )
