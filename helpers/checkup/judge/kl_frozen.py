"""A factor of the KL that a compiled step keeps, though the code has another one by now."""

from ..measure.case import Case
from ..report import Finding


def check_traced(case: Case) -> list[Finding]:
    """Return an alarm if what was compiled weighs the KL in another way than the code of today."""
    if not case.traced_differs:
        return []
    text = (
        "What fit (or tf.function) has compiled weighs the KL differently from the code as it is "
        "now: a number of Python was changed since, which the compiled step does not see."
    )
    return [
        Finding(
            kind="kl-frozen-at-trace",
            verdict="wrong",
            message=text,
            layer=", ".join(dict.fromkeys(f.posterior.name for f in case.factors)),
            sure="measured",
            cure="Keep the weight in a tf.Variable and assign to it, or compile again.",
        )
    ]
