"""The right factor of the KL of weights, 1/N, and how factors are compared with it."""

from ..measure.case import Case
from ..report import Finding


def right(case: Case) -> Finding:
    """Return the finding that the KL weighs 1/N."""
    n, target = case.setup.num_examples, right_factor(case)
    share = "1/N" if case.data.averaged_over == 1 else f"1/{divisor(case):.6g}"
    text = f"The KL weighs {share} beside {beside(case)}, N = {n}."
    if any(not head.is_likelihood for head in case.data.heads):
        text = (
            f"The KL weighs {share}, N = {n}. That is right once {beside(case)} stands beside it, "
            "which the data term is not yet."
        )
    return Finding(kind="kl-weight", verdict="right", message=text, value=target, expected=target)


def beside(case: Case) -> str:
    """Return in words what stands beside the KL."""
    if case.data.averaged_over == 1:
        return "the mean negative log-likelihood"
    count = f"{case.data.averaged_over:.6g}"
    return f"the mean over the examples and the {count} predictions of each"


def divisor(case: Case) -> float:
    """Return what the KL must be divided by: N, times the predictions that a mean is taken over."""
    return case.setup.num_examples * case.data.averaged_over


def right_factor(case: Case) -> float:
    """Return 1/N, or less beside a mean over the predictions of an example."""
    return 1.0 / divisor(case)


def factor_of(ratio: float, case: Case) -> float:
    """Return the factor of a KL that weighs ``ratio`` times the right one.

    It has four digits, so that layers with the same factor share a finding.
    """
    return float(f"{ratio / divisor(case):.4g}")
