"""KLs of weights of which a mean was taken where the sum belongs: over weights, or over layers."""

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..measure.mean_of_losses import averages_losses
from ..report import Finding
from .kl_right import factor_of, right_factor


def averaged_over_weights(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    """Return an alarm if the KL is divided by the number of weights of the layer."""
    size = factor.posterior.num_weights
    if case.data.is_sum:  # 1/N beside it is what looks like an average over so many weights
        return None
    if _is_of_all_layers(factor, case):  # one divisor for layers of several sizes
        return None
    if size <= 3 or not any(abs(ratio * size / n - 1) < 0.02 for n in (1, case.setup.num_examples)):
        return None
    text = (
        f"The KL is averaged over the layer's {size:,} weights. The KL of independent "
        "weights is their sum."
    )
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure="Use tf.reduce_sum, or one distribution over all weights (tfd.Independent).",
    )


def _is_of_all_layers(factor: KLFactor, case: Case) -> bool:
    """Whether layers of other sizes have the same factor."""
    others = [f for f in case.factors if f.posterior.num_weights != factor.posterior.num_weights]
    return any(abs(other.value / factor.value - 1) < 0.002 for other in others if factor.value)


def averaged_over_layers(ratio: float, factor: KLFactor, case: Case) -> Finding | None:
    """Return an alarm if the mean of the entries of ``losses`` is added."""
    own = case.objective.kind in ("own", "step")
    if not own or not is_one_share(ratio, case) or factor.entries != 1:
        return None
    if not averages_losses(case):
        return None
    entries = len(case.added)
    text = (
        f"The KL weighs 1/{entries} of 1/N: it is the mean of the {entries} entries of losses. The "
        "KL of independent layers is the sum."
    )
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        value=factor_of(ratio, case),
        expected=right_factor(case),
        sure="measured",
        cure="Use tf.add_n(network.losses) / N.",
    )


def is_one_share(ratio: float, case: Case) -> bool:
    """Whether a KL weighs 1/N over the number of entries, as in a mean of several entries."""
    entries = len(case.added)
    return entries > 1 and abs(ratio * entries - 1) < 0.002
