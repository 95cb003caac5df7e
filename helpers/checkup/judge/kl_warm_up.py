"""A factor of the KL that is a variable, as in a warm-up: what is wrong now may be right later."""

import dataclasses
from typing import Any

from ..report import Finding


def beside_warm_up(finding: Finding, variable: Any) -> Finding:
    """Turn an alarm on the factor into a note: it is a variable, so it will change.

    Parameters
    ----------
    finding
        What is to be said of the factor as it is now.
    variable
        The scalar variable that the KL is multiplied by.
    """
    if finding.kind in ("layer-lost", "kl-counted-twice", "kl-wrong-sign"):
        return finding
    if finding.verdict == "right":
        return finding
    now = "the KL has no weight." if finding.kind == "kl-missing" else finding.message
    text = (
        f"The KL is multiplied by a variable, now {float(variable.numpy()):.4g}: a warm-up. It "
        f"must end at the right value. As it stands: {now}"
    )
    cure = (
        "Let a callback assign the final value before training ends, such that the KL weighs 1/N "
        "beside a mean NLL, and check the trained network again."
    )
    return dataclasses.replace(
        finding,
        kind="kl-weight-variable",
        verdict="look",
        message=text,
        sure="measured",
        cure=cure,
    )
