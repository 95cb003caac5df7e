"""A log-likelihood that is averaged over what belongs to an example: pixels, steps, columns."""

import dataclasses

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..measure.kls_of_codes import kls_of_codes, weighs_one
from ..report import Finding, Verdict
from .kl_right import factor_of, right_factor


def averaged_predictions(ratio: float, _factor: KLFactor, case: Case) -> Finding | None:
    """Return an alarm if a KL weighs 1/N beside the mean over the predictions of an example.

    Parameters
    ----------
    ratio
        The weight of the KL, in units of its right weight beside that mean.
    """
    count = case.data.averaged_over
    if count == 1 or abs(ratio / count - 1) > 0.01:
        return None
    return _averaged(case, factor_of(ratio, case), right_factor(case), "wrong")


def check_averaged(case: Case) -> list[Finding]:
    """Return a note where the data term is such a mean and no KL of weights stands beside it."""
    heads = case.data.heads
    if case.bayesian_layers and heads and _differ(case):
        return [_unlike_heads(case)]
    if case.data.averaged_over == 1 or case.bayesian_layers or not case.added:
        return []
    count = case.data.averaged_over
    weights = [kl.ratio for kl in kls_of_codes(case)]
    if weights and not any(weighs_one(weight) for weight in weights):
        return []  # what they weigh beside this mean is said of each
    return [_averaged(case, 1 / count, 1.0, "wrong" if weights else "look", of_codes=True)]


def _averaged(
    case: Case, value: float, expected: float, verdict: Verdict, *, of_codes: bool = False
) -> Finding:
    count, n = case.data.averaged_over, case.setup.num_examples
    if count < 1:
        return _of_known(case, value, expected, verdict)
    each = f"{round(count, 2):,g}"
    text = (
        f"The data term is the mean over the {each} predictions of each example, as Keras's losses "
        "take it (pixels, steps or columns). The log-likelihood of an example is their sum: "
    )
    cure = (
        f"Divide the KL by {count * n:.6g} (N = {n} times {each}) in place of {n}; or keep it "
        f"and multiply the loss by {each}."
    )
    if verdict == "look":
        text += f"next to this mean, the KL of a code must be divided by {each} too."
        cure = f"If it is not, sum over the predictions: multiply the loss by {each}."
    elif of_codes:
        text += (
            f"next to this mean, the KL of a code, which weighs 1, weighs {each} times too much."
        )
        cure = (
            f"Sum over the predictions: multiply the loss by {each}. Or give the KL the weight "
            f"1/{each}."
        )
    else:
        text += f"next to this mean, a KL divided by N weighs {each} times too much."
    return Finding(
        kind="likelihood-averaged",
        verdict=verdict,
        message=text,
        value=value,
        expected=expected,
        sure="measured",
        cure=cure,
    )


def _of_known(case: Case, value: float, expected: float, verdict: Verdict) -> Finding:
    """Return the finding for one prediction an example, of which some are ignored."""
    share, n = case.data.averaged_over, case.setup.num_examples
    text = (
        f"Of the targets only {share:.1%} are known, the others are ignored, and the data term is "
        f"the mean over the known ones: beside it a KL divided by N weighs {1 / share:.3g} times "
        "too little."
    )
    return Finding(
        kind="likelihood-averaged",
        verdict=verdict,
        message=text,
        value=value,
        expected=expected,
        sure="measured",
        cure=f"Divide the KL by {share * n:.6g}, the number of known targets, in place of {n}.",
    )


def _differ(case: Case) -> bool:
    """Whether all outputs are likelihoods, with factors that differ."""
    return all(head.is_likelihood for head in case.data.heads) and not case.data.has_one_factor


def _unlike_heads(case: Case) -> Finding:
    """Return what it means that the outputs of a network count unequally in the data term."""
    heads = case.data.heads
    rows = case.data.rows if case.data.is_sum else 1
    shares = ", ".join(f"{head.head} {head.slope / rows:.4g}" for head in heads)
    are_means = all(abs(h.slope / rows * h.predictions - 1) < 0.01 for h in heads)
    text = (
        f"The outputs count unequally in the data term ({shares} times the negative log-likelihood "
        "of an example). The log-likelihood of an example is the plain sum over its outputs"
    )
    if are_means:
        counts = ", ".join(f"{h.head} {h.predictions:.6g}" for h in heads)
        text += f"; Keras takes means over the predictions of an example ({counts})."
    else:
        text += ". Weights of outputs make another model of it, whose likelihood is tempered."
    weights = ", ".join(f"{h.head!r}: {h.predictions:.6g}" for h in heads)
    cure = f"Compile with loss_weights={{{weights}}}, so that every output counts in full."
    found = Finding(kind="likelihood-weighted", verdict="look", message=text, cure=cure)
    if are_means:
        return dataclasses.replace(found, kind="likelihood-averaged", verdict="wrong")
    return found
