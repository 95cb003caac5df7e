"""Means and variances of what a network's distributions describe, or why there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow_probability as tfp

from ..model.families import family_of, probabilities_of

tfd = tfp.distributions

Array = npt.NDArray[np.float64]


def means(distribution: Any) -> Array:
    """Return the probabilities [rows, …, classes] of classes, else the means [rows, …].

    Raises
    ------
    ValueError
        If the distribution has no mean.
    """
    if family_of(distribution) in ("classes", "one-hot"):
        return np.asarray(probabilities_of(distribution), np.float64)
    return _moment(distribution, "mean")


def variances(distribution: Any) -> Array:
    """Return the variances [rows, …] of values.

    Raises
    ------
    ValueError
        If the distribution has no variance.
    """
    if isinstance(distribution, tfd.Independent):
        return variances(distribution.distribution)
    mixed = _mixture(distribution)
    if mixed is None:
        # Its square in float64: that of a float32 overflows beyond 1e19, and is 0 below 1e-23.
        return np.square(_moment(distribution, "stddev"))
    shares, parts = mixed
    centres, within = _moment(parts, "mean"), np.square(_moment(parts, "stddev"))
    shares = np.broadcast_to(shares, parts.batch_shape)
    shares = shares.reshape(*shares.shape, *(1,) * (centres.ndim - shares.ndim))
    axis = len(parts.batch_shape) - 1
    middle = np.sum(shares * centres, axis=axis, keepdims=True)
    spread: Array = np.sum(shares * (within + np.square(centres - middle)), axis=axis)
    return spread


def _mixture(distribution: Any) -> tuple[Array, Any] | None:
    """Return the shares [rows, parts] and the parts of a mixture, ``None`` if it is none."""
    if not isinstance(distribution, tfd.MixtureSameFamily):
        return None
    shares = distribution.mixture_distribution.probs_parameter()
    return np.asarray(shares, np.float64), distribution.components_distribution


def _moment(distribution: Any, name: str) -> Array:
    title = type(distribution).__name__
    instead = (
        "interval(level) and log_predictive_density(targets), which need none, describe the "
        "predictions."
    )
    check_is_of_numbers(distribution)
    try:
        found = np.asarray(getattr(distribution, name)(), np.float64)
    except NotImplementedError:
        raise ValueError(
            f"TFP knows no formula for the {name} of {title}, which the network puts out: {instead}"
        ) from None
    missing = ~np.isfinite(found) if name == "mean" else np.isnan(found)
    if missing.any():
        raise ValueError(
            f"{title}, which the network puts out, has no {name} for {missing.sum()} of "
            f"{missing.size} predictions (its tails are too heavy, or it is beyond float32): "
            f"{instead}"
        )
    return found


def check_is_of_numbers(distribution: Any) -> None:
    """Raise for angles, of which the numbers around 0 and 2π are neighbours.

    Raises
    ------
    ValueError
        If the distribution is of von Mises: its mean, its variance and an interval of numbers are
        none of what it describes.
    """
    if _is_of_angles(distribution):
        raise ValueError(
            f"{type(distribution).__name__}, which the network puts out, describes angles: their "
            "mean and variance are those on a circle, and no interval of numbers holds them. "
            "log_predictive_density(targets), which needs none of these, scores the predictions."
        )


def _is_of_angles(distribution: Any) -> bool:
    """Whether a distribution is of von Mises, alone, in several places or in a mixture."""
    parts = [
        getattr(distribution, name, None)
        for name in ("distribution", "components_distribution", "tensor_distribution")
    ]
    inside = [part for part in parts if isinstance(part, tfd.Distribution)]
    return isinstance(distribution, tfd.VonMises) or any(map(_is_of_angles, inside))
