"""What it means that the KL of weights weighs so many times 1/N beside the mean NLL."""

import dataclasses
from collections.abc import Callable
from typing import Any

import tf_keras

from ...model.compiled_loss import loss_weights
from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..report import Finding, Sureness, Verdict
from .averaged_likelihood import averaged_predictions
from .drawn_kl import is_drawn
from .kl_averaged import averaged_over_layers, averaged_over_weights, is_one_share
from .kl_right import beside, divisor, factor_of, right, right_factor

TEMPERATURES = (0.25, *(m * 10.0**e for e in (-1, -2, -3, -4) for m in (5, 2, 1)))


def judge_ratio(ratio: float, factor: KLFactor, case: Case) -> Finding:
    """Return what the first rule that fits says of a KL that weighs ``ratio`` times 1/N."""
    for rule in RULES:
        if (found := rule(ratio, factor, case)) is not None:
            return found
    return _wrong_count(ratio, factor, case)


def counted_often(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    """Return an alarm if the KL is counted several times."""
    times = round(ratio)
    counts = {factor.entries, factor.calls, round(sum(factor.shares))}
    if factor.elsewhere:
        counts.add(factor.entries + len(factor.elsewhere))
    if factor.is_added_again:
        counts.add(2 * max(factor.entries, 1))
    if not factor.shares:  # it came another way than by losses, so nothing tells how often
        counts |= {2, 3}
    if abs(ratio - times) > 0.01 * times or times < 2 or times not in counts:
        return None
    text = f"The KL is counted {times} times."
    cure = "Add every KL once: read losses in one place, and divide by the number of calls."
    if factor.elsewhere or factor.is_added_again:
        again = " and ".join(factor.elsewhere) or "the model, or its loss,"
        text += f" The layer adds it to losses, and {again} adds it again."
        cure = "Leave out what adds it again: the layer adds its KL to losses by itself."
    elif factor.calls > 1 and _is_in_a_loop(factor.posterior.layer, case):
        text += f" The layer is called {factor.calls} times, within an RNN."
        cure = (
            "Give the RNN unroll=True, without which fit ends with an InaccessibleTensorError, and "
            "divide the KL by the number of time steps."
        )
    elif factor.entries > 1:
        text += f" The layer puts {factor.entries} entries into losses in one pass"
        text += f", since it is called {factor.calls} times." if factor.calls > 1 else "."
    elif max(factor.shares, default=0) > 1.5:
        text += " losses is added in more than one place; fit adds it by itself."
    return Finding(
        kind="kl-counted-twice",
        verdict="wrong",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure=cure,
    )


def _is_in_a_loop(layer: Any, case: Case) -> bool:
    """Whether a layer is part of the cell of an RNN that TensorFlow loops over."""
    every = [x for x in case.network._flatten_layers() if isinstance(x, tf_keras.layers.RNN)]
    loops = [rnn for rnn in every if not rnn.unroll]
    return any(part is layer for rnn in loops for part in rnn._flatten_layers())


def _right(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    # float32 leaves about 1e-9 of an objective of size 1 uncertain, which counts for a huge N.
    rounding = (3e-9 + factor.error) * case.setup.num_examples
    return right(case) if abs(ratio - 1) < 0.01 + min(rounding, 0.25) else None


def _weighted_loss(ratio: float, _factor: KLFactor, case: Case) -> Finding | None:
    """Return what it means that ``loss_weights`` multiply the data term beside a right KL."""
    weights = loss_weights(case.network) if case.objective.kind == "fit" else []
    if not weights or len(set(weights)) > 1 or abs(ratio * weights[0] - 1) > 0.01:
        return None
    text = (
        f"compile was told loss_weights={weights}, which multiplies the data term and not the KL: "
        f"beside it the KL weighs {ratio:,.4g} times what it does in the ELBO."
    )
    found = Finding(
        kind="tempered",
        verdict="look",
        message=f"{text} That is a tempered (cold) posterior if you mean it.",
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure="Compile without loss_weights: the weight of the KL is right beside the loss itself.",
    )
    if ratio < 1:
        return found
    return dataclasses.replace(found, kind="kl-wrong-count", verdict="wrong", message=text)


def _scaled_likelihood(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    """Return an alarm if the KL is divided by N, and the data term is a multiple of the NLL."""
    slope, n = case.data.slope, case.setup.num_examples
    is_multiple = case.data.is_identified and not case.data.is_sum and slope > 0
    if not is_multiple or abs(slope - 1) < 0.01 or abs(factor.value * n - 1) > 0.01:
        return None
    text = (
        f"The KL weighs 1/N, but the data term is {slope:.4g} times the mean negative "
        f"log-likelihood: beside it the KL weighs {ratio:,.4g} times what it does in the ELBO."
    )
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure=(
            "Minimise the negative log-likelihood itself, summed over all that belongs to an "
            f"example: it is the data term divided by {slope:.4g}."
        ),
    )


def _whole_kl(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    """Return an alarm if the whole KL stands beside another multiple of the NLL than N times."""
    slope, n = case.data.slope, case.setup.num_examples
    is_multiple = case.data.is_identified and not case.data.is_sum and slope > 1.01
    if not is_multiple or abs(factor.value - 1) > 0.01:  # below 1 it is a mean over predictions
        return None
    batch = "the batch size" if case.setup.batch_size == round(slope) else "a number"
    text = (
        f"The whole KL is added to {slope:.4g} ({batch}) times the mean negative log-likelihood, "
        f"which would be right for {slope:.4g} training examples. There are N = {n}, so the KL "
        f"weighs {ratio:,.4g} times what it does in the ELBO."
    )
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure=(
            f"Multiply the mean negative log-likelihood by N = {n} in place of {slope:.4g}; or by "
            "nothing, and divide the sum of the KLs by N."
        ),
    )


def _negative(ratio: float, _factor: KLFactor, case: Case) -> Finding | None:
    if ratio > 0:
        return None
    text = (
        "The KL is subtracted from what is minimised, so training drives the posterior away from "
        "the prior."
    )
    return Finding(
        kind="kl-wrong-sign",
        verdict="wrong",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure=(
            "Minimise NLL + KL / N."
            if case.data.averaged_over == 1
            else f"Minimise NLL + KL / {divisor(case):.6g}, as {beside(case)} needs it."
        ),
    )


def _not_scaled(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    n = divisor(case)
    times = ratio / n
    if n < 4 or abs(times - round(times)) > 0.01 or not 1 <= round(times) <= 8:
        return None
    text = (
        f"The KL is not divided by the number of training examples, N = "
        f"{case.setup.num_examples}: beside {beside(case)} it weighs {round(ratio):,} times too "
        "much."
    )
    if round(times) > 1:
        text += f" And it is counted {round(times)} times."
    where = (
        f"kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) / {n:.6g} "
        f"(DenseVariational: kl_weight=1/{n:.6g})"
        if type(factor.posterior.layer).__module__.startswith("tensorflow_probability")
        else f"self.add_loss(kl / {n:.6g}) in the layer"
    )
    cure = f"{where} with fit, or sum(network.losses) / {n:.6g} in your own loop."
    if _adds_losses_too(factor, case):
        text += TOO
        cure = f"Leave sum(network.losses) out of your loss, and with fit write {where}."
    return Finding(
        kind="kl-not-scaled",
        verdict="wrong" if case.objective.sure_of_sum else "look",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="likely" if case.setup.assumed else "measured",
        cure=cure,
    )


def _tempered(ratio: float, _factor: KLFactor, case: Case) -> Finding | None:
    n, batch, entries = case.setup.num_examples, case.setup.batch_size, len(case.added)
    sizes = [] if batch is None else [1 / batch, batch / n]
    if any(abs(ratio / size - 1) < 0.01 for size in [*sizes, 1 / n]):
        return None
    shared = is_one_share(ratio, case)
    if not shared and not any(abs(ratio / t - 1) < 0.001 for t in TEMPERATURES):
        return None
    text = (
        f"The KL weighs {ratio:.4g} times 1/N: a tempered (cold) posterior if you mean it; what is "
        "minimised is not the ELBO."
    )
    if shared:
        text += (
            f" A mean over the {entries} entries of losses, in place of their sum, does that too."
        )
    return Finding(
        kind="tempered",
        verdict="look",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="possible",
        cure=f"If you do not mean it, divide the sum of the KLs by {divisor(case):.6g}, once.",
    )


def _wrong_count(ratio: float, factor: KLFactor, case: Case) -> Finding:
    n = divisor(case)
    text = (
        f"The KL weighs {_fraction(n / ratio)} beside {beside(case)}, which is {ratio:,.4g} times "
        f"{'1/N' if n == case.setup.num_examples else f'1/{n:,.6g}'} "
        f"(N = {case.setup.num_examples}).{_divided_by(ratio, case)}"
    )
    near = case.setup.assumed and 0.5 < ratio < 2
    verdict: Verdict = "look" if near or not case.objective.sure_of_sum else "wrong"
    sure: Sureness = "possible" if case.setup.assumed else "measured"
    cure = f"Divide the sum of the KLs by {n:.6g}, once."
    if case.data.is_sum:
        cure = (
            "The data term is a sum over the batch: multiply the sum of the KLs by B/N, or take "
            "the mean of the data term and divide the sum of the KLs by N."
        )
    elif _adds_losses_too(factor, case):
        text += TOO
        cure = f"Leave sum(network.losses) out of your loss. {cure}"
    elif _may_sum_draws(ratio, factor, case):
        text += (
            f" A divergence that sums over {round(ratio)} draws of the weights, in place of their "
            "mean, does that."
        )
        cure = f"Take the mean over the draws (tf.reduce_mean), and divide it by {n:.6g}, once."
    return Finding(
        kind="kl-wrong-count",
        verdict=verdict,
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure=sure,
        cure=cure,
    )


TOO = " Your loss adds losses, and fit adds them once more by itself."


def _adds_losses_too(factor: KLFactor, case: Case) -> bool:
    """Whether entries that ``fit`` adds count some more, since the compiled loss adds them too."""
    return case.objective.kind == "fit" and any(share > 1 + 1e-4 for share in factor.shares)


def _may_sum_draws(ratio: float, factor: KLFactor, case: Case) -> bool:
    """Whether a KL that a reader's divergence draws counts a whole number of times."""
    times, layer = round(ratio), factor.posterior.layer
    is_own = callable(getattr(layer, "kernel_divergence_fn", None))
    return (
        is_own and times > 1 and abs(ratio / times - 1) < 0.01 and is_drawn(case, factor.posterior)
    )


def _fraction(divisor: float) -> str:
    return f"1/{divisor:,.5g}" if abs(divisor) >= 1 else f"{1 / divisor:,.5g}"


def _divided_by(ratio: float, case: Case) -> str:
    """Return a sentence on what the KL seems to be divided by, "" if that cannot be told."""
    n, batch = case.setup.num_examples, case.setup.batch_size
    divided = divisor(case) / ratio
    if batch and abs(divided / batch - 1) < 0.01:
        return " It is divided by the batch size."
    if batch and abs(divided * batch / n - 1) < 0.01:
        return " It is divided by the number of batches."
    return " It is divided by N twice." if abs(divided / n / n - 1) < 0.02 else ""


RULES: tuple[Callable[[float, KLFactor, Case], Finding | None], ...] = (
    _right,
    _weighted_loss,
    _negative,
    averaged_predictions,
    _scaled_likelihood,
    _whole_kl,
    _not_scaled,
    counted_often,
    averaged_over_weights,
    averaged_over_layers,
    _tempered,
)
