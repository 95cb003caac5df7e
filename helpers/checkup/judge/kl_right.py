"""The right factor of the KL of weights, 1/N, and how factors are compared with it."""

from ..measure.case import Case
from ..report import Finding


def right(case: Case) -> Finding:
    """Return the finding that the KL weighs 1/N."""
    n, count = case.setup.num_examples, case.data.averaged_over
    target = right_factor(case)
    text = f"The KL weighs 1/N beside the mean negative log-likelihood, N = {n}."
    if count != 1:
        text = (
            f"The KL weighs {divisor_in_words(case)} beside the mean over N = {n} examples and "
            f"the {count:g} predictions of each."
        )
    return Finding(
        kind="kl-weight", verdict="right", message=text, value=target, expected=target
    )


def divisor(case: Case) -> float:
    """Return what the KL must be divided by: N, times the predictions that a mean is taken over."""
    return case.setup.num_examples * case.data.averaged_over


def divisor_in_words(case: Case) -> str:
    """Return 1 over what the KL must be divided by, as a number that can be written into code."""
    whole = divisor(case)
    return f"1/{whole:.0f}" if abs(whole - round(whole)) < 1e-6 else f"1/{whole:.6g}"


def right_factor(case: Case) -> float:
    """Return 1/N, or less beside a mean over the predictions of an example."""
    return 1.0 / divisor(case)


def factor_of(ratio: float, case: Case) -> float:
    """Return the factor of a KL that weighs ``ratio`` times the right one.

    It has four digits, so that layers with the same factor share a finding.
    """
    return float(f"{ratio / divisor(case):.4g}")
