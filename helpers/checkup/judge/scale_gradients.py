"""Scales of posteriors that no gradient of the data term can shape."""

from ..measure.case import Case
from ..measure.scale_variables import reaches_outputs, scale_variables
from ..report import Finding


def check_scale_gradients(case: Case) -> list[Finding]:
    """Return an alarm for each layer whose outputs do not depend on its posterior's scales."""
    random = [posterior for posterior in case.posteriors if posterior.is_random]
    names = [p.name for p in random if not reaches_outputs(case, scale_variables(p))]
    if not names:
        return []
    text = (
        "No variable of the posterior's scale reaches the outputs, so no gradient of the data term "
        "can shape the standard deviations."
    )
    cure = (
        "Draw the weights in every call (kernel_posterior_tensor_fn=lambda d: d.sample()), and "
        "compute the scale from its variable inside the call, or with "
        "tfp.util.TransformedVariable."
    )
    return [
        Finding(
            kind="no-scale-gradient",
            verdict="wrong",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            value=0.0,
            sure="measured",
            cure=cure,
        )
    ]
