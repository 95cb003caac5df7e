"""The data term: mean or sum over the batch, and which likelihood it is."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

from .batch import Batch
from .objective import Objective, evaluate
from .state import use_seed

tfd = tfp.distributions
Array = npt.NDArray[np.float64]
ROLLS = (0, 1, 2, 5)


@dataclass(frozen=True)
class DataTerm:
    """What the objective holds beside the KL.

    Attributes
    ----------
    growth
        By what factor it grows when every row of the batch is given twice: 1 for a mean, 2 for a
        sum, NaN if it could not be told.
    name
        The likelihood or loss that it equals, up to ``slope`` and ``intercept``; "" if unknown.
    slope, intercept
        The data term is slope · (mean of that loss over the batch) + intercept.
    """

    growth: float
    name: str = ""
    slope: float = float("nan")
    intercept: float = float("nan")

    @property
    def is_sum(self) -> bool:
        """Whether it is a sum over the batch."""
        return bool(self.growth > 1.5)

    @property
    def holds_constant(self) -> bool:
        """Whether a constant stands beside a likelihood that is known exactly."""
        exact = self.name not in ("", "squared error", "absolute error")
        return exact and abs(self.intercept) > 1e-3


def measure_data_term(network: Any, objective: Objective, batch: Batch) -> DataTerm:
    """Evaluate the objective without ``losses``, on several pairings of inputs and targets."""
    if objective.kind == "losses":
        return DataTerm(float("nan"))
    if batch.targets is None or batch.size < 3:
        single, double = (_value(objective, b) for b in (batch, batch.twice()))
        return DataTerm(double / single if single else float("nan"))
    pairings = [batch.with_rolled_targets(steps) for steps in ROLLS]
    again = _value(objective, batch)
    values = np.array([_value(objective, pairing) for pairing in pairings])
    if abs(values[0] - again) > 1e-6 * abs(again):  # dropout, say
        return _under_noise(network, objective, pairings)
    growth = _growth(objective, pairings, values)
    return _identified(network, pairings, values, growth)


def _under_noise(network: Any, objective: Objective, pairings: list[Batch]) -> DataTerm:
    """Draw the same numbers for the objective and for the outputs that it is compared with.

    Another batch draws other numbers, so the two batches are compared by their slopes.
    """
    terms = []
    for batches in (pairings, [batch.twice() for batch in pairings]):
        values = np.array([_value(objective, batch, repeatable=True) for batch in batches])
        terms.append(_identified(network, batches, values, float("nan")))
    single, double = terms
    if not single.name or single.name != double.name:
        return dataclasses.replace(single, growth=float("nan"))
    return dataclasses.replace(single, growth=2.0 if double.slope > 1.5 * single.slope else 1.0)


def _value(objective: Objective, batch: Batch, *, repeatable: bool = False) -> float:
    try:
        return evaluate(objective, batch, factor=0.0, repeatable=repeatable).value
    except Exception:  # noqa: BLE001 (an objective made for one batch size, or for its own data)
        return float("nan")


def _growth(objective: Objective, pairings: list[Batch], values: Array) -> float:
    """Return how the part that depends on the targets grows with the batch."""
    change = values - values[0]
    if not np.any(np.isfinite(change)):
        return float("nan")
    other = int(np.nanargmax(np.abs(change)))
    if abs(change[other]) <= 1e-6 * (abs(values[0]) + 1e-6):
        doubled = _value(objective, pairings[0].twice())
        return doubled / float(values[0]) if values[0] else float("nan")
    doubled = _value(objective, pairings[other].twice()) - _value(objective, pairings[0].twice())
    return float(doubled / change[other])


def _identified(network: Any, pairings: list[Batch], values: Array, growth: float) -> DataTerm:
    """Compare the data term with the usual losses of the network's outputs."""
    use_seed(1, repeatable=True)
    outputs = network(pairings[0].inputs, training=True)
    fits = []
    for name, loss in CANDIDATES:
        try:
            known = np.array([loss(p.targets, outputs) for p in pairings], float)
        except Exception:  # noqa: BLE001 (a loss for other shapes)
            continue
        for through_origin in (True, False):
            slope, intercept, misfit = _line(known, values, through_origin)
            plausible = through_origin or _is_plain(slope, pairings[0].size) or "error" in name
            if plausible and misfit < 1e-3:
                fits.append((not through_origin, misfit, DataTerm(growth, name, slope, intercept)))
    return min(fits, key=lambda fit: fit[:2])[2] if fits else DataTerm(growth)


def _is_plain(slope: float, rows: int) -> bool:
    """Whether a factor is that of a mean or of a sum."""
    return abs(slope - 1) < 0.01 or abs(slope / rows - 1) < 0.01


def _line(known: Array, values: Array, through_origin: bool) -> tuple[float, float, float]:
    """Fit values = slope · known (+ intercept); the misfit is relative to the spread."""
    fine = np.all(np.isfinite(known)) and np.all(np.isfinite(values)) and np.ptp(known) > 1e-6
    if not fine:
        return 0.0, 0.0, np.inf
    if through_origin:
        slope, intercept = float(known @ values / (known @ known)), 0.0
    else:
        slope, intercept = (float(x) for x in np.polyfit(known, values, 1))
    misfit = np.max(np.abs(slope * known + intercept - values)) / max(np.ptp(values), 1e-12)
    return slope, intercept, float(misfit)


def _log_prob(targets: Any, outputs: Any) -> float:
    if not isinstance(outputs, tfd.Distribution):
        raise TypeError("no distribution")
    targets = tf.convert_to_tensor(targets)
    rank = len(outputs.batch_shape) + len(outputs.event_shape)
    while targets.shape.rank < rank:
        targets = targets[..., tf.newaxis]
    log_prob = outputs.log_prob(tf.cast(targets, outputs.dtype))
    return float(-tf.reduce_sum(log_prob)) / log_prob.shape[0]


def _tensor(outputs: Any) -> Any:
    return tf.convert_to_tensor(outputs)


def _aligned(targets: Any, outputs: Any) -> tuple[Any, Any]:
    outputs = _tensor(outputs)
    return tf.reshape(tf.cast(targets, outputs.dtype), outputs.shape), outputs


def _categorical(to_logits: Callable[[Any], Any]) -> Callable[[Any, Any], float]:
    def loss(targets: Any, outputs: Any) -> float:
        logits = to_logits(_tensor(outputs))
        rows = tf.reduce_logsumexp(logits, axis=-1, keepdims=True)
        if targets.dtype.is_integer or targets.shape != logits.shape:
            labels = tf.reshape(tf.cast(targets, tf.int32), logits.shape[:-1])
            targets = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        nll = -tf.reduce_sum(tf.cast(targets, logits.dtype) * (logits - rows), axis=-1)
        return float(tf.reduce_mean(nll)) if logits.shape[-1] > 1 else float("nan")

    return loss


def _softmax_needed(outputs: Any) -> bool:
    totals = tf.reduce_sum(outputs, axis=-1)
    return bool(tf.reduce_any(outputs < 0) or tf.reduce_max(tf.abs(totals - 1)) > 1e-3)


def _from_logits(outputs: Any) -> Any:
    if not _softmax_needed(outputs):
        raise ValueError("probabilities")
    return outputs


def _from_probabilities(outputs: Any) -> Any:
    if _softmax_needed(outputs):
        raise ValueError("logits")
    return tf.math.log(tf.clip_by_value(outputs, 1e-7, 1.0))


def _softmax_twice(outputs: Any) -> Any:
    if _softmax_needed(outputs):
        raise ValueError("logits")
    return outputs


def _logits_as_probabilities(*, divide: bool) -> Callable[[Any], Any]:
    """Return what Keras makes of logits if told that they are probabilities."""

    def to_logits(outputs: Any) -> Any:
        if not _softmax_needed(outputs):
            raise ValueError("probabilities")
        if divide:
            outputs = outputs / tf.reduce_sum(outputs, axis=-1, keepdims=True)
        return tf.math.log(tf.clip_by_value(outputs, 1e-7, 1 - 1e-7))

    return to_logits


def _shares(targets: Any) -> Any:
    """Return the targets if they are shares of ones, between 0 and 1."""
    if bool(tf.reduce_any((targets < 0) | (targets > 1))):
        raise ValueError("no shares")
    return targets


def _binary(targets: Any, outputs: Any) -> float:
    targets, outputs = _aligned(targets, outputs)
    nll = tf.nn.sigmoid_cross_entropy_with_logits(labels=_shares(targets), logits=outputs)
    return float(tf.reduce_sum(nll)) / nll.shape[0]


def _binary_probabilities(targets: Any, outputs: Any) -> float:
    targets, outputs = _aligned(targets, outputs)
    if bool(tf.reduce_any((outputs < 0) | (outputs > 1))):
        raise ValueError("logits")
    outputs = tf.clip_by_value(outputs, 1e-7, 1 - 1e-7)
    targets = _shares(targets)
    nll = -targets * tf.math.log(outputs) - (1 - targets) * tf.math.log(1 - outputs)
    return float(tf.reduce_sum(nll)) / nll.shape[0]


def _power(exponent: int) -> Callable[[Any, Any], float]:
    def loss(targets: Any, outputs: Any) -> float:
        targets, outputs = _aligned(targets, outputs)
        return float(tf.reduce_mean(tf.abs(targets - outputs) ** exponent))

    return loss


CANDIDATES: tuple[tuple[str, Callable[[Any, Any], float]], ...] = (
    ("distribution", _log_prob),
    ("categorical", _categorical(_from_logits)),
    ("categorical of probabilities", _categorical(_from_probabilities)),
    ("softmax twice", _categorical(_softmax_twice)),
    ("logits as probabilities", _categorical(_logits_as_probabilities(divide=True))),
    ("logits as probabilities", _categorical(_logits_as_probabilities(divide=False))),
    ("Bernoulli", _binary),
    ("Bernoulli of probabilities", _binary_probabilities),
    ("squared error", _power(2)),
    ("absolute error", _power(1)),
)
