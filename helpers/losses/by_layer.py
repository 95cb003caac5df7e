"""Reading ``neural_net.losses`` layer by layer, beside the KL recomputed by hand.

Introduced in chapters/01-kl-formula.md, "Its gradient in the means is weight decay".
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from ..model.checks import check_keras_version
from ..model.entry_units import EntryUnit, entry_units, example_inputs
from ..model.inputs import as_tensors, first_examples
from ..model.loss_entries import LossEntry, check_entries, loss_entries
from ..model.network_call import call_network
from ..model.weight_posteriors import Posterior
from .gaussian_kl import gaussian_kl

tfd = tfp.distributions

COLUMNS = (
    "layer",
    "class",
    "part",
    "kind",
    "num_weights",
    "entry",
    "divisor",
    "nats",
    "nats_per_weight",
    "closed_form",
    "difference",
)
MOST_ROWS = 64  # of the inputs: an entry of weights does not depend on them


def losses_by_layer(neural_net: tf_keras.layers.Layer, inputs: Any = None) -> pd.DataFrame:
    """Return a table of ``neural_net.losses`` with the KL recomputed by hand beside each entry.

    Parameters
    ----------
    neural_net
        Any ``tf_keras`` model with Bayesian layers, however nested.
    inputs
        Data [examples, …] of any form that ``fit`` takes, on the first of which the network is
        called, so that the values are fresh. Without it the network must have been called eagerly
        since its weights last changed: after ``fit`` the list holds graph tensors or, once ``fit``
        has been compiled, the values of an older call.

    Returns
    -------
    pandas.DataFrame
        A row per entry, in the order of ``neural_net.losses``: ``layer`` (its name), ``class``,
        ``part`` ("kernel", "bias", "kernel and bias", or what else put the entry there), ``kind``
        (what it was measured to be: "KL", "KL / 400", "KL, drawn", "-log prior", "regulariser",
        "KL of activations", "unknown"), ``num_weights``, ``entry`` (as it stands),
        ``divisor`` (by what the nats are divided in it), ``nats`` (entry · divisor; NaN for what
        is no KL of weights), ``nats_per_weight``, ``closed_form`` (the KL from posterior to prior
        recomputed from the layer's distributions in nats; NaN where there is none) and
        ``difference`` (nats minus closed form). The column ``entry`` adds up to
        ``sum(neural_net.losses)``. A value that is older than the weights shows up as a difference,
        and so does the chance in a KL that is drawn.

    Raises
    ------
    TypeError
        If ``neural_net`` is not a ``tf_keras`` model (a Keras 3 model, for instance).
    ValueError
        If ``losses`` is empty, or holds the graph tensors that ``fit`` leaves behind, or the shape
        of the inputs must be known and is not.
    """
    check_keras_version(neural_net)
    batch = None
    if inputs is not None:
        batch = first_examples(inputs, most=MOST_ROWS).inputs
        _, types = call_network(neural_net, batch)
        batch = as_tensors(batch, types)
    entries = loss_entries(neural_net)
    check_entries(entries)
    batch = example_inputs(neural_net) if batch is None else batch
    units = entry_units(neural_net, batch)
    rows = [_row(entry, unit) for entry, unit in zip(entries, units, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)


def bayesian_layers(neural_net: tf_keras.layers.Layer) -> list[tf_keras.layers.Layer]:
    """Return the layers with a ``kernel_posterior``, however nested, in the order of a call.

    Raises
    ------
    TypeError
        If ``neural_net`` is not a ``tf_keras`` model.
    ValueError
        If a layer is not built, so that it has no posterior yet.
    """
    check_keras_version(neural_net)
    layers = [x for x in neural_net._flatten_layers() if hasattr(x, "kernel_posterior_fn")]
    check_built(layers)
    return layers


def check_built(layers: Iterable[tf_keras.layers.Layer]) -> None:
    """Raise if a layer is not built, so that it has no posterior yet.

    Raises
    ------
    ValueError
        If there is one.
    """
    if not all(layer.built for layer in layers):
        raise ValueError(
            "The network is not built, so its layers have no posterior yet: "
            "call it once on a batch, neural_net(images[:1])."
        )


def _row(entry: LossEntry, unit: EntryUnit) -> tuple[Any, ...]:
    """Return one row of the table, in the order of COLUMNS."""
    value = float(tf.reduce_sum(entry.value))
    is_of_weights = unit.kind in ("kl", "map")
    nats = value * unit.divisor if is_of_weights else np.nan
    num_weights = sum(p.num_weights for p in unit.posteriors) if is_of_weights else pd.NA
    closed_form = closed_form_in_float64(unit.posteriors) if is_of_weights else np.nan
    return (
        entry.layer.name,
        type(entry.layer).__name__,
        entry.part,
        unit.in_words,
        num_weights,
        value,
        unit.divisor,
        nats,
        nats / num_weights if is_of_weights else np.nan,
        closed_form,
        nats - closed_form,
    )


def closed_form_in_float64(posteriors: tuple[Posterior, ...]) -> float:
    """Return the sum of KL(posterior ‖ prior) in nats: float64 for Gaussians, else TFP's, or NaN.

    Parameters
    ----------
    posteriors
        Of the weights that one entry is about.
    """
    pairs = [(p.make() if p.make else None, p.prior()) for p in posteriors]
    return float(np.sum([_closed_form(q, prior) for q, prior in pairs]))


def _closed_form(posterior: Any, prior: Any) -> float:
    if posterior is None or prior is None:
        return np.nan
    if is_factorised_gaussian(posterior) and is_factorised_gaussian(prior):
        kl = gaussian_kl(posterior.mean(), posterior.stddev(), prior.mean(), prior.stddev())
        return float(kl.sum())
    try:
        return float(tf.reduce_sum(tfd.kl_divergence(posterior, prior)))
    except NotImplementedError:  # TFP's answer where no closed form is known
        return np.nan


def is_factorised_gaussian(distribution: Any) -> bool:
    """Whether a distribution is one event of independent Gaussians."""
    inner = getattr(distribution, "distribution", None)
    return isinstance(distribution, tfd.Independent) and isinstance(inner, tfd.Normal)
