"""How much each example counts: ``sample_weight`` and ``class_weight``, one for each head.

Both multiply the log-likelihood of what belongs to an example, and never the KL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_probability as tfp

from ..model.checks import check_number
from ..model.likelihood import Likelihood, flatten_heads, plain_distribution
from .negative_elbo import Understood

tfd = tfp.distributions
Array = npt.NDArray[Any]

MOST_NAMED = 5  # of classes without a weight
WORDS = "pass sample_weight= instead, computed by you from the targets"


def check_weights(weights: Any, place: tuple[int, ...]) -> None:
    """Raise unless there is a weight for each example, or for each prediction.

    Parameters
    ----------
    weights
        Of some examples, for one head.
    place
        Shape of its predictions for one example.

    Raises
    ------
    ValueError
        If they have another shape, or one is below 0.
    """
    weights = np.asarray(weights)
    if weights.dtype.kind not in "biuf" or np.any(weights < 0):
        raise ValueError(
            "sample_weight must be numbers of at least 0: how many times an example counts."
        )
    rest = weights.shape[1:]
    if rest not in {(), (1,), place, (*place, 1)}:
        shape = ", ".join(map(str, ("examples", *place)))
        each = f", or one for each prediction, shape ({shape})" if place else ""
        raise ValueError(
            f"sample_weight has shape {weights.shape}: pass one weight for each example, shape "
            f"(examples,){each}."
        )


def times_class_weight(
    weights: Any, targets: list[Any], class_weight: Mapping[int, float], understood: Understood
) -> Array:
    """Return the weights of the examples, or of their predictions, times those of their classes.

    Parameters
    ----------
    weights
        Checked sample weights, ``None`` for none.
    targets
        Of each head.
    class_weight
        Class number ↦ weight.
    understood
        What the network puts out.

    Raises
    ------
    ValueError
        If there are several heads, the targets are no classes, or a class has no weight.
    """
    for factor in class_weight.values():
        check_number("a class_weight", factor, 0, np.inf, "how many times an example counts")
    if len(targets) != 1:
        raise ValueError("class_weight is of one output: pass sample_weight for several outputs.")
    (head,), (place,) = understood.likelihood.flat, understood.places
    (output,) = flatten_heads(understood.outputs)
    labels = _labels(np.asarray(targets[0]), head, output, place)
    ignored = labels == head.ignored if head.ignored is not None else np.zeros(labels.shape, bool)
    missing = [it for it in np.unique(labels[~ignored]).tolist() if it not in class_weight]
    if missing:
        named = ", ".join(f"{it:g}" for it in missing[:MOST_NAMED])
        more = " and others" if len(missing) > MOST_NAMED else ""
        raise ValueError(
            f"class_weight needs a weight for each class of the targets: {named}{more} have none."
        )
    factors = np.ones(labels.shape, np.float32)
    for label, factor in class_weight.items():
        factors[(labels == label) & ~ignored] = factor
    if weights is None:
        return factors
    weights = np.asarray(weights, np.float32)
    rest = labels.shape[1:] if weights.size == labels.size else (1,) * (labels.ndim - 1)
    return weights.reshape(len(weights), *rest) * factors


def _labels(targets: Array, head: Likelihood, output: Any, place: tuple[int, ...]) -> Array:
    """Return the class of each prediction [examples, *place].

    Raises
    ------
    ValueError
        If the targets are no classes.
    """
    if targets.dtype.kind not in "biuf":
        raise ValueError(f"class_weight is given, but the targets are words: {WORDS}.")
    one_for_each = (len(targets), *place)
    if _has_rows(head, output, targets, place):
        if not (np.isin(targets, (0, 1)).all() and (targets.sum(axis=-1) == 1).all()):
            raise ValueError(
                "class_weight is given, but the targets are rows that are not one-hot, so that an "
                f"example has no one class: {WORDS}."
            )
        return targets.argmax(axis=-1)
    is_class = place in {(), (1,)} or _has_classes(head, output)
    if not is_class or targets.size != np.prod(one_for_each):
        raise ValueError(
            f"class_weight is given, but the targets, of shape {targets.shape}, are not one class "
            f"for each example or each step: {WORDS}."
        )
    return targets.reshape(one_for_each)


def _has_rows(head: Likelihood, output: Any, targets: Array, place: tuple[int, ...]) -> bool:
    """Whether a row of the targets is one class, as one-hot rows are."""
    if head.kind == "function":
        return targets.ndim == len(place) + 2 and targets.shape[-1] > 1
    made = plain_distribution(output) if head.kind == "distribution" else None
    return head.kind == "one-hot" or isinstance(
        made, (tfd.OneHotCategorical, tfd.RelaxedOneHotCategorical)
    )


def _has_classes(head: Likelihood, output: Any) -> bool:
    """Whether each prediction is of one class among several."""
    made = plain_distribution(output) if head.kind == "distribution" else None
    return head.kind == "classes" or isinstance(made, tfd.Categorical)
