"""What the entries of ``losses`` weigh, where nothing is known of what the reader adds them to."""

import dataclasses

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..report import Finding, Verdict
from .kl_missing import missing
from .kl_ratio import counted_often, judge_ratio
from .kl_right import right


def judge_entries(factor: KLFactor, case: Case) -> Finding:
    """Return what the entries of a layer weigh."""
    n, value = case.setup.num_examples, factor.value
    if not factor.entries:
        return missing(factor, case)
    if abs(value * n - 1) < 0.01:
        return right(case)
    if abs(value - 1) < 0.01:
        return _in_nats(n)
    for unit in (1, 1 / n):
        if (twice := counted_often(value / unit, factor, case)) and factor.entries > 1:
            return twice
    found = judge_ratio(value * n, factor, case)
    text = found.message + " That is seen in losses alone; how you weigh them is not known."
    verdict: Verdict = "wrong" if "averaged" in text else "look"
    return dataclasses.replace(found, verdict=verdict, message=text, sure="possible")


def _in_nats(n: int) -> Finding:
    cure = (
        f"In your own loop minimise mean NLL + sum(losses) / {n}. With compile and fit it "
        "would not be scaled: divide inside kernel_divergence_fn."
    )
    return Finding(
        kind="kl-in-nats",
        verdict="look",
        message=f"Its entry of losses is the KL in nats, not divided by N = {n}.",
        value=1.0,
        expected=1.0,
        cure=cure,
    )
