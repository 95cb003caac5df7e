"""Whether the data term is a likelihood."""

from typing import Any

from ..measure.case import Case
from ..report import Finding, Sureness, Verdict

SQUARED = {"mse", "mean_squared_error", "meansquarederror", "root_mean_squared_error"}
ABSOLUTE = {
    "mae",
    "mean_absolute_error",
    "meanabsoluteerror",
    "huber",
    "log_cosh",
    "logcosh",
}
ABSOLUTE |= {"hinge", "squared_hinge", "cosine_similarity", "mean_absolute_percentage_error"}

CURE = (
    "Give the network a distribution as output, or write -tfd.Normal(outputs, noise).log_prob(y), "
    "with a noise that you choose or learn; for classes, the cross-entropy."
)


def check_likelihood(case: Case) -> list[Finding]:
    """Return what the data term is, and an alarm if it is no negative log-likelihood."""
    data, name = case.data, _loss_name(case)
    if not case.bayesian_layers or case.objective.kind == "losses":
        return []
    if name in SQUARED or (data.name == "squared error" and _plain(case)):
        return [_squared("measured" if name else "likely")]
    if name in ABSOLUTE or (data.name == "absolute error" and _plain(case)):
        return [_absolute(name or "the absolute error")]
    if data.name == "softmax twice":
        return [_softmax_twice(case)]
    if data.name == "logits as probabilities":
        return [_logits_as_probabilities()]
    if data.slope < 0:
        return [_negated(case)]
    if not data.is_identified:
        return []
    text = f"The data term is a negative log-likelihood ({data.name})."
    return [Finding(kind="likelihood", verdict="right", message=text)]


def _squared(sure: Sureness) -> Finding:
    text = (
        "The data term is the mean squared error. As a likelihood that is a Gaussian whose noise "
        "has variance 1/2 (C/2 for C output columns, whose mean Keras takes), whatever the unit of "
        "the targets, so the balance with the KL is an accident."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        value=0.5,
        sure=sure,
        cure=CURE,
    )


def _absolute(name: str) -> Finding:
    text = f"The data term is {name}, which is no log-likelihood."
    return Finding(kind="no-likelihood", verdict="wrong", message=text, sure="likely", cure=CURE)


def _softmax_twice(case: Case) -> Finding:
    verdict: Verdict = "wrong" if case.objective.kind in ("own", "step") else "look"
    return Finding(
        kind="no-likelihood",
        verdict=verdict,
        message="The outputs are probabilities already, and the loss applies softmax once more.",
        sure="measured",
        cure="Drop the softmax of the last layer, or from_logits=True.",
    )


def _logits_as_probabilities() -> Finding:
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message="The outputs are logits, but the loss takes them for probabilities.",
        sure="measured",
        cure="Use from_logits=True, or give the last layer a softmax.",
    )


def _negated(case: Case) -> Finding:
    """Judge a data term that grows with the likelihood."""
    if all(factor.value < 0 for factor in case.factors):
        text = "This is an ELBO, which grows with the fit: minimise its negative."
        return Finding(kind="likelihood", verdict="look", message=text, value=-1.0, expected=1.0)
    text = (
        "The data term has the wrong sign: it is the log-likelihood itself, so that minimising it "
        "makes the fit worse."
    )
    return Finding(
        kind="no-likelihood",
        verdict="wrong",
        message=text,
        value=-1.0,
        expected=1.0,
        sure="measured",
        cure="Minimise -log_prob.",
    )


def _plain(case: Case) -> bool:
    """Whether it is that error itself: no factor 1 / (2 noise²), no constant of a density."""
    data = case.data
    slope = data.slope / case.batch.size if data.is_sum else data.slope
    return abs(slope - 1) < 1e-3 and abs(data.intercept) < 1e-3 * (1 + abs(data.slope))


def _loss_name(case: Case) -> str:
    """Return the name of the Keras loss, in lower case, or ""."""
    loss = case.setup.loss
    if case.objective.kind == "fit":
        loss = getattr(case.network, "loss", None)
    if isinstance(loss, str):
        return loss.lower().removesuffix("_loss")
    name: Any = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    known = type(loss).__module__.startswith(("tf_keras", "keras")) or getattr(
        loss, "__module__", ""
    ).startswith(("tf_keras", "keras"))
    return str(name).lower().removesuffix("_loss") if known else ""
