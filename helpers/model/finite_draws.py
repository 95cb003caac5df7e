"""Draws that always come back: counts whose rates are huge, or no numbers, are their means.

TensorFlow's samplers of counts loop until a draw is accepted, which for such rates never happens.
Weights that are moved about, for a measurement or by a diverging training, lead to them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .watch import with_subclasses

tfd = tfp.distributions

LARGEST = 1e6  # a mean beyond it, or none, is not drawn from
OF_CLASSES = (tfd.Categorical, tfd.OneHotCategorical, tfd.Bernoulli)


@contextlib.contextmanager
def finite_draws() -> Iterator[None]:
    """Let counts of huge or undefined means be these means inside the block, in eager calls."""
    with contextlib.ExitStack() as stack:
        for owner in with_subclasses(tfd.Distribution):
            if "_call_sample_n" in owner.__dict__:
                made = _instead_of(owner.__dict__["_call_sample_n"])
                stack.enter_context(mock.patch.object(owner, "_call_sample_n", made))
        yield


def _instead_of(sample: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that gives the mean as often as ``sample`` would draw, where it must."""

    def _call_sample_n(self: Any, sample_shape: Any, *rest: Any, **options: Any) -> Any:
        mean = _mean_of_counts(self)
        if mean is None or _is_harmless(mean):
            return sample(self, sample_shape, *rest, **options)
        draws = tf.reshape(tf.cast(sample_shape, tf.int32), [-1])
        shape = tf.concat([draws, tf.shape(mean)], axis=0)
        return tf.cast(tf.broadcast_to(mean, shape), self.dtype)

    return _call_sample_n


def _mean_of_counts(distribution: Any) -> tf.Tensor | None:
    """Return the mean of a distribution of counts, ``None`` for any other."""
    if isinstance(distribution, OF_CLASSES):
        return None
    if distribution.reparameterization_type == tfd.FULLY_REPARAMETERIZED:
        return None
    try:
        return tf.convert_to_tensor(distribution.mean())
    except NotImplementedError:
        return None


def _is_harmless(mean: tf.Tensor) -> bool:
    """Whether counts of a mean can be drawn; in a graph that is not known, and not changed."""
    if tf.is_symbolic_tensor(mean):
        return True
    values = np.asarray(mean)
    return bool(np.all(np.isfinite(values)) and np.all(np.abs(values) <= LARGEST))
