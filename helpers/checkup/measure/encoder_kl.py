"""The KL of activations, as in a variational autoencoder, and how much of it is minimised."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .case import Case
from .objective import evaluate

tfd, tfpl = tfp.distributions, tfp.layers
DRAWS = 256
RUNS = 6
SMALLEST = 1e-4  # nats; below it no ratio can be told


@dataclass(frozen=True, kw_only=True)
class EncoderKL:
    """The KL of one layer's outputs.

    Attributes
    ----------
    name
        Of the layer.
    ratio
        What the layer adds to the objective, over the mean KL per example.
    entries
        How many tensors the layer added to ``losses`` in one evaluation.
    of
        Names of the layers that put out the same distribution: the encoder's last one.
    """

    name: str
    ratio: float
    entries: int
    of: tuple[str, ...]


def encoder_kls(case: Case) -> list[EncoderKL]:
    """Return what each regulariser of TFP's adds, beside the mean KL per example."""
    found: list[EncoderKL] = case.once("encoder_kls", lambda: _measured(case))
    return found


def _measured(case: Case) -> list[EncoderKL]:
    found = []
    for layer, outputs in _regularised(case):
        distribution = _distribution(outputs)
        kl = _mean_kl(distribution, _prior(_regulariser(layer)))
        if kl > SMALLEST:
            entries = sum(item.layer is layer for item in case.added)
            ratio = _contribution(case, layer) / kl
            of = tuple(_same_outputs(case, distribution))
            found.append(EncoderKL(name=layer.name, ratio=ratio, entries=entries, of=of))
    return found


def _same_outputs(case: Case, distribution: Any) -> Iterator[str]:
    """Yield the names of the layers that put out this distribution, or one with its means."""
    means = np.asarray(distribution.mean())
    for layer, outputs in case.called:
        try:
            other = _distribution(outputs)
        except TypeError:
            continue
        if other is distribution or np.array_equal(np.asarray(other.mean()), means):
            yield layer.name


def is_encoder_kl(layer: Any) -> bool:
    """Whether a layer adds the KL of its outputs to ``losses``."""
    regulariser = getattr(layer, "activity_regularizer", None)
    kinds = (tfpl.KLDivergenceRegularizer,)
    return isinstance(layer, tfpl.KLDivergenceAddLoss) or isinstance(regulariser, kinds)


def _regularised(case: Case) -> list[tuple[Any, Any]]:
    found = [(layer, out) for layer, out in case.called if _regulariser(layer) is not None]
    return list({id(layer): (layer, out) for layer, out in found}.values())


def _regulariser(layer: Any) -> Any:
    """Return the KLDivergenceRegularizer of a layer, or None."""
    own = getattr(layer, "_regularizer", None)
    for candidate in (own, getattr(layer, "activity_regularizer", None)):
        if isinstance(candidate, tfpl.KLDivergenceRegularizer):
            return candidate
    return None


def _distribution(outputs: Any) -> Any:
    parts = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    for part in parts:
        part = getattr(part, "_tfp_distribution", part)
        if hasattr(part, "log_prob"):
            return part
    raise TypeError("the layer put out no distribution")


def _prior(regulariser: Any) -> Any:
    prior = regulariser.distribution_b
    return prior() if callable(prior) else prior


def _mean_kl(posterior: Any, prior: Any) -> float:
    """Return KL(encoder ‖ prior), the mean over the batch, in nats."""
    try:
        kl = tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        draws = posterior.sample(DRAWS)
        kl = tf.reduce_mean(posterior.log_prob(draws) - prior.log_prob(draws), axis=0)
    return float(tf.reduce_mean(kl))


def _contribution(case: Case, layer: Any) -> float:
    """Return what the layer's entries add to the objective, the mean over several draws."""
    totals = []
    for seed in range(RUNS):
        run = evaluate(case.objective, case.batch, seed=10 + seed)
        pairs = zip(run.watch.added, run.shares, strict=True)
        values = [share * float(item.value) for item, share in pairs if item.layer is layer]
        totals.append(sum(values))
    return float(np.mean(totals))
