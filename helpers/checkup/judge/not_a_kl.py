"""Entries of ``losses`` that no multiple of a KL is, and slopes that are the weight of nothing."""

from ..measure.case import Case
from ..measure.kl_entries import KLEntry
from ..measure.kl_factor import KLFactor
from ..report import Finding

CURE = (
    "Let the divergence return tfd.kl_divergence(q, p) / N, or log q(w) - log p(w) of a draw over "
    "N, and nothing else, where its first argument is the posterior q and its second the prior p; "
    "what you add on purpose belongs into a loss of its own."
)


def check_entries(case: Case) -> list[Finding]:
    """Return alarms on entries that are no KL, and notes on constants that stand beside one."""
    found = [_no_kl(entry) for entry in case.entries if not entry.is_kl]
    constants = [entry for entry in case.entries if entry.holds_constant]
    return [*found, *map(_constant, constants)]


def is_no_kl(factor: KLFactor, case: Case) -> bool:
    """Whether an entry that depends on this posterior's scale is no KL."""
    return any(factor.posterior in entry.posteriors for entry in case.entries if not entry.is_kl)


def without_plateau(factor: KLFactor) -> Finding:
    """Return the alarm for a slope along log σ that differs between two depths.

    Of a layer that keeps no distribution, σ may have a floor; only an entry of ``losses`` tells it.
    """
    if factor.posterior.make is None and not factor.entries:
        return Finding(
            kind="not-checked",
            verdict="unknown",
            message=(
                "The weight of the KL could not be told: it does not come through losses, and how "
                "the standard deviations follow their variable is not known."
            ),
            layer=factor.posterior.name,
            sure="possible",
            cure=(
                "Let the layer add its KL in call, self.add_loss(kl / N), and the loop add "
                "sum(network.losses)."
            ),
        )
    if factor.in_entries > 0 and factor.posterior.make is not None:
        return _pulled_otherwise(factor)
    if factor.is_unfelt:
        return _penalty_in_its_place(factor)
    text = (
        "What stands for the KL is none: where all standard deviations are tiny, the slope of what "
        f"is minimised along log σ is {factor.value:.3g} per weight, and {factor.higher:.3g} where "
        "they are ten times as large. Of a KL it is the same."
    )
    return Finding(
        kind="not-a-kl",
        verdict="wrong",
        message=text,
        layer=factor.posterior.name,
        value=float(f"{factor.value:.4g}"),
        expected=float(f"{factor.higher:.4g}"),
        cure=CURE,
    )


def _pulled_otherwise(factor: KLFactor) -> Finding:
    """Return the alarm for what pulls at the scales beside a KL that ``losses`` does hold."""
    text = (
        f"losses adds the KL {factor.in_entries:.4g} times, but something else that is minimised "
        "pulls at the standard deviations as well, and not as a KL does: a penalty on all "
        "trainable variables (weight decay, tf.nn.l2_loss of each) holds those of the scales too."
    )
    return Finding(
        kind="not-a-kl",
        verdict="wrong",
        message=text,
        layer=factor.posterior.name,
        value=float(f"{factor.value:.4g}"),
        expected=float(f"{factor.in_entries:.4g}"),
        cure=(
            "Leave that penalty out: the KL is the regulariser of these weights. Layers without a "
            "posterior take kernel_regularizer=."
        ),
    )


def _penalty_in_its_place(factor: KLFactor) -> Finding:
    """Return the alarm for a penalty on the scales where the KL in ``losses`` is not added."""
    text = (
        "The layer adds its KL to losses, but what you minimise does not feel it. Something else "
        "pulls at the standard deviations, and not as a KL does: a penalty on all trainable "
        "variables (weight decay, tf.nn.l2_loss of each)."
    )
    return Finding(
        kind="kl-missing",
        verdict="wrong",
        message=text,
        layer=factor.posterior.name,
        value=0.0,
        cure=(
            "Put sum(network.losses) in the place of that penalty, after the forward pass: the KL "
            "is the regulariser of these weights."
        ),
    )


def _no_kl(entry: KLEntry) -> Finding:
    if entry.weight == 0:
        text = (
            f"The entry in losses is no KL: it is worth {entry.nats:.4g} as it stands, and where "
            "all standard deviations are tiny it does not change with them, as a KL would."
        )
    else:
        text = (
            f"The entry in losses is no KL. Its slope where all standard deviations are tiny is "
            f"that of {entry.weight:.4g} times the KL; {entry.where} the entry is worth "
            f"{entry.nats:.4g} such nats and the KL {entry.kl:.4g}, a difference that changes from "
            "place to place."
        )
    return Finding(
        kind="not-a-kl",
        verdict="wrong",
        message=text,
        layer=_names(entry),
        value=float(f"{entry.nats:.4g}"),
        expected=float(f"{entry.kl:.4g}"),
        cure=CURE,
    )


def _constant(entry: KLEntry) -> Finding:
    text = (
        f"A constant stands beside the KL: {entry.rest:.3g} of the {entry.nats:.3g} nats in this "
        "entry of losses are no KL. It moves no weight, but losses and an ELBO made of it are off "
        "by that number."
    )
    return Finding(
        kind="kl-constant",
        verdict="look",
        message=text,
        layer=_names(entry),
        value=float(f"{entry.rest:.4g}"),
        expected=0.0,
        cure="Leave it out of the divergence.",
    )


def _names(entry: KLEntry) -> str:
    return ", ".join(dict.fromkeys(posterior.name for posterior in entry.posteriors))
