"""What a data term is compared with: likelihoods, likelihoods misread by the loss, and errors.

The likelihoods are those of ``helpers.model``, summed over all that belongs to an example. What
stands here are the numbers that readers minimise by mistake.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

from ...model.activations import are_probabilities
from ...model.compiled_loss import usual_likelihoods
from ...model.likelihood import (
    Likelihood,
    beside_tensor,
    of_distribution,
    predictions_per_example,
    squeezed,
)
from ...model.loss_fit import check_fit

tfd = tfp.distributions

Array = npt.NDArray[np.float64]
Role = Literal["likelihood", "misread", "error", "broadcast"]
Mean = Callable[[Any, Any, Any], float]
TINY = 1e-7  # where Keras cuts probabilities off
FIT_OF_SMOOTHING = 2e-3  # of what is left; the rounding of a cross-entropy is below it
LEAST_SMOOTHING = 1e-3  # of the data term; less is no smoothing


@dataclass(frozen=True)
class KnownLoss:
    """A loss of one output.

    Attributes
    ----------
    name
        What it is.
    role
        "likelihood"; "misread" (a likelihood of something that the outputs are not); "error" (one
        without a noise); or "broadcast" (every target under every prediction of its row).
    mean
        (targets, outputs, weights) ↦ its mean over the examples: of a likelihood the negative log
        of it, in nats, summed over all that belongs to an example; of an error the mean over all.
    predictions
        (targets, outputs) ↦ how many predictions belong to an example, those of a mask aside.
    even
        As ``mean``, beside targets that share each class alike; ``None`` where there are none.
    """

    name: str
    role: Role
    mean: Mean
    predictions: Callable[[Any, Any], float]
    even: Mean | None = None


def known_losses(
    outputs: Any, given: Likelihood | None = None, known_share: float = 1.0
) -> list[KnownLoss]:
    """Return all that a data term of these outputs may be, the likeliest first.

    Parameters
    ----------
    outputs
        Of the network.
    given
        The likelihood that the reader says, if any.
    known_share
        Of the targets that ``given`` does not ignore.
    """
    said = []
    if given is not None:
        share = None if given.ignored is None else known_share
        said = [_of_likelihood(given, "likelihood", share=share)]
    if isinstance(outputs, tfd.Distribution):
        paired = _of_likelihood(of_distribution(), "likelihood")
        return [paired, *said, _broadcast(), *_errors()]
    usual = [_fitted(likelihood, outputs) for likelihood in usual_likelihoods()]
    return [*filter(None, usual), *said, *_counts(outputs), *_misread(outputs), *_errors()]


def _fitted(likelihood: Likelihood, outputs: Any) -> KnownLoss | None:
    """Return a likelihood of outputs of its own kind, else ``None``."""
    try:
        check_fit(likelihood, outputs, "")
    except ValueError:
        return None
    return _of_likelihood(likelihood, "likelihood")


def _counts(outputs: Any) -> list[KnownLoss]:
    """Return Keras' loss of counts, which leaves out what depends on the targets alone."""
    rates = tf.convert_to_tensor(outputs)
    if bool(tf.reduce_any(rates <= 0)):
        return []

    def log_prob(targets: Any, outputs: Any) -> Any:
        """Return k log(rate) − rate for each count k: log p(k) in nats, without log k!."""
        rates = tf.convert_to_tensor(outputs)
        return beside_tensor(targets, outputs) * tf.math.log(rates + TINY) - rates

    return [
        _of_likelihood(Likelihood("counts", "counts, from their rates", log_prob), "likelihood")
    ]


def _of_likelihood(
    likelihood: Likelihood, role: Role, name: str = "", share: float | None = None
) -> KnownLoss:
    """Return a likelihood as a loss.

    Parameters
    ----------
    share
        Of the reader's targets that are known, where others are ignored: Keras takes the mean over
        the known ones of a batch.
    """

    def mean(targets: Any, outputs: Any, weights: Any) -> float:
        """Return the mean of −log p over the examples, in nats, under the weights if any."""
        _check_targets(likelihood, targets, outputs)
        total = float(tf.reduce_mean(likelihood.of_examples(targets, outputs, weights)))
        return (
            total if share is None else total * share / share_of_known(targets, likelihood.ignored)
        )

    def predictions(targets: Any, outputs: Any) -> float:
        """Return how many predictions an example has; a mask counts by the share it keeps."""
        mask = getattr(outputs, "_keras_mask", None)
        kept = 1.0 if mask is None else float(tf.reduce_mean(tf.cast(mask, tf.float32)))
        kept *= 1.0 if share is None else share
        return kept * predictions_per_example(likelihood, targets, outputs)

    def even(targets: Any, outputs: Any, weights: Any) -> float:
        """Return the mean −log p in nats where every class is the target equally often."""
        every = _each_class(likelihood.kind, targets, outputs)
        return float(np.mean([mean(y, outputs, weights) for y in every]))

    description = name or likelihood.description
    shared = even if role == "likelihood" and likelihood.kind in EVEN else None
    return KnownLoss(description, role, mean, predictions, shared)


def share_of_known(targets: Any, ignored: int | None) -> float:
    """Return the share of the targets that are not to be ignored, 1 if none is."""
    if ignored is None:
        return 1.0
    return max(float(np.mean(np.asarray(targets) != ignored)), TINY)


EVEN = ("one-hot", "yes or no", "classes")


def _each_class(kind: str, targets: Any, outputs: Any) -> list[Any]:
    """Return targets that are one class for all, for each of the classes."""
    targets = tf.convert_to_tensor(targets)
    count = 2 if kind == "yes or no" else int(outputs.shape[-1])
    if kind == "one-hot":
        rows = tf.one_hot(tf.range(count), count, dtype=targets.dtype)
        return [tf.broadcast_to(row, targets.shape) for row in rows]
    return [tf.fill(targets.shape, tf.cast(number, targets.dtype)) for number in range(count)]


def _check_targets(likelihood: Likelihood, targets: Any, outputs: Any) -> None:
    """Raise for targets that a likelihood of another kind belongs to."""
    if likelihood.kind == "one-hot" and targets.shape != outputs.shape:
        raise ValueError("no rows of classes")
    if likelihood.kind == "classes":
        labels = squeezed(targets, outputs.shape.rank - 1)
        if labels.shape != outputs.shape[:-1]:
            raise ValueError("no class numbers")
    if likelihood.kind == "yes or no" and bool(tf.reduce_any((targets < 0) | (targets > 1))):
        raise ValueError("no shares of yes")


def _misread(outputs: Any) -> list[KnownLoss]:
    """Return what becomes of outputs that the loss takes for what they are not."""
    outputs = tf.convert_to_tensor(outputs)
    by_kind = {
        (likelihood.kind, "logits" in likelihood.description): likelihood
        for likelihood in usual_likelihoods()
    }
    if are_probabilities(outputs.numpy()):
        twice = [by_kind["classes", True], by_kind["one-hot", True]]
        return [_of_likelihood(likelihood, "misread", "softmax twice") for likelihood in twice]
    array = outputs.numpy()
    found = []
    if hasattr(outputs, "_keras_logits") and outputs.shape.rank > 1 and outputs.shape[-1] > 1:
        found += [_of_kept_logits(by_kind[kind, True]) for kind in ("classes", "one-hot")]
    if outputs.shape.rank > 1 and outputs.shape[-1] > 1:
        found += [
            _as_probabilities(by_kind[kind, True], divide=divide)
            for kind in ("classes", "one-hot")
            for divide in (True, False)
        ]
    if np.all((array >= 0) & (array <= 1)):
        found.append(_of_likelihood(by_kind["yes or no", True], "misread", "sigmoid twice"))
    else:
        found.append(_as_probability(by_kind["yes or no", False]))
    return found


def _of_kept_logits(likelihood: Likelihood) -> KnownLoss:
    """Return what Keras makes of columns that end in sigmoid if told that they are classes.

    It takes the logits that its sigmoid notes on what it returns, and applies a softmax to them.
    """

    def log_prob(targets: Any, outputs: Any) -> Any:
        """Return the log of the softmax of the logits, in nats."""
        return likelihood.log_prob(targets, outputs._keras_logits)

    return _of_likelihood(Likelihood(likelihood.kind, OF_SIGMOID, log_prob), "misread")


OF_SIGMOID = "softmax of what stands before a sigmoid"
AS_PROBABILITIES = "logits as probabilities"


def _as_probabilities(likelihood: Likelihood, *, divide: bool) -> KnownLoss:
    """Return what Keras makes of logits of classes if told that they are probabilities.

    It divides by their sum (one-hot rows) or not (class numbers), and cuts off.
    """

    def logits(outputs: Any) -> Any:
        """Return the log of outputs cut off at 0 and 1, first divided by their sum if asked for."""
        outputs = tf.convert_to_tensor(outputs)
        if divide:
            outputs = outputs / tf.reduce_sum(outputs, axis=-1, keepdims=True)
        return tf.math.log(tf.clip_by_value(outputs, TINY, 1 - TINY))

    def log_prob(targets: Any, outputs: Any) -> Any:
        """Return the log of the output of the target's class, read as its probability."""
        logs = logits(outputs)
        if likelihood.kind == "one-hot":
            return tf.reduce_sum(tf.cast(targets, logs.dtype) * logs, axis=-1)
        return likelihood.log_prob(targets, logs)

    misread = Likelihood(likelihood.kind, AS_PROBABILITIES, log_prob)
    return _of_likelihood(misread, "misread")


def _as_probability(likelihood: Likelihood) -> KnownLoss:
    """Return what Keras makes of logits of yes or no if told that they are probabilities.

    It cuts off, and adds as much once more inside of the logarithms.
    """

    def log_prob(targets: Any, outputs: Any) -> Any:
        """Return log p of each yes or no, the output read as the probability of yes."""
        yes = tf.clip_by_value(tf.convert_to_tensor(outputs), TINY, 1 - TINY)
        shares = beside_tensor(targets, outputs)
        return shares * tf.math.log(yes + TINY) + (1 - shares) * tf.math.log(1 - yes + TINY)

    return _of_likelihood(Likelihood(likelihood.kind, AS_PROBABILITIES, log_prob), "misread")


def _broadcast() -> KnownLoss:
    """Return the log_prob of targets of another shape, each beside several predictions."""

    def mean(targets: Any, outputs: Any, _: Any) -> float:
        """Return −log p in nats, a mean over every pairing of a target with a prediction."""
        targets = tf.cast(targets, outputs.dtype)
        if targets.shape.rank == 1 and outputs.shape.rank == 2:
            targets = targets[:, tf.newaxis]  # as Keras hands them to a loss
        return -float(tf.reduce_mean(outputs.log_prob(targets)))

    return KnownLoss("broadcast", "broadcast", mean, lambda *_: 1.0)


def _errors() -> list[KnownLoss]:
    return [_power(2, "squared error"), _power(1, "absolute error")]


def _power(exponent: int, name: str) -> KnownLoss:
    def residuals(targets: Any, outputs: Any) -> Any:
        """Return targets minus outputs, in the shape of the outputs."""
        outputs = tf.convert_to_tensor(outputs)
        targets = tf.cast(targets, outputs.dtype)
        if tf.size(targets) != tf.size(outputs):
            raise ValueError("another number of targets")
        return tf.reshape(targets, outputs.shape) - outputs

    def mean(targets: Any, outputs: Any, weights: Any) -> float:
        """Return the mean of the errors' absolute values to this power, weighted if asked for."""
        errors = tf.abs(residuals(targets, outputs)) ** exponent
        if weights is not None:
            errors *= tf.reshape(
                tf.cast(weights, errors.dtype), [-1] + [1] * (len(errors.shape) - 1)
            )
        return float(tf.reduce_mean(errors))

    def predictions(_targets: Any, outputs: Any) -> float:
        """Return how many outputs belong to an example."""
        outputs = tf.convert_to_tensor(outputs)
        return float(int(tf.size(outputs)) / outputs.shape[0])

    return KnownLoss(name, "error", mean, predictions)


def smoothing(rest: Array, even: Array, slope: float) -> float:
    """Return the share of each label that is spread over all classes, NaN if none is.

    Cross-entropy is linear in the labels: beside those of which a share s is spread, it is
    (1 - s) times that of the labels, plus s times that of labels that share each class alike.

    Parameters
    ----------
    rest
        What is left of the data term, beside ``slope`` times the cross-entropy of the labels, at
        several states of the weights.
    even
        The cross-entropy of labels that share each class alike, at the same states.
    slope
        The factor of the labels' own.
    """
    if not (np.all(np.isfinite(rest)) and np.all(np.isfinite(even)) and slope > 0):
        return float("nan")
    factor = float(rest @ even / (even @ even)) if np.any(even) else 0.0
    differs = np.ptp(even) > FIT_OF_SMOOTHING * np.max(np.abs(even))
    fits = np.max(np.abs(rest - factor * even)) < FIT_OF_SMOOTHING * np.max(np.abs(rest))
    return (
        factor / (factor + slope)
        if differs and fits and factor > LEAST_SMOOTHING * slope
        else np.nan
    )
