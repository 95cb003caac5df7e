"""Reading ``neural_net.losses`` layer by layer, beside the KL recomputed by hand.

Introduced in chapters/01-kl-formula.md, "Its gradient in the means is weight decay".
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from ..model.checks import check_keras_version
from .gaussian_kl import gaussian_kl

tfd = tfp.distributions

COLUMNS = (
    "layer",
    "class",
    "part",
    "num_weights",
    "nats",
    "nats_per_weight",
    "closed_form",
    "difference",
)


class LossEntry(NamedTuple):
    """One entry of ``losses``: the layer that added it, what it is the KL of, and its value."""

    layer: tf_keras.layers.Layer
    part: str
    value: tf.Tensor


def losses_by_layer(neural_net: tf_keras.layers.Layer, inputs: Any = None) -> pd.DataFrame:
    """Return a table of ``neural_net.losses`` with the KL recomputed by hand beside each entry.

    Parameters
    ----------
    neural_net
        Any ``tf_keras`` model with TFP layers, however nested.
    inputs
        A batch [batch, …] to call the network on first, so that the values are fresh. Without it
        the network must have been called eagerly since its weights last changed: after ``fit`` the
        list holds graph tensors or, once ``fit`` has been compiled, the values of an older call.

    Returns
    -------
    pandas.DataFrame
        A row per entry, in the order of ``neural_net.losses``: ``layer`` (its name), ``class``,
        ``part`` ("kernel", "bias", "kernel and bias", or what else put the entry there),
        ``num_weights``, ``nats``, ``nats_per_weight``, ``closed_form`` (the KL from posterior to
        prior recomputed from the layer's distributions in nats; NaN where there is none) and
        ``difference`` (nats minus closed form). The column ``nats`` adds up to
        ``sum(neural_net.losses)``. A ``kernel_divergence_fn`` that scales the KL shows up as a
        difference, and so does a value that is older than the weights.

    Raises
    ------
    TypeError
        If ``neural_net`` is not a ``tf_keras`` model (a Keras 3 model, for instance).
    ValueError
        If ``losses`` is empty, or holds the graph tensors that ``fit`` leaves behind.
    """
    check_keras_version(neural_net)
    if inputs is not None:
        neural_net(tf.convert_to_tensor(inputs))
    entries = loss_entries(neural_net)
    _check_values(entries)
    return pd.DataFrame([_row(entry, inputs) for entry in entries], columns=COLUMNS)


def loss_entries(neural_net: tf_keras.layers.Layer) -> list[LossEntry]:
    """Return every entry of ``neural_net.losses``, in order, with its layer and part."""
    entries: list[LossEntry] = []
    # Keras' own walk: it is the order in which `losses` lists the entries.
    for layer in neural_net._flatten_layers():
        entries.extend(_own_entries(layer))
    if len(entries) != len(neural_net.losses):
        raise RuntimeError(
            f"Found the owners of {len(entries)} of the {len(neural_net.losses)} losses: "
            "this version of tf_keras collects losses in another way."
        )
    return entries


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
    if not all(layer.built for layer in layers):
        raise ValueError(
            "The network is not built, so its layers have no posterior yet: "
            "call it once on a batch, neural_net(images[:1])."
        )
    return layers


def _own_entries(layer: tf_keras.layers.Layer) -> Iterator[LossEntry]:
    """Yield what the layer itself put into ``losses``, as ``Layer.losses`` collects it."""
    parts = _parts(layer)
    for index, value in enumerate(layer._eager_losses or layer._losses):
        yield LossEntry(layer, parts[index % len(parts)], value)
    for regulariser in layer._callable_losses:
        if (value := regulariser()) is not None:
            yield LossEntry(layer, "weight regulariser", value)


def _parts(layer: tf_keras.layers.Layer) -> list[str]:
    """Say what the entries are that one call of the layer adds, in their order."""
    if isinstance(layer, tfp.layers.DenseVariational):
        parts = ["kernel and bias" if layer.use_bias else "kernel"]
    else:
        parts = [
            part
            for part in ("kernel", "bias")
            if getattr(layer, f"{part}_prior", None) is not None
            and getattr(layer, f"{part}_divergence_fn", None) is not None
        ]
    if layer.activity_regularizer is not None:
        parts.append("activity regulariser")
    return parts or ["added loss"]


def _check_values(entries: list[LossEntry]) -> None:
    if not entries:
        raise ValueError(
            "losses is empty. It is filled by a call, not by build: call the network on a batch, "
            "neural_net(images[:1]). If it stays empty, no layer has both a prior and a divergence."
        )
    if any(tf.is_symbolic_tensor(entry.value) for entry in entries):
        raise ValueError(
            "losses holds graph tensors without a value, as fit, evaluate and tf.function leave "
            "behind. Call the network once on a batch, neural_net(images[:1]), and read it again."
        )


def _row(entry: LossEntry, inputs: Any) -> tuple[Any, ...]:
    """Return one row of the table, in the order of COLUMNS."""
    posterior, prior = _posterior_and_prior(entry, inputs)
    nats = float(tf.reduce_sum(entry.value))
    num_weights = pd.NA if posterior is None else posterior.event_shape.num_elements()
    per_weight = np.nan if posterior is None else nats / num_weights
    closed_form = np.nan if posterior is None else _closed_form(posterior, prior)
    name, class_name = entry.layer.name, type(entry.layer).__name__
    difference = nats - closed_form
    return name, class_name, entry.part, num_weights, nats, per_weight, closed_form, difference


def _posterior_and_prior(entry: LossEntry, inputs: Any) -> tuple[Any, Any]:
    """Return the two distributions whose KL the entry is, or (None, None) for any other loss."""
    layer, part = entry.layer, entry.part
    if isinstance(layer, tfp.layers.DenseVariational) and part.startswith("kernel"):
        # Both are functions of the input; posteriors and priors of weights ignore its values.
        probe = tf.zeros([1, layer.input_spec.axes[-1]]) if inputs is None else inputs
        return _unwrap(layer._posterior(probe)), _unwrap(layer._prior(probe))
    if part in ("kernel", "bias"):
        return getattr(layer, f"{part}_posterior"), getattr(layer, f"{part}_prior")
    return None, None


def _unwrap(distribution: tfp.distributions.Distribution) -> tfp.distributions.Distribution:
    """Return the distribution inside the wrapper that a DistributionLambda puts around it."""
    return getattr(distribution, "tensor_distribution", distribution)


def _closed_form(
    posterior: tfp.distributions.Distribution, prior: tfp.distributions.Distribution
) -> float:
    """Return KL(posterior ‖ prior) in nats: float64 for Gaussians, else TFP's, else NaN."""
    if _is_factorised_gaussian(posterior) and _is_factorised_gaussian(prior):
        kl = gaussian_kl(posterior.mean(), posterior.stddev(), prior.mean(), prior.stddev())
        return float(kl.sum())
    try:
        return float(tf.reduce_sum(tfd.kl_divergence(posterior, prior)))
    except NotImplementedError:  # TFP's answer where no closed form is known
        return np.nan


def _is_factorised_gaussian(distribution: tfp.distributions.Distribution) -> bool:
    inner = getattr(distribution, "distribution", None)
    return isinstance(distribution, tfd.Independent) and isinstance(inner, tfd.Normal)
