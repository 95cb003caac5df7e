"""Every weight of a network with the mean, the standard deviation and the nats of its posterior.

Introduced in chapters/01-kl-formula.md, "Test the guess".
"""

import pandas as pd
import tf_keras

from .by_layer import bayesian_layers
from .gaussian_kl import gaussian_kl


def posterior_weights(neural_net: tf_keras.layers.Layer) -> pd.DataFrame:
    """Return a table with a row for each kernel weight of the Bayesian layers.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model of TFP layers with Gaussian posteriors and the prior N(0, 1), built or
        called before.

    Returns
    -------
    pandas.DataFrame
        ``layer`` (its name), ``mean`` and ``stddev`` of the posterior, and ``nats``, the weight's
        KL to the prior. The nats of a layer add up to its entry of ``losses``.

    Raises
    ------
    TypeError
        If ``neural_net`` is not a ``tf_keras`` model.
    ValueError
        If it is not built yet, or has no layer with a posterior.
    """
    layers = bayesian_layers(neural_net)
    if not layers:
        raise ValueError(
            "The network has no layer with a kernel posterior: build it from layers of tfp.layers, "
            "for instance DenseFlipout."
        )
    tables = []
    for layer in layers:
        mean = layer.kernel_posterior.mean().numpy().ravel()
        stddev = layer.kernel_posterior.stddev().numpy().ravel()
        columns = {"mean": mean, "stddev": stddev, "nats": gaussian_kl(mean, stddev)}
        tables.append(pd.DataFrame({"layer": layer.name, **columns}))
    return pd.concat(tables, ignore_index=True)
