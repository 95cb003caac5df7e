"""Layers whose weights are not draws of their posterior."""

from ..measure.case import Case
from ..measure.layer_draws import LayerDraws, layer_draws
from ..report import Finding


def check_draws(case: Case) -> list[Finding]:
    """Return an alarm for each layer that draws from something else than its posterior."""
    measured = [layer_draws(posterior) for posterior in case.posteriors if posterior.is_random]
    return [_judge(found) for found in measured if found is not None and _is_odd(found)]


def _is_odd(found: LayerDraws) -> bool:
    """Whether draws differ; those without any spread are told by another check."""
    return found.differ and found.spread > 1e-3


def _judge(found: LayerDraws) -> Finding:
    text = (
        f"The weights that the layer draws have {found.spread:.3g} times the standard deviation of "
        "its posterior"
    )
    if found.shift > 2.0:
        text += ", and another mean"
    text += (
        ". What is trained and what the KL describes are then two distributions; predictions have "
        "the doubt of the first."
    )
    cure = (
        "Draw the weights once and use them as they are: kernel_posterior_tensor_fn=lambda d: "
        "d.sample(), or a posterior layer that keeps convert_to_tensor_fn=tfd.Distribution.sample."
    )
    return Finding(
        kind="draws-differ",
        verdict="wrong",
        message=text,
        layer=found.posterior.name,
        value=float(f"{found.spread:.4g}"),
        expected=1.0,
        cure=cure,
    )
