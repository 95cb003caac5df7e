"""Latent codes that nothing holds near their prior."""

from ..measure.case import Case
from ..measure.held_codes import Code, Held, latent_codes
from ..report import Finding


def check_codes(case: Case) -> list[Finding]:
    """Return an alarm for each code of which only draws are felt: no KL, no entropy."""
    return [_judge(code) for code in latent_codes(case) if code.held is Held.NOT]


def _judge(code: Code) -> Finding:
    text = (
        "The layer puts out a distribution and a draw of it is used, but what is minimised feels "
        "nothing of the distribution itself: the codes have no KL, so nothing keeps them near a "
        "prior, and their spread will vanish."
    )
    cure = (
        "Put tfp.layers.KLDivergenceAddLoss(prior) behind the layer, or add "
        "tf.reduce_mean(tfd.kl_divergence(q, prior)) to what you minimise."
    )
    if code.idle:
        text += f" The layer {', '.join(code.idle)} would add it, but is never called."
        cure = f"Call {', '.join(code.idle)} on the codes, and use what it returns."
    return Finding(
        kind="kl-missing",
        verdict="wrong",
        message=text,
        layer=code.name,
        value=0.0,
        expected=1.0,
        cure=cure,
    )
