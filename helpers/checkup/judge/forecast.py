"""What a KL that nobody scales will do, as far as the pull of the data term lets one say."""

import dataclasses

from ..measure.case import Case
from ..measure.pull import Pull, pulls
from ..report import Finding


def with_forecast(case: Case, findings: list[Finding]) -> list[Finding]:
    """Say of a KL that is not scaled what becomes of the posterior, if that is clear."""
    unscaled = [finding for finding in findings if finding.kind == "kl-not-scaled"]
    if not unscaled:
        return findings
    named = {name for finding in unscaled for name in (finding.layer or "").split(", ")}
    posteriors = [factor.posterior for factor in case.factors if factor.posterior.name in named]
    found = pulls(case, posteriors)
    names = {id(posterior): posterior.name for posterior in posteriors}

    def told(finding: Finding) -> Finding:
        """Return the finding, its message followed by which of the two terms will win, if clear."""
        own = [pull for key, pull in found.items() if names[key] in (finding.layer or "")]
        text = _forecast(own)
        return dataclasses.replace(finding, message=f"{finding.message} {text}".rstrip())

    return [told(finding) if finding in unscaled else finding for finding in findings]


def _forecast(found: list[Pull]) -> str:
    """Return a sentence, "" if the two terms are about as strong or differ between layers."""
    if found and all(pull.kl_rules for pull in found):
        return "It outweighs the data term, and the posterior will collapse onto the prior."
    if found and all(pull.data_rule for pull in found):
        return (
            "Yet the data term is stronger still: it draws the standard deviations down. See that "
            "the noise of the likelihood is not too small."
        )
    return ""
