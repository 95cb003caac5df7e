"""What the KL of weights weighs beside the data term that there is: a mean, a sum, a whole ELBO."""

from ..measure.case import Case
from ..measure.kl_factor import KLFactor
from ..report import Finding
from .kl_ratio import counted_often, judge_ratio
from .kl_right import right, right_factor
from .kl_warm_up import halving


def beside_data_term(factor: KLFactor, case: Case) -> Finding:
    """Return what a factor that is not zero means beside the data term."""
    if not case.data.is_known:
        return _beside_unknown(factor, case, "the data term is no log-likelihood that is known")
    if len(case.data.heads) > 1 and not case.data.has_one_factor:
        return _beside_unknown(factor, case, "the outputs count unequally in the data term")
    if case.data.is_sum:
        return _beside_a_sum(factor, case)
    if abs(factor.value_twice / factor.value - 0.5) < 0.01:
        return _per_row(factor, case)
    return judge_ratio(factor.value * case.setup.num_examples / _scale(case), factor, case)


def _beside_unknown(factor: KLFactor, case: Case, reason: str) -> Finding:
    """Judge λ beside a data term of which no plain likelihood is known."""
    if factor.value < 0:
        return judge_ratio(factor.value * case.setup.num_examples, factor, case)
    # The entries of a layer are of all its posteriors, of the kernel and of the bias.
    sharing = sum(f.posterior.layer is factor.posterior.layer for f in case.factors)
    times = max(sum(factor.shares) / max(sharing, 1), 1.0)
    is_whole = abs(factor.value * case.setup.num_examples - 1) < 0.01  # all entries together
    if not is_whole and (twice := counted_often(times, factor, case)) is not None:
        return twice
    share = f"1/{1 / factor.value:,.5g}" if factor.value < 1 else f"{factor.value:,.5g}"
    text = (
        f"The KL weighs {share}. Whether that is right cannot be told, since {reason}; beside the "
        f"mean of a log-likelihood, in nats, 1/N would be, 1/{case.setup.num_examples}."
    )
    return Finding(kind="kl-weight", verdict="unknown", message=text, value=factor.value)


def _scale(case: Case) -> float:
    """Return the factor of the mean NLL: 1, 1 over a number of predictions, or N of a whole ELBO.

    A whole ELBO that grows with the fit has a negative one, as its KL has. Where only one of the
    two has a wrong sign, another finding says so.
    """
    slope = case.data.slope
    if not case.data.is_identified:
        return 1.0
    negated = slope < 0 and all(f.value < 0 for f in case.factors)
    return slope if negated else abs(slope)


def _beside_a_sum(factor: KLFactor, case: Case) -> Finding:
    """Judge λ beside a sum over the batch, where B / N is right."""
    n, rows = case.setup.num_examples, case.batch.size
    whole = _scale(case) / rows if case.data.is_identified else 1.0
    if abs(factor.value_twice / factor.value - 2) < 0.02:
        return judge_ratio(factor.value * n / (whole * rows), factor, case)
    batch = factor.value * n / whole
    if case.setup.batch_size:
        return judge_ratio(batch / case.setup.batch_size, factor, case)
    return _for_unknown_batch(batch, factor, case)


def _for_unknown_batch(batch: float, factor: KLFactor, case: Case) -> Finding:
    """Judge λ beside a sum by the batch size for which it would be right."""
    n = case.setup.num_examples
    full = abs(batch / n - 1) < 0.01
    if full and case.objective.kind == "own" and case.setup.num_inputs == n and n <= 1000:
        text = (
            "The data term is a sum over the batch and the KL has weight 1: right only if every "
            "batch is the whole data set. Pass batch_size= to say so."
        )
        return _possibly_right(text, factor, "Else multiply the KL by B/N, B rows in a batch.")
    halves = halving(factor, case) if abs(batch - round(batch)) > 1e-3 * batch else None
    if halves is not None:
        return halves
    if 1.9 < batch < 0.7 * n and not full:
        text = (
            f"The data term is a sum over the batch and the KL has weight 1/{n / batch:,.4g}: "
            f"right only if you train with batches of {batch:,.4g} examples. Pass batch_size= to "
            "say so."
        )
        return _possibly_right(text, factor, "Else multiply the KL by B/N, B rows in a batch.")
    return judge_ratio(n if full else batch / 32, factor, case)


def _per_row(factor: KLFactor, case: Case) -> Finding:
    """Judge a KL that is divided by the number of rows of the batch."""
    n = case.setup.num_examples
    text = (
        "The KL is divided by the number of rows in the batch, not by the number N of training "
        "examples."
    )
    if case.setup.batch_size == n:
        return right(case)
    may_be_whole = case.setup.num_inputs == n and n <= 500 and case.setup.batch_size is None
    if case.objective.kind == "own" and may_be_whole:
        text += (
            " That is right only if every batch is the whole data set: pass batch_size= to say so."
        )
        return _possibly_right(text, factor, "Divide by the number of training examples.")
    return Finding(
        kind="kl-wrong-count",
        verdict="wrong",
        message=text,
        value=factor.value,
        expected=right_factor(case),
        sure="measured",
        cure="Divide by the number of training examples, a constant.",
    )


def _possibly_right(text: str, factor: KLFactor, cure: str) -> Finding:
    return Finding(
        kind="kl-weight",
        verdict="unknown",
        message=text,
        value=factor.value,
        sure="possible",
        cure=cure,
    )
