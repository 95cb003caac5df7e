"""Saying what the measured factor of the KL means."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Case
from .columns import averaged_columns
from .entries import SHAPE_CURE, check_shapes, differing_shapes
from .gradients import reaches_outputs, scale_variables
from .kl_weight import KLWeight
from .mean_of_losses import averages_losses
from .report import Finding, Sureness, Verdict

SAME = 3e-3  # factors that differ by less are the same
TEMPERATURES = (0.25, *(m * 10.0**e for e in (-1, -2, -3, -4) for m in (5, 2, 1)))


@dataclass(frozen=True)
class Diagnosis:
    """Kind, verdict and words for one value of the KL's factor."""

    kind: str
    verdict: Verdict
    message: str
    cure: str = ""
    sure: Sureness = "measured"
    value: float | None = None
    expected: float | None = None


def check_shapes_and_weights(case: Case) -> list[Finding]:
    """Return what is to be said of each KL: its shape first, then its factor."""
    shapes = check_shapes(case)
    if case.traced_differs:
        shapes.append(_frozen(case))
    broadcast = {finding.layer for finding in shapes}
    weights = [w for w in case.weights if w.posterior.name not in broadcast]
    found = _judged(weights, case)
    if case.scalar is not None:
        found = [_of_variable(f, case.scalar) for f in found]
    return shapes + found


def _of_variable(finding: Finding, variable: Any) -> Finding:
    """Turn an alarm on the factor into a note: it is a variable, so it will change."""
    if finding.kind in ("layer-lost", "kl-counted-twice", "kl-wrong-sign"):
        return finding
    if finding.verdict == "right":
        return finding
    value = float(variable.numpy())
    now = "the KL has no weight." if finding.kind == "kl-missing" else finding.message
    text = (
        f"The KL is multiplied by a variable, now {value:.4g}: a warm-up. It must end at the right "
        f"value. As it stands: {now}"
    )
    cure = (
        "Let a callback assign the final value before training ends, such that the KL weighs 1/N "
        "beside a mean NLL, and check the trained network again."
    )
    return Finding(
        "kl-weight-variable",
        "look",
        text,
        finding.layer,
        finding.value,
        finding.expected,
        "measured",
        cure,
    )


def _judged(weights: list[KLWeight], case: Case) -> list[Finding]:
    """Return one finding for each different fate of a KL, naming the layers that share it."""
    groups: dict[Diagnosis, list[str]] = {}
    for weight in _snapped(weights):
        if np.isfinite(weight.weight) and not _without_scale(weight, case):
            found = _of_part(diagnose(weight, case), weight)
            if found.verdict == "wrong" and weight.entries and differing_shapes(weight.posterior):
                found = _broadcast(found)
            groups.setdefault(found, []).append(weight.posterior.name)
    return [
        Finding(
            d.kind,
            d.verdict,
            d.message,
            ", ".join(dict.fromkeys(names)),
            d.value,
            d.expected,
            d.sure,
            d.cure,
        )
        for d, names in groups.items()
    ]


def _without_scale(weight: KLWeight, case: Case) -> bool:
    """Whether the KL is felt, but not through a scale that any data could shape."""
    felt = any(weight.shares) and _is_zero(weight, case)
    return felt and not reaches_outputs(case, scale_variables(weight.posterior))


def _of_part(found: Diagnosis, weight: KLWeight) -> Diagnosis:
    """Say in the words of the bias what concerns a bias."""
    if weight.posterior.part != "bias" or found.verdict == "right":
        return found
    cure = found.cure.replace("kernel_divergence_fn", "bias_divergence_fn")
    text = f"This is about the bias. {found.message}"
    if found.kind == "kl-missing" and weight.posterior.prior() is None:
        text = "The bias has a posterior but no prior, so it has no KL and nothing holds it."
        cure = "Give bias_prior_fn too, for instance tfp.layers.default_multivariate_normal_fn."
    return dataclasses.replace(found, message=text, cure=cure)


def _snapped(weights: list[KLWeight]) -> list[KLWeight]:
    """Give factors that differ by rounding errors only the same digits."""
    seen: list[float] = []
    snapped = []
    for weight in weights:
        near = [w for w in seen if abs(weight.weight - w) < SAME * abs(w)]
        value = near[0] if near else weight.weight
        seen.append(value)
        snapped.append(dataclasses.replace(weight, weight=value))
    return snapped


def _broadcast(found: Diagnosis) -> Diagnosis:
    text = (
        "Posterior and prior have different shapes, so their densities are broadcast. "
        + found.message
    )
    return Diagnosis(
        "wrong-shape", "wrong", text, SHAPE_CURE, "measured", found.value, found.expected
    )


def diagnose(weight: KLWeight, case: Case) -> Diagnosis:
    """Return what the factor of one posterior's KL means."""
    if case.objective.kind == "losses":
        return _of_entries(weight, case)
    if _is_zero(weight, case):
        return _missing(weight, case)
    if case.data.is_sum:
        return _beside_a_sum(weight, case)
    if abs(weight.weight_twice / weight.weight - 0.5) < 0.01:
        return _per_row(weight, case)
    return _beside_a_mean(weight.weight * case.patient.num_examples / _scale(case), weight, case)


def _is_zero(weight: KLWeight, case: Case) -> bool:
    size = abs(weight.weight) * case.patient.num_examples
    return size < 1e-5 or (size < 0.02 and abs(weight.weight) < 3 * weight.error)


def _scale(case: Case) -> float:
    """Return the factor of the mean NLL: 1, N for a whole ELBO, 1/N, or -1 for an ELBO itself."""
    slope, n = case.data.slope, case.patient.num_examples
    if case.data.name in ("", "squared error", "absolute error") or case.data.is_sum:
        return 1.0
    if abs(slope / n - 1) < 0.01 or abs(slope * n - 1) < 0.01:
        return slope
    if averaged_columns(case) > 1 and all(
        abs(w.weight * n / slope - 1) < 0.01 for w in case.weights
    ):
        return slope
    return -1.0 if slope < 0 and all(w.weight < 0 for w in case.weights) else 1.0


def _missing(weight: KLWeight, case: Case) -> Diagnosis:
    if not _is_known(weight, case):
        return _lost(case)
    none_felt = not any(abs(w.weight) > 3 * w.error + 1e-9 for w in case.weights)
    if weight.is_unfelt and (case.lags or (none_felt and case.data.holds_constant)):
        return _outdated(case)
    if not weight.entries:
        reason = (
            "The layer adds nothing to losses: kernel_divergence_fn or the prior is None, or "
            "nobody calls add_loss."
        )
        cure = "Leave prior and divergence in place, and divide the KL by N."
    else:
        reason = "The layer adds its KL to losses, but what you minimise does not feel it."
        cure = (
            "Add sum(network.losses) / N after the forward pass, inside the tape, as a tensor (no "
            "float(), no .numpy()), and read it anew at every step."
        )
    text = f"The KL has no weight in what is minimised, so nothing holds the posterior. {reason}"
    return Diagnosis("kl-missing", "wrong", text, cure, value=0.0, expected=_target(case))


def _frozen(case: Case) -> Finding:
    text = (
        "What fit (or tf.function) has compiled weighs the KL differently from the code as it is "
        "now: a number of Python was changed since, which the compiled step does not see."
    )
    cure = "Keep the weight in a tf.Variable and assign to it, or compile again."
    names = ", ".join(dict.fromkeys(w.posterior.name for w in case.weights))
    return Finding("kl-frozen-at-trace", "wrong", text, names, None, None, "measured", cure)


def _is_known(weight: KLWeight, case: Case) -> bool:
    """Whether the network knows that the layer is part of it."""
    return any(layer is weight.posterior.layer for layer in case.network._flatten_layers())


def _lost(case: Case) -> Diagnosis:
    text = (
        "The network calls this layer, but does not know of it: its KL is not in losses, and its "
        "weights are not trained."
    )
    cure = "Keep the layer as an attribute of the model, or in a list or dict that is one."
    return Diagnosis("layer-lost", "wrong", text, cure, value=0.0, expected=_target(case))


def _outdated(case: Case) -> Diagnosis:
    cure = "Call the network first, then read losses, inside the tape, at every step."
    if case.lags:
        text = (
            "The KL that is added is that of the call before: losses was read before the forward "
            "pass. It gives no gradient, so nothing holds the posterior."
        )
        return Diagnosis("kl-stale", "wrong", text, cure, value=0.0, expected=_target(case))
    text = (
        f"The objective holds a constant of {case.data.intercept:,.4g} beside the data term, "
        "which no variable moves: a KL that was computed once. It gives no gradient."
    )
    return Diagnosis("kl-stale", "wrong", text, cure, value=0.0, expected=_target(case))


def _target(case: Case) -> float:
    return 1.0 / case.patient.num_examples


def _beside_a_sum(weight: KLWeight, case: Case) -> Diagnosis:
    """Judge λ beside a sum over the batch, where B / N is right."""
    n, slope = case.patient.num_examples, case.data.slope / case.batch.size
    whole = (
        slope
        if np.isfinite(slope)
        and slope > 1.5
        and case.data.name not in ("", "squared error", "absolute error")
        else 1.0
    )
    growth = weight.weight_twice / weight.weight
    if abs(growth - 2) < 0.02:
        return _beside_a_mean(weight.weight * n / (whole * case.batch.size), weight, case)
    batch = weight.weight * n / whole
    if case.patient.batch_size:
        return _beside_a_mean(batch / case.patient.batch_size, weight, case)
    return _for_unknown_batch(batch, weight, case)


def _for_unknown_batch(batch: float, weight: KLWeight, case: Case) -> Diagnosis:
    n = case.patient.num_examples
    full = abs(batch / n - 1) < 0.01
    if full and case.objective.kind == "own" and case.patient.num_inputs == n and n <= 1000:
        text = (
            "The data term is a sum over the batch and the KL has weight 1: right if every batch "
            "is the whole data set."
        )
        return Diagnosis("kl-weight", "look", text, sure="possible", value=weight.weight)
    if 1.9 < batch < 0.7 * n and not full:
        text = (
            f"The data term is a sum over the batch and the KL has weight 1/{n / batch:,.4g}: "
            f"right if you train with batches of {batch:,.4g} examples. Pass batch_size= to be "
            "sure."
        )
        return Diagnosis("kl-weight", "look", text, sure="possible", value=weight.weight)
    return _beside_a_mean(n if full else batch / 32, weight, case)


def _per_row(weight: KLWeight, case: Case) -> Diagnosis:
    """Judge a KL that is divided by the number of rows of the batch."""
    text = (
        "The KL is divided by the number of rows in the batch, not by the number N of training "
        "examples."
    )
    whole = (
        case.patient.num_inputs == case.patient.num_examples and case.patient.num_examples <= 500
    )
    if case.objective.kind == "own" and whole:
        text += " That is right only if every batch is the whole data set."
        return Diagnosis("kl-weight", "look", text, sure="possible", value=weight.weight)
    if case.patient.batch_size == case.patient.num_examples:
        return _right(weight, case)
    cure = "Divide by the number of training examples, a constant."
    return Diagnosis(
        "kl-wrong-count", "wrong", text, cure, "measured", weight.weight, _target(case)
    )


def _right(_weight: KLWeight, case: Case) -> Diagnosis:
    n = case.patient.num_examples
    text = f"The KL weighs 1/N beside the mean negative log-likelihood, N = {n}."
    target = _target(case)
    return Diagnosis("kl-weight", "right", text, value=target, expected=target)


def _beside_a_mean(ratio: float, weight: KLWeight, case: Case) -> Diagnosis:
    """Judge how many times too much the KL weighs."""
    for rule in RULES:
        if (found := rule(ratio, weight, case)) is not None:
            return found
    return _wrong_count(ratio, weight, case)


def _is_right(ratio: float, weight: KLWeight, case: Case) -> Diagnosis | None:
    # float32 leaves about 1e-9 of an objective of size 1 uncertain, which counts for a huge N.
    rounding = (3e-9 + 4 * weight.error) * case.patient.num_examples
    return _right(weight, case) if abs(ratio - 1) < 0.01 + min(rounding, 0.25) else None


def _negative(ratio: float, _weight: KLWeight, case: Case) -> Diagnosis | None:
    if ratio > 0:
        return None
    text = (
        "The KL is subtracted from what is minimised, so training drives the posterior away from "
        "the prior."
    )
    return Diagnosis(
        "kl-wrong-sign",
        "wrong",
        text,
        "Minimise NLL + KL / N.",
        "measured",
        _rounded(ratio / case.patient.num_examples),
        _target(case),
    )


def _not_scaled(ratio: float, _weight: KLWeight, case: Case) -> Diagnosis | None:
    times = ratio / case.patient.num_examples
    if (
        case.patient.num_examples < 4
        or abs(times - round(times)) > 0.01
        or not 1 <= round(times) <= 8
    ):
        return None
    n = case.patient.num_examples
    text = (
        f"The KL is not divided by the number of training examples, N = {n}: beside the mean "
        f"negative log-likelihood it weighs {round(ratio):,} times too much, and the posterior "
        "will collapse onto the prior."
    )
    if round(times) > 1:
        text += f" And it is counted {round(times)} times."
    cure = (
        f"kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) / {n} (DenseVariational: "
        f"kl_weight=1/{n}) with fit, or sum(network.losses) / {n} in your own loop."
    )
    sure: Sureness = "measured"
    verdict: Verdict = "wrong" if case.objective.sure_of_sum else "look"
    if case.patient.assumed:
        sure = "likely"
    return Diagnosis("kl-not-scaled", verdict, text, cure, sure, _rounded(times), _target(case))


def _counted_often(ratio: float, weight: KLWeight, case: Case) -> Diagnosis | None:
    times = round(ratio)
    counts = {weight.entries, weight.calls, round(sum(weight.shares)), 2, 3}
    if abs(ratio - times) > 0.01 * times or times < 2 or times not in counts:
        return None
    text = f"The KL is counted {times} times."
    if weight.entries > 1:
        text += f" The layer puts {weight.entries} entries into losses in one pass"
        text += f", since it is called {weight.calls} times." if weight.calls > 1 else "."
    elif max(weight.shares, default=0) > 1.5:
        text += " losses is added in more than one place; fit adds it by itself."
    cure = "Add every KL once: read losses in one place, and divide by the number of calls."
    return Diagnosis(
        "kl-counted-twice",
        "wrong",
        text,
        cure,
        "measured",
        _rounded(ratio / case.patient.num_examples),
        _target(case),
    )


def _averaged(ratio: float, weight: KLWeight, case: Case) -> Diagnosis | None:
    size = weight.posterior.num_weights
    for n in (1, case.patient.num_examples):
        if size > 3 and abs(ratio * size / n - 1) < 0.02:
            text = (
                f"The KL is averaged over the layer's {size:,} weights. The KL of independent "
                "weights is their sum."
            )
            cure = "Use tf.reduce_sum, or one distribution over all weights (tfd.Independent)."
            return Diagnosis(
                "kl-wrong-count",
                "wrong",
                text,
                cure,
                "measured",
                _rounded(ratio / case.patient.num_examples),
                _target(case),
            )
    return None


def _averaged_over_layers(ratio: float, weight: KLWeight, case: Case) -> Diagnosis | None:
    entries = len(case.evaluations[0].watch.added)
    own = case.objective.kind in ("own", "step")
    if not own or entries < 2 or abs(ratio * entries - 1) > 0.002 or weight.entries != 1:
        return None
    if not averages_losses(case):
        return None
    text = (
        f"The KL weighs 1/{entries} of 1/N: it is the mean of the {entries} entries of losses. The "
        "KL of independent layers is the sum."
    )
    cure = "Use tf.add_n(network.losses) / N."
    value = _rounded(ratio / case.patient.num_examples)
    return Diagnosis("kl-wrong-count", "wrong", text, cure, "measured", value, _target(case))


def _tempered(ratio: float, _weight: KLWeight, case: Case) -> Diagnosis | None:
    batch = case.patient.batch_size
    sizes = [] if batch is None else [1 / batch, batch / case.patient.num_examples]
    if any(abs(ratio / size - 1) < 0.01 for size in [*sizes, 1 / case.patient.num_examples]):
        return None
    entries = len(case.evaluations[0].watch.added)
    shared = entries > 1 and abs(ratio * entries - 1) < 0.002
    if not shared and not any(abs(ratio / t - 1) < 0.001 for t in TEMPERATURES):
        return None
    text = (
        f"The KL weighs {ratio:.4g} times 1/N: a tempered (cold) posterior if you mean it; what is "
        "minimised is not the ELBO."
    )
    if shared:
        text += (
            f" A mean over the {entries} entries of losses, in place of their sum, does that too."
        )
    return Diagnosis(
        "tempered",
        "look",
        text,
        f"If you do not mean it, divide the sum of the KLs by {case.patient.num_examples}, once.",
        "possible",
        _rounded(ratio / case.patient.num_examples),
        _target(case),
    )


def _wrong_count(ratio: float, _weight: KLWeight, case: Case) -> Diagnosis:
    n = case.patient.num_examples
    divisor = n / ratio
    text = (
        f"The KL weighs {_fraction(divisor)} beside the mean negative log-likelihood, which is "
        f"{ratio:,.4g} times 1/N (N = {n})."
    )
    if case.patient.batch_size and abs(divisor / case.patient.batch_size - 1) < 0.01:
        text += " It is divided by the batch size."
    elif case.patient.batch_size and abs(ratio / case.patient.batch_size - 1) < 0.01:
        text += " It is divided by the number of batches."
    elif abs(divisor / n / n - 1) < 0.02:
        text += " It is divided by N twice."
    verdict: Verdict = "wrong"
    if (case.patient.assumed and 0.5 < ratio < 2) or not case.objective.sure_of_sum:
        verdict = "look"
    cure = f"Divide the sum of the KLs by {n}, once."
    if case.data.is_sum:
        cure = "The data term is a sum over the batch: weigh the KL by B/N, or take the mean."
    sure: Sureness = "possible" if case.patient.assumed else "measured"
    return Diagnosis(
        "kl-wrong-count", verdict, text, cure, sure, _rounded(ratio / n), _target(case)
    )


def _fraction(divisor: float) -> str:
    return f"1/{divisor:,.5g}" if abs(divisor) >= 1 else f"{1 / divisor:,.5g}"


RULES: tuple[Callable[[float, KLWeight, Case], Diagnosis | None], ...] = (
    _is_right,
    _negative,
    _not_scaled,
    _counted_often,
    _averaged,
    _averaged_over_layers,
    _tempered,
)


def _of_entries(weight: KLWeight, case: Case) -> Diagnosis:
    """Judge the entries of ``losses`` when nothing is known of what the reader adds them to."""
    n, value = case.patient.num_examples, weight.weight
    if not weight.entries:
        return _missing(weight, case)
    if abs(value * n - 1) < 0.01:
        return _right(weight, case)
    if abs(value - 1) < 0.01:
        text = f"Its entry of losses is the KL in nats, not divided by N = {n}."
        cure = (
            f"In your own loop minimise mean NLL + sum(losses) / {n}. With compile and fit it "
            "would not be scaled: divide inside kernel_divergence_fn."
        )
        return Diagnosis("kl-in-nats", "look", text, cure, value=1.0, expected=1.0)
    for unit in (1, 1 / n):
        if (twice := _counted_often(value / unit, weight, case)) and weight.entries > 1:
            return twice
    found = _beside_a_mean(value * n, weight, case)
    text = found.message + " That is seen in losses alone; how you weigh them is not known."
    verdict: Verdict = "wrong" if "averaged" in text else "look"
    return Diagnosis(found.kind, verdict, text, found.cure, "possible", found.value, found.expected)


def _rounded(value: Any) -> float:
    """Return a number of four digits, so that layers with the same factor share a finding."""
    return float(f"{value:.4g}")
