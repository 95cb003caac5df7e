"""Penalties and unknown entries that stand in ``losses`` beside the KLs of weights."""

from ..measure.case import Case
from ..measure.other_entries import layers_with_penalties, layers_with_unknown_entries
from ..measure.pulled_means import pulled_means
from ..report import Finding

CURE = "Scale inside kernel_divergence_fn, or add up the KLs by name (losses_by_layer)."


def check_regularisers(case: Case) -> list[Finding]:
    """Return notes on penalties in ``losses``, and on entries that may be penalties."""
    if not case.bayesian_layers:
        return []
    penalties, unknown = layers_with_penalties(case), layers_with_unknown_entries(case)
    return [
        *_decayed(case),
        *_by_hand(pulled_means(case)),
        *_mixed(penalties),
        *_unknown([name for name in unknown if name not in penalties]),
    ]


def _decayed(case: Case) -> list[Finding]:
    """Return a note on an optimizer that shrinks all variables, those of the scales too."""
    decay = getattr(getattr(case.network, "optimizer", None), "weight_decay", None)
    if not decay or case.objective.kind != "fit":
        return []
    text = (
        f"The optimizer has weight_decay={decay:g}: beside the KL it shrinks every variable at "
        "each step, those of the standard deviations too, so the posterior is not that of the ELBO."
    )
    cure = "Compile with tf_keras.optimizers.Adam: the prior of the KL is what holds the weights."
    return [Finding(kind="regularisers-mixed-in", verdict="look", message=text, cure=cure)]


def _by_hand(names: list[str]) -> list[Finding]:
    """Return a note on a penalty of posterior means that stands in no entry of ``losses``."""
    if not names:
        return []
    text = (
        "Beside the data term and the KL, what is minimised pulls at the posterior means by "
        "itself: a penalty that is written by hand (tf.nn.l2_loss, weight decay), or a KL to "
        "another prior than the layer's. A penalty pulls the means twice, as a narrower prior "
        "does, but leaves the standard deviations to the KL."
    )
    cure = "Leave the penalty out: the KL is the regulariser, and its prior says how strong it is."
    return [
        Finding(
            kind="regularisers-mixed-in",
            verdict="look",
            message=text,
            layer=", ".join(names),
            sure="likely",
            cure=cure,
        )
    ]


def _mixed(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "losses also holds penalties that are no KL (a regularizer). Whatever divides the sum of "
        "losses by N divides them too, and sum(losses) is not the KL."
    )
    return [
        Finding(
            kind="regularisers-mixed-in",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            cure=CURE,
        )
    ]


def _unknown(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "losses also holds entries that the check-up does not know: a penalty, or a KL of your "
        "own. Whatever divides the sum of losses by N divides them too: right for a KL of weights, "
        "wrong for a penalty and for a KL of each example."
    )
    return [
        Finding(
            kind="regularisers-mixed-in",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            sure="possible",
            cure=f"See what they are. If penalties: {CURE[0].lower()}{CURE[1:]}",
        )
    ]
