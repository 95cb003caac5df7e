"""KLs of weights that what is minimised does not feel: none, of a lost layer, or an old number."""

import numpy as np

from ...model.entry_units import entry_units
from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..report import Finding
from .kl_right import divisor, right_factor


def is_zero(factor: KLFactor, case: Case) -> bool:
    """Whether a KL has no weight, rounding errors and the spread over draws aside.

    A weight that comes through ``losses`` alone is known exactly, however small it is.
    """
    if factor.in_entries and not factor.error:
        return False
    size = abs(factor.value) * case.setup.num_examples
    return size < 1e-3 or abs(factor.value) <= factor.error


def missing(factor: KLFactor, case: Case) -> Finding:
    """Return why a KL has no weight."""
    if not _is_known(factor, case):
        return _lost(case)
    none_felt = all(is_zero(f, case) for f in case.factors)
    if factor.is_unfelt and case.lags:
        return _read_before(case)
    if factor.is_unfelt and none_felt and case.data.holds_constant:
        return _computed_once(case)
    if factor.entries and any(factor.shares):
        return _no_kl(case)
    if factor.entries and case.objective.kind == "fit":
        is_zero_itself = not np.any(case.entries_of(factor.posterior.layer))
        return _times_zero(case) if is_zero_itself else _left_out(case)
    return _never_added(case) if factor.entries else _no_entry(case)


def is_blurred(factor: KLFactor, case: Case) -> bool:
    """Whether draws leave it open what a KL weighs: by a quarter of it, and of 1/N."""
    return factor.error > 0.25 * max(abs(factor.value), right_factor(case))


def not_called(case: Case) -> Finding:
    """Return the note on a layer that what is minimised never calls."""
    text = "What is minimised never calls this layer, so it has no KL there and is not trained."
    return Finding(
        kind="kl-missing",
        verdict="look",
        message=text,
        value=0.0,
        expected=right_factor(case),
        cure="If the network needs it, call it; else take it out.",
    )


def _is_known(factor: KLFactor, case: Case) -> bool:
    """Whether the network knows that the layer is part of it."""
    return any(layer is factor.posterior.layer for layer in case.network._flatten_layers())


def _lost(case: Case) -> Finding:
    text = (
        "The network calls this layer, but does not know of it: its KL is not in losses, and its "
        "weights are not trained."
    )
    return Finding(
        kind="layer-lost",
        verdict="wrong",
        message=text,
        value=0.0,
        expected=right_factor(case),
        cure="Keep the layer as an attribute of the model, or in a list or dict that is one.",
    )


def _read_before(case: Case) -> Finding:
    text = (
        "The KL that is added is that of the call before: losses was read before the forward "
        "pass. It gives no gradient, so nothing holds the posterior."
    )
    return _stale(text, case)


def _computed_once(case: Case) -> Finding:
    text = (
        f"The objective holds a constant of {case.data.intercept:,.4g} beside the data term, "
        "which no variable moves: a KL that was computed once. It gives no gradient."
    )
    return _stale(text, case)


def _stale(text: str, case: Case) -> Finding:
    return Finding(
        kind="kl-stale",
        verdict="wrong",
        message=text,
        value=0.0,
        expected=right_factor(case),
        cure="Call the network first, then read losses, inside the tape, at every step.",
    )


def _no_entry(case: Case) -> Finding:
    reason = (
        "The layer adds nothing to losses: kernel_divergence_fn or the prior is None, or "
        "nobody calls add_loss."
    )
    by = f"{divisor(case):,.6g}"
    cure = f"Leave prior and divergence in place, and divide the KL by {by}."
    return _missing(reason, cure, case)


def _never_added(case: Case) -> Finding:
    reason = "The layer adds its KL to losses, but what you minimise does not feel it."
    is_alone = all(is_zero(factor, case) for factor in case.factors)
    others = "" if is_alone else " in the place of the KLs that you add now,"
    cure = (
        f"Add {_sum_of_losses(case)}{others} after the forward pass, inside the tape, as a tensor "
        "(no float(), no .numpy()), and read it anew at every step."
    )
    return _missing(reason, cure, case)


def _sum_of_losses(case: Case) -> str:
    """Return how to add the entries of ``losses``, which may be divided by a number already."""
    try:
        units = entry_units(case.network, case.batch.inputs)
    except RuntimeError:  # it adds another number of losses at each call
        units = []
    factors = np.array([u.factor for u in units if u.kind == "kl" and np.isfinite(u.factor)])
    if not factors.size or not np.allclose(factors, factors[0], rtol=0.01):
        return "each layer's KL / N"
    left = divisor(case) * factors[0]
    return "sum(network.losses)" + ("" if abs(left - 1) < 0.01 else f" / {left:.6g}")


def _left_out(case: Case) -> Finding:
    reason = "The layer adds its KL to losses, but your compute_loss leaves losses out."
    cure = f"Add {_sum_of_losses(case).replace('network', 'self')} to what compute_loss returns."
    return _missing(reason, cure, case)


def _no_kl(case: Case) -> Finding:
    reason = (
        "The layer adds an entry to losses, and it counts, but it does not depend on the standard "
        "deviations: it is no KL, which holds -log σ of each weight."
    )
    return _missing(reason, _return_the_kl(case), case)


def _times_zero(case: Case) -> Finding:
    reason = (
        "fit adds what the layer puts into losses, but that is 0: a weight of 0 multiplies the KL, "
        "or the divergence returns none."
    )
    cure = f"{_return_the_kl(case)} A warm-up ends there: keep its weight in a tf.Variable."
    return _missing(reason, cure, case)


def _return_the_kl(case: Case) -> str:
    return (
        f"Let the divergence return the KL divided by N: lambda q, p, _: tfd.kl_divergence(q, p) / "
        f"{divisor(case):.6g}."
    )


def _missing(reason: str, cure: str, case: Case) -> Finding:
    text = f"The KL has no weight in what is minimised, so nothing holds the posterior. {reason}"
    return Finding(
        kind="kl-missing",
        verdict="wrong",
        message=text,
        value=0.0,
        expected=right_factor(case),
        cure=cure,
    )
