"""Data that no network should be given as they are: NaN, and bytes."""

from ...model.inputs import word_on_bytes
from ..measure.case import Case
from ..report import Finding


def check_values(case: Case) -> list[Finding]:
    """Return an alarm for NaN, and a note on grey values from 0 to 255 that nothing scales."""
    found = []
    if case.setup.not_finite:
        text = f"{case.setup.not_finite.split(': remove')[0]}. The loss is NaN wherever they occur."
        cure = "Remove these examples, or fill the gaps."
        found.append(Finding(kind="not-finite", verdict="wrong", message=text, cure=cure))
    if said := word_on_bytes(case.network, case.batch.inputs):
        message, _, cure = said.partition(" Scale ")
        found.append(
            Finding(kind="inputs-not-scaled", verdict="look", message=message, cure=f"Scale {cure}")
        )
    return found
