"""The right factor of the KL of weights, 1/N, and how factors are compared with it."""

from ..measure.case import Case
from ..report import Finding


def right(case: Case) -> Finding:
    """Return the finding that the KL weighs 1/N."""
    n = case.setup.num_examples
    target = right_factor(case)
    return Finding(
        kind="kl-weight",
        verdict="right",
        message=f"The KL weighs 1/N beside the mean negative log-likelihood, N = {n}.",
        value=target,
        expected=target,
    )


def right_factor(case: Case) -> float:
    """Return 1/N."""
    return 1.0 / case.setup.num_examples


def factor_of(ratio: float, case: Case) -> float:
    """Return the factor of a KL that weighs ``ratio`` times 1/N.

    It has four digits, so that layers with the same factor share a finding.
    """
    return float(f"{ratio / case.setup.num_examples:.4g}")
