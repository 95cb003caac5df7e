"""The KL of activations, as in a variational autoencoder: one per example, never divided by N."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .case import Case
from .objective import evaluate
from .report import Finding

tfd, tfpl = tfp.distributions, tfp.layers
DRAWS = 256
RUNS = 6
TOLERANCE = 0.3  # of a ratio that is estimated from draws


def check_activation_kls(case: Case) -> list[Finding]:
    """Return what each regulariser of TFP's adds, beside the mean KL per example."""
    findings = []
    for layer, outputs in _regularised(case):
        kl = _mean_kl(_distribution(outputs), _prior(_regulariser(layer)))
        if kl > 1e-4:
            findings.append(_judge(case, layer, _contribution(case, layer) / kl))
    return findings


def _regularised(case: Case) -> list[tuple[Any, Any]]:
    called = case.evaluations[0].watch.called
    found = [(layer, out) for layer, out in called if _regulariser(layer) is not None]
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


def _judge(case: Case, layer: Any, ratio: float) -> Finding:
    rows, n = case.batch.size, case.patient.num_examples
    if case.data.is_sum:
        ratio /= rows
    count = sum(item.layer is layer for item in case.evaluations[0].watch.added)
    cases = [(1.0, _right), (2.0, _twice), (0.0, _none), (rows, _summed), (1 / n, _per_n)]
    for wanted, finding in cases:
        close = abs(ratio - wanted) < TOLERANCE * wanted or (wanted == 0 and abs(ratio) < 0.1 / n)
        if close and not (finding is _twice and count < 2):
            return finding(layer.name, ratio)
    text = (
        f"The KL of the encoder weighs {ratio:.3g} times as much as in the ELBO: a β-VAE if you "
        "mean it."
    )
    cure = "If you do not mean it, give the KL weight 1 beside a mean NLL."
    return Finding("tempered", "look", text, layer.name, ratio, 1.0, "likely", cure)


def _right(name: str, ratio: float) -> Finding:
    text = "The KL of the encoder is the mean over the batch, as it should be beside a mean NLL."
    return Finding("activation-kl", "right", text, name, ratio, 1.0)


def _twice(name: str, ratio: float) -> Finding:
    text = (
        "The KL of the encoder is counted twice. TFP 0.25's layer returns its distribution and its "
        "value, and Keras regularises both."
    )
    cure = (
        "Give KLDivergenceRegularizer weight=0.5, or put KLDivergenceAddLoss(prior) after the "
        "layer instead."
    )
    return Finding("kl-counted-twice", "wrong", text, name, ratio, 1.0, "measured", cure)


def _none(name: str, ratio: float) -> Finding:
    text = "The layer adds the KL of the encoder to losses, but what you minimise does not feel it."
    cure = "Add sum(network.losses) after the forward pass."
    return Finding("kl-missing", "wrong", text, name, ratio, 1.0, "measured", cure)


def _summed(name: str, ratio: float) -> Finding:
    text = (
        "The KL of the encoder is the sum over the batch, beside a mean of the data term: it "
        "weighs too much by the number of rows. KLDivergenceAddLoss(use_exact_kl=True) does that "
        "in TFP 0.25."
    )
    cure = "Give it weight=1/batch_size, or add tf.reduce_mean(tfd.kl_divergence(q, prior))."
    return Finding("kl-wrong-count", "wrong", text, name, ratio, 1.0, "measured", cure)


def _per_n(name: str, ratio: float) -> Finding:
    text = (
        "The KL of the encoder is divided by N. It is a KL of each example, not of the weights: "
        "beside a mean NLL its mean belongs undivided."
    )
    return Finding(
        "kl-wrong-count", "wrong", text, name, ratio, 1.0, "measured", "Drop the division."
    )
