"""What a distribution describes: a class, yes or no, counts, or other values."""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

Family = Literal["classes", "one-hot", "yes or no", "counts", "values"]

_FAMILIES: dict[Family, tuple[type, ...]] = {
    "classes": (tfd.Categorical, tfd.OrderedLogistic),
    "one-hot": (tfd.OneHotCategorical,),
    "yes or no": (tfd.Bernoulli, tfd.ProbitBernoulli),
    "counts": (tfd.Poisson, tfd.NegativeBinomial, tfd.Geometric, tfd.Binomial),
}


def family_of(distribution: Any) -> Family:
    """Return what a distribution describes, of a mixture what its components describe."""
    if isinstance(distribution, tfd.Independent):
        return family_of(distribution.distribution)
    if isinstance(distribution, tfd.MixtureSameFamily):
        return family_of(distribution.components_distribution)
    fitting = (name for name, types in _FAMILIES.items() if isinstance(distribution, types))
    return next(fitting, "values")


def probabilities_of(distribution: Any) -> tf.Tensor:
    """Return the probabilities [batch, …, classes] of a distribution over classes."""
    if isinstance(distribution, tfd.Independent):
        return probabilities_of(distribution.distribution)
    if isinstance(distribution, tfd.OrderedLogistic):
        return distribution.categorical_probs()
    if isinstance(distribution, tfd.MixtureSameFamily):
        parts = probabilities_of(distribution.components_distribution)
        shares = distribution.mixture_distribution.probs_parameter()
        axis = distribution.batch_shape.rank  # of the components
        extra = [1] * (parts.shape.rank - axis - 1)
        shares = tf.reshape(shares, tf.concat([tf.shape(shares), tf.constant(extra, tf.int32)], 0))
        return tf.reduce_sum(shares * parts, axis=axis)
    return distribution.probs_parameter()
