"""The usual losses of a network's outputs, with which a data term is compared.

Each takes targets and outputs and returns the mean over the batch in nats, or raises where the
outputs are not of its kind.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


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


KNOWN_LOSSES: tuple[tuple[str, Callable[[Any, Any], float]], ...] = (
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
