"""Pruning: which weights a network needs, by the signal-to-noise ratio of their posterior.

Introduced in chapters/11-prior-strength.md, "Which weights are needed: pruning".
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..model.weight_posteriors import Posterior
from .posterior_weights import posterior_weights, random_posteriors

NO_NOISE = -14.0  # untransformed scale of a removed weight: σ = softplus(−14), below 10⁻⁶


def signal_to_noise(neural_net: tf_keras.layers.Layer) -> npt.NDArray[np.float64]:
    """Return the size of the mean over the standard deviation, for every weight with a posterior.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model of TFP layers with Gaussian posteriors, called before.

    Returns
    -------
    ndarray
        [weights], without a unit, in the order of
        :func:`helpers.losses.posterior_weights.posterior_weights`. Near 0 the sign of the weight is
        not known; a weight at the prior N(0, 1) has 0.

    Raises
    ------
    TypeError, ValueError
        As :func:`helpers.losses.posterior_weights.posterior_weights`.

    References
    ----------
    Graves (2011), *Practical Variational Inference for Neural Networks*; Blundell et al. (2015),
    *Weight Uncertainty in Neural Networks*, section 5.
    """
    weights = posterior_weights(neural_net)
    return (weights["mean"].abs() / weights["stddev"]).to_numpy(np.float64)


def prune(neural_net: tf_keras.layers.Layer, scores: npt.ArrayLike, share: float) -> None:
    """Remove the weights with the lowest scores: set their means to 0 and their σ to nearly 0.

    The network is changed in place; keep ``neural_net.get_weights()`` to bring it back. Its KL is
    of no use afterwards, because a σ of nearly 0 is expensive.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model of TFP layers with their default kind of Gaussian posterior; others are
        refused.
    scores
        [weights], in the order of :func:`signal_to_noise`.
    share
        Share of the weights to remove, from 0 to 1, over all layers together.

    Raises
    ------
    ValueError
        If ``share`` is no share, or there is not one score for each weight.
    """
    ranked = np.asarray(scores, np.float64)
    gaussians = [_gaussian(posterior) for posterior in random_posteriors(neural_net)]
    sizes = [gaussian.loc.shape.num_elements() for gaussian in gaussians]
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share is {share}: give the share of the weights to remove, 0 to 1.")
    if ranked.shape != (sum(sizes),):
        raise ValueError(
            f"scores has shape {ranked.shape}, but the network has {sum(sizes)} weights with a "
            "posterior: give one score for each, as signal_to_noise does."
        )
    kept = np.ones(len(ranked), bool)
    kept[np.argsort(ranked, kind="stable")[: round(share * len(ranked))]] = False
    for gaussian, part in zip(gaussians, np.split(kept, np.cumsum(sizes)[:-1]), strict=True):
        untransformed_scale = gaussian.scale.pretransformed_input
        mask = part.reshape(gaussian.loc.shape)
        gaussian.loc.assign(tf.where(mask, gaussian.loc, 0.0))
        untransformed_scale.assign(tf.where(mask, untransformed_scale, NO_NOISE))


@contextlib.contextmanager
def without_noise(neural_net: tf_keras.layers.Layer) -> Iterator[None]:
    """Set every σ to nearly 0 inside ``with``, so that the network computes with its means.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model of TFP layers with their default kind of Gaussian posterior; others are
        refused.

    Raises
    ------
    ValueError
        If a posterior is of another kind.
    """
    gaussians = [_gaussian(posterior) for posterior in random_posteriors(neural_net)]
    scales = [gaussian.scale.pretransformed_input for gaussian in gaussians]
    kept = [scale.numpy() for scale in scales]
    try:
        for scale in scales:
            scale.assign(tf.fill(scale.shape, tf.cast(NO_NOISE, scale.dtype)))
        yield
    finally:
        for scale, values in zip(scales, kept, strict=True):
            scale.assign(values)


def _gaussian(posterior: Posterior) -> Any:
    """Return the Gaussian of a posterior of TFP's default kind, whose variables can be set.

    Raises
    ------
    ValueError
        If it is of another kind.
    """
    assert posterior.make is not None
    gaussian = getattr(posterior.make(), "distribution", None)
    scale = getattr(getattr(gaussian, "scale", None), "pretransformed_input", None)
    if not all(isinstance(x, tf.Variable) for x in (getattr(gaussian, "loc", None), scale)):
        raise ValueError(
            f"The posterior of layer {posterior.name} is not of TFP's default kind "
            "(default_mean_field_normal_fn), so its means and scales are no variables that could "
            "be set one by one: set them yourself, by signal_to_noise(neural_net)."
        )
    return gaussian
