"""Every weight of a network with the mean, the standard deviation and the nats of its posterior.

Introduced in chapters/01-kl-formula.md, "Test the guess".
"""

from typing import Any

import numpy as np
import pandas as pd
import tensorflow_probability as tfp
import tf_keras

from ..model.checks import check_keras_version
from ..model.weight_posteriors import Posterior, find_posteriors
from .by_layer import check_built, is_factorised_gaussian
from .gaussian_kl import gaussian_kl


def posterior_weights(neural_net: tf_keras.layers.Layer) -> pd.DataFrame:
    """Return a table with a row for each weight that has a posterior.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model of Bayesian layers of any family, built or called before.

    Returns
    -------
    pandas.DataFrame
        ``layer`` (its name), ``part`` ("kernel" or "bias"), ``mean`` and ``stddev`` of the
        posterior, and ``nats``, the weight's KL to the layer's own prior: NaN where posterior or
        prior are not independent Gaussians, so that the KL is no sum over weights. The nats of a
        part add up to its entry of ``losses``, in nats. Weights that are one number each have no
        row.

    Raises
    ------
    TypeError
        If ``neural_net`` is not a ``tf_keras`` model.
    ValueError
        If it is not built yet, or has no layer with a posterior.
    """
    posteriors = random_posteriors(neural_net)
    if not posteriors:
        raise ValueError(
            "The network has no layer with a posterior that could be read: build it from layers of "
            "tfp.layers, for instance DenseFlipout, or keep the posterior of your own layer as an "
            "attribute (self.kernel_posterior, a tfd distribution)."
        )
    return pd.concat([_table(posterior) for posterior in posteriors], ignore_index=True)


def random_posteriors(neural_net: tf_keras.layers.Layer) -> list[Posterior]:
    """Return the posteriors with a spread that are distributions, in the order of the layers.

    Raises
    ------
    TypeError
        If ``neural_net`` is not a ``tf_keras`` model.
    ValueError
        If a layer is not built, so that it has no posterior yet.
    """
    check_keras_version(neural_net)
    layers = list(neural_net._flatten_layers())
    kinds = ("kernel_posterior_fn", "_make_posterior_fn")
    check_built(layer for layer in layers if any(hasattr(layer, kind) for kind in kinds))
    return [p for p in find_posteriors(layers) if p.make is not None and p.is_random]


def _table(posterior: Posterior) -> pd.DataFrame:
    """Return the rows of one posterior."""
    assert posterior.make is not None
    q, prior = posterior.make(), posterior.prior()
    mean, stddev = (np.ravel(x.numpy()) for x in (q.mean(), q.stddev()))
    nats = np.full(mean.shape, np.nan)
    if is_factorised_gaussian(q) and is_factorised_gaussian(prior):
        of_prior = [np.ravel(np.broadcast_to(x, q.mean().shape)) for x in _moments(prior)]
        nats = gaussian_kl(mean, stddev, *of_prior)
    columns = {"mean": mean, "stddev": stddev, "nats": nats}
    return pd.DataFrame({"layer": posterior.name, "part": _parts(posterior, len(mean)), **columns})


def _moments(distribution: Any) -> tuple[Any, Any]:
    return distribution.mean().numpy(), distribution.stddev().numpy()


def _parts(posterior: Posterior, size: int) -> list[str]:
    """Return for each weight whether it is of the kernel or of the bias."""
    layer = posterior.layer
    if not isinstance(layer, tfp.layers.DenseVariational):
        return [posterior.part] * size
    num_bias = layer.units if layer.use_bias else 0
    return ["kernel"] * (size - num_bias) + ["bias"] * num_bias
