"""How much the draws of the weights shake a gradient or an output, for any class of layer.

Introduced in chapters/09-estimators.md, "Where the noise is drawn".
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tf_keras

from .elbo import negative_log_likelihood

Array = npt.NDArray[np.float64]
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
VARIABLES = {"means": "kernel_posterior_loc", "scales": "kernel_posterior_untransformed_scale"}


class GradientDraws(NamedTuple):
    """Gradients [draws, weights] for the kernels' means μ and their untransformed scales ρ."""

    means: Array
    scales: Array


class Interval(NamedTuple):
    """An estimate between two bounds."""

    value: float
    low: float
    high: float


Sampler = Callable[[npt.ArrayLike], GradientDraws]


def make_gradient_sampler(
    neural_net: tf_keras.Model,
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    loss: Loss = negative_log_likelihood,
    seed: int = 0,
) -> Sampler:
    """Return a compiled function: indices of batches [draws, batch] ↦ a gradient for each row.

    Every row costs one call of the network, so it has draws of its own; repeat a row to see the
    same batch under other draws. The KL is left out: its gradient is the same in every call.

    Parameters
    ----------
    neural_net
        Built layers of ``tfp.layers`` with a Gaussian ``kernel_posterior``.
    images, labels
        Examples that the indices point to: [examples, …] and [examples].
    loss
        (outputs [batch, …], labels [batch]) ↦ scalar; in nats per example by default.
    seed
        Of TensorFlow's global generator; each call of the result goes on drawing from it.

    Raises
    ------
    ValueError
        If the network has no kernel means and scales (not built, or of another kind).
    """
    variables = _kernel_variables(neural_net)
    all_images, all_labels = tf.constant(images), tf.constant(labels)

    def one_gradient(batch: tf.Tensor) -> list[tf.Tensor]:
        """Return the gradients by the kernels' means, and by their scales: two long vectors."""
        with tf.GradientTape() as tape:
            value = loss(neural_net(tf.gather(all_images, batch)), tf.gather(all_labels, batch))
        gradients = tape.gradient(value, variables)
        return [tf.concat([tf.reshape(g, [-1]) for g in part], axis=0) for part in gradients]

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
    def all_gradients(batches: tf.Tensor) -> list[tf.Tensor]:
        """Return the same two, [batches, weights] each, for batches of row numbers."""
        kinds = [tf.TensorSpec([None])] * 2
        # One at a time: only then do two runs with one seed draw in the same order.
        return tf.map_fn(one_gradient, batches, parallel_iterations=1, fn_output_signature=kinds)

    tf.random.set_seed(seed)
    all_gradients.get_concrete_function()
    neural_net(all_images[:1])  # the trace leaves graph tensors in `losses`; an eager call, values
    return lambda batches: GradientDraws(
        *(part.numpy().astype(float) for part in all_gradients(tf.constant(batches, tf.int32)))
    )


def gradient_noise(
    sampler: Sampler, num_examples: int, num_pairs: Mapping[int, int], seed: int = 0
) -> pd.DataFrame:
    """Measure the gradient's noise for batches of several sizes, chosen at random.

    Two gradients of one batch, under two draws of the weights, differ by the noise of the weights
    alone: half their squared distance is an unbiased estimate of its total variance (the sum of
    the variances of all components). The distance of a gradient to the mean over batches also
    holds the noise that the choice of the batch makes.

    Parameters
    ----------
    sampler
        From :func:`make_gradient_sampler`.
    num_examples
        How many examples the batches are chosen from, without replacement within a batch.
    num_pairs
        Batch size ↦ number of batches, at least 2; each takes a pair of draws.
    seed
        Of the choice of the batches: with the same seed, other networks see the same ones.

    Returns
    -------
    pandas.DataFrame
        A row per batch and part: ``batch_size``, ``pair``, ``part`` ("means" or "scales"),
        ``weight_noise`` and ``step_noise``, both the squared unit of the gradient.
    """
    tables = []
    for batch_size, count in num_pairs.items():
        rng = np.random.default_rng([seed, batch_size])
        batches = [rng.choice(num_examples, batch_size, replace=False) for _ in range(count)]
        draws = sampler(np.repeat(batches, 2, axis=0))
        for part, gradients in zip(draws._fields, draws, strict=True):
            first, second = gradients[::2], gradients[1::2]
            distance = first - first.mean(axis=0)
            columns = {
                "batch_size": batch_size,
                "pair": np.arange(count),
                "part": part,
                "weight_noise": np.square(first - second).sum(axis=1) / 2,
                "step_noise": np.square(distance).sum(axis=1) * count / (count - 1),
            }
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def ratio_interval(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, num_resamples: int = 2000, seed: int = 0
) -> Interval:
    """Return mean(numerator) / mean(denominator) with a 95 % bootstrap interval.

    Parameters
    ----------
    numerator, denominator
        Measurements [pairs] on the same batches: both are resampled together.
    num_resamples
        Number of bootstrap samples.
    seed
        Of the resampling.

    Raises
    ------
    ValueError
        If the two are not of one length.

    References
    ----------
    Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, section 13.3 (percentiles).
    """
    above, below = np.asarray(numerator, float), np.asarray(denominator, float)
    if above.shape != below.shape or above.ndim != 1:
        raise ValueError(
            f"The measurements have the shapes {above.shape} and {below.shape}: give one number "
            "per batch for both, on the same batches."
        )
    rows = np.random.default_rng(seed).integers(len(above), size=(num_resamples, len(above)))
    ratios = above[rows].mean(axis=1) / below[rows].mean(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(above.mean() / below.mean(), float(low), float(high))


def output_draws(
    neural_net: tf_keras.layers.Layer, inputs: npt.ArrayLike, num_draws: int, seed: int = 0
) -> Array:
    """Call a layer or network ``num_draws`` times on the same inputs.

    Parameters
    ----------
    neural_net
        Any ``tf_keras`` layer or network, called once before.
    inputs
        One batch [batch, …], the same for every call.
    num_draws
        S, the number of calls.
    seed
        Of TensorFlow's global generator.

    Returns
    -------
    ndarray
        Outputs [draws, batch, …], before any softmax.
    """
    batch = tf.constant(inputs)
    tf.random.set_seed(seed)

    @tf.function
    def all_calls() -> tf.Tensor:
        """Return the outputs of all calls, [draws, batch, …]."""
        return tf.map_fn(
            lambda _: neural_net(batch),
            tf.range(num_draws),
            parallel_iterations=1,
            fn_output_signature=batch.dtype,
        )

    # As a concrete function: TensorFlow warns of tracing when this function is used often.
    outputs = all_calls.get_concrete_function()().numpy().astype(float)
    neural_net(batch)  # values again in `losses`, in place of graph tensors
    return outputs


def _kernel_variables(neural_net: tf_keras.Model) -> list[list[tf.Variable]]:
    """Return the kernels' means and untransformed scales, in two lists."""
    variables = neural_net.trainable_variables
    found = [[v for v in variables if name in v.name] for name in VARIABLES.values()]
    if not all(found):
        raise ValueError(
            "The network has no kernel means and scales: call it once on a batch, and build it "
            "from layers such as tfp.layers.DenseFlipout with a Gaussian posterior."
        )
    return found
