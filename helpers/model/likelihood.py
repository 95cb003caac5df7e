"""The likelihood: how targets are distributed, given what a network puts out.

The log-likelihood of an example is the sum over everything that belongs to it: its pixels, its
steps, its columns, its heads. Keras' losses are means over these; here nothing is averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .kept_logits import kept_logits

tfd = tfp.distributions

Kind = Literal["distribution", "classes", "one-hot", "yes or no", "counts", "function"]
LogProb = Callable[[Any, Any], tf.Tensor]

SMALLEST = 1e-7  # a probability below it counts as this in training, as in Keras' losses
SMALLEST_PRECISE = 1e-45  # in float64, in which predictions are scored: below any float32


@dataclass(frozen=True)
class Likelihood:
    """The likelihood of one output of a network.

    Attributes
    ----------
    kind
        "distribution" (the network puts one out), "classes" (a class number for each place),
        "one-hot" (a row with one 1), "yes or no" (0 or 1 for each column), "counts", or "function"
        (the reader's own, of targets and outputs).
    description
        What it is, in words that fit after "as".
    log_prob
        (targets, outputs) ↦ log-likelihoods in nats [batch, …], one for each prediction.
    distribution
        outputs ↦ distribution of the targets; ``None`` where only ``log_prob`` is known.
    ignored
        A class number that stands for "unknown", if there is one.
    """

    kind: Kind
    description: str
    log_prob: LogProb
    distribution: Callable[[Any], Any] | None = None
    ignored: int | None = None

    @property
    def flat(self) -> list[Likelihood]:
        """Itself, as the only head."""
        return [self]

    def of_examples(self, targets: Any, outputs: Any, weights: Any = None) -> tf.Tensor:
        """Return the negative log-likelihood of each example, in nats [batch].

        Parameters
        ----------
        targets, outputs
            Of a batch.
        weights
            ``None``, a weight for each example [batch], or one for each prediction.
        """
        nats = -self.log_prob(targets, outputs)
        mask = getattr(outputs, "_keras_mask", None)  # of padded steps, as fit leaves them out
        if mask is not None and mask.shape.rank <= nats.shape.rank:
            nats *= _broadcastable(tf.cast(mask, nats.dtype), nats)
        if weights is not None:
            nats *= _broadcastable(tf.cast(weights, nats.dtype), nats)
        if nats.shape.rank == 1:
            return nats
        return tf.reduce_sum(tf.reshape(nats, [tf.shape(nats)[0], -1]), axis=1)


@dataclass(frozen=True)
class HeadsLikelihood:
    """The likelihoods of several outputs, independent given the weights: their logs are added.

    Attributes
    ----------
    heads
        A list, tuple or dict of :class:`Likelihood`, as the network's outputs.
    """

    heads: Any

    @property
    def description(self) -> str:
        """What each head is."""
        return "; ".join(head.description for head in self.flat)

    @property
    def flat(self) -> list[Likelihood]:
        """The likelihood of each head, in the order of ``tf.nest``."""
        found: list[Likelihood] = flatten_heads(self.heads)
        return found

    def of_examples(self, targets: Any, outputs: Any, weights: Any = None) -> tf.Tensor:
        """Return the negative log-likelihood of each example, summed over the heads, in nats.

        Weights are for all heads, or a list with some for each.
        """
        each = weights if has_heads(weights) else [weights] * len(self.flat)
        parts = zip(self.flat, flatten_heads(targets), flatten_heads(outputs), each, strict=True)
        return tf.add_n([head.of_examples(y, out, own) for head, y, out, own in parts])


AnyLikelihood = Likelihood | HeadsLikelihood


def flatten_heads(structure: Any) -> list[Any]:
    """Return the leaves of lists, tuples and dicts; a distribution is a leaf."""
    if isinstance(structure, dict):
        return [leaf for name in sorted(structure) for leaf in flatten_heads(structure[name])]
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in flatten_heads(part)]
    return [structure]


def has_heads(outputs: Any) -> bool:
    """Whether the outputs are several."""
    return isinstance(outputs, (dict, list, tuple))


def of_distribution() -> Likelihood:
    """Return the likelihood of a network that puts out a distribution: its own ``log_prob``."""
    return Likelihood(
        "distribution",
        "the distribution that the network puts out",
        lambda targets, outputs: outputs.log_prob(beside_distribution(targets, outputs)),
        plain_distribution,
    )


def categorical(*, from_logits: bool, ignored: int | None = None) -> Likelihood:
    """Return the likelihood of class numbers [batch, …], from outputs [batch, …, classes].

    Parameters
    ----------
    from_logits
        Whether the outputs are logits, or probabilities that sum to 1.
    ignored
        A class number that stands for "unknown": its places say nothing.
    """

    def distribution(outputs: Any) -> Any:
        """Return the distribution of the class, batch shape [batch, …], without the last axis."""
        return tfd.Categorical(logits=_logits(outputs, from_logits=from_logits))

    def log_prob(targets: Any, outputs: Any) -> tf.Tensor:
        """Return the log-probability of each label, in nats; 0 where the label is ignored."""
        labels = squeezed(targets, tf.convert_to_tensor(outputs).shape.rank - 1)
        labels = tf.cast(labels, tf.int32)
        known = labels if ignored is None else tf.where(labels == ignored, 0, labels)
        logs = distribution(outputs).log_prob(known)
        return logs if ignored is None else tf.where(labels == ignored, 0.0, logs)

    return Likelihood(
        "classes",
        f"one class for each prediction, from {_unit(from_logits)}",
        log_prob,
        distribution,
        ignored,
    )


def one_hot(*, from_logits: bool) -> Likelihood:
    """Return the likelihood of one-hot rows [batch, …, classes], or of shares that sum to 1."""

    def distribution(outputs: Any) -> Any:
        """Return the distribution of one-hot rows, event shape [classes]."""
        return tfd.OneHotCategorical(logits=_logits(outputs, from_logits=from_logits))

    def log_prob(targets: Any, outputs: Any) -> tf.Tensor:
        """Return Σ y log p over the classes, in nats [batch, …]; shares y may be fractions."""
        logs = tf.nn.log_softmax(_logits(outputs, from_logits=from_logits))
        return tf.reduce_sum(tf.cast(targets, logs.dtype) * logs, axis=-1)

    return Likelihood(
        "one-hot",
        f"one class for each prediction, one-hot, from {_unit(from_logits)}",
        log_prob,
        distribution,
    )


def bernoulli(*, from_logits: bool) -> Likelihood:
    """Return the likelihood of 0 or 1 in each column, from outputs of the same shape."""

    def distribution(outputs: Any) -> Any:
        """Return the distribution of yes or no, one for each output, from its logit."""
        outputs = tf.convert_to_tensor(outputs)
        kept = None if from_logits else kept_logits(outputs)
        if kept is not None:
            outputs = kept
        elif not from_logits:
            outputs = tf.clip_by_value(outputs, _smallest(outputs), 1 - SMALLEST)
            outputs = tf.math.log(outputs) - tf.math.log1p(-outputs)
        return tfd.Bernoulli(logits=outputs, dtype=outputs.dtype)

    def log_prob(targets: Any, outputs: Any) -> tf.Tensor:
        """Return the log-probability of each yes or no, in nats, shaped as the outputs."""
        return distribution(outputs).log_prob(beside_tensor(targets, outputs))

    return Likelihood(
        "yes or no", f"yes or no for each column, from {_unit(from_logits)}", log_prob, distribution
    )


def poisson() -> Likelihood:
    """Return the likelihood of counts, from outputs that are rates above 0."""

    def distribution(outputs: Any) -> Any:
        """Return the distribution of a count, one for each output."""
        return tfd.Poisson(rate=tf.convert_to_tensor(outputs))

    def log_prob(targets: Any, outputs: Any) -> tf.Tensor:
        """Return the log-probability of each count, in nats, shaped as the outputs."""
        return distribution(outputs).log_prob(beside_tensor(targets, outputs))

    return Likelihood("counts", "counts, from their rates", log_prob, distribution)


def from_distribution_function(function: Callable[[Any], Any]) -> Likelihood:
    """Return the likelihood that a function of the outputs gives: outputs ↦ distribution."""

    def log_prob(targets: Any, outputs: Any) -> tf.Tensor:
        """Return the log-density of the targets under what the function makes, in nats."""
        made = function(outputs)
        return made.log_prob(beside_distribution(targets, made))

    name = getattr(function, "__name__", "a function")
    return Likelihood(
        "distribution",
        f"the distribution that {name} makes of the outputs",
        log_prob,
        lambda outputs: plain_distribution(function(outputs)),
    )


def from_function(
    function: Callable[[Any, Any], Any], distribution: Callable[[Any], Any] | None = None
) -> Likelihood:
    """Return the likelihood of a reader's function, (targets, outputs) ↦ NLL [batch, …].

    As by ``fit``, targets [batch] reach it as a column beside a column of outputs, and floating
    numbers in the type of the outputs. Whole numbers reach it as they are, or, where it cannot
    compute with them, in the type of the distribution that stands beside them.
    """

    def log_prob(targets: Any, outputs: Any) -> tf.Tensor:
        """Return minus what the function returns: log-likelihoods in nats [batch, …]."""
        targets, shape = tf.convert_to_tensor(targets), getattr(outputs, "shape", None)
        if isinstance(shape, tf.TensorShape):
            targets = expanded(targets, shape)
        if targets.dtype.is_floating and outputs.dtype.is_floating:
            targets = tf.cast(targets, outputs.dtype)
        return -tf.convert_to_tensor(_called(function, targets, outputs))

    name = getattr(function, "__name__", type(function).__name__)
    return Likelihood("function", f"your function {name}", log_prob, distribution)


def _called(function: Callable[[Any, Any], Any], targets: tf.Tensor, outputs: Any) -> Any:
    """Call a reader's function; counts beside a distribution of floats as floats if need be."""
    try:
        return function(targets, outputs)
    except (TypeError, ValueError, tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
        if targets.dtype == tf.string:
            raise ValueError(
                "targets are words, with which your function cannot compute. Names of classes "
                "become numbers with np.unique(targets, return_inverse=True)[1]."
            ) from None
        whole = targets.dtype.is_integer or targets.dtype.is_bool
        if not isinstance(outputs, tfd.Distribution) or not outputs.dtype.is_floating:
            raise
        beside_distribution(targets, outputs)  # it says which shape belongs there
        if not whole:
            raise
    return function(tf.cast(targets, outputs.dtype), outputs)


def beside_distribution(targets: Any, distribution: Any) -> tf.Tensor:
    """Return the targets in the distribution's type, a column beside a column of predictions.

    Raises
    ------
    ValueError
        If their shape is another one than that of what the distribution describes: ``log_prob``
        would pair every target with every prediction.
    """
    shape = distribution.batch_shape.concatenate(distribution.event_shape)
    targets = tf.convert_to_tensor(targets)
    if targets.dtype == tf.string:
        raise ValueError("targets are words, but the network puts out a distribution of numbers.")
    targets = expanded(targets, shape)
    if not targets.shape.is_compatible_with(shape):
        raise ValueError(_unpaired(tuple(targets.shape), distribution, shape))
    return tf.cast(targets, distribution.dtype)


def beside_tensor(targets: Any, outputs: Any) -> tf.Tensor:
    """Return the targets in the type and shape of outputs that have one number for each.

    Raises
    ------
    ValueError
        If they are not one number for each output.
    """
    outputs, targets = tf.convert_to_tensor(outputs), tf.convert_to_tensor(targets)
    targets = squeezed(expanded(targets, outputs.shape), outputs.shape.rank)
    if not targets.shape.is_compatible_with(outputs.shape):
        raise ValueError(
            f"targets have shape {_words(targets.shape)} and outputs {_words(outputs.shape)}: give "
            "one target for each output, in the same shape."
        )
    return tf.cast(targets, outputs.dtype)


def expanded(targets: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Return targets [batch] as a column where the predictions are one, as Keras does."""
    is_column = shape.rank == 2 and shape[-1] == 1
    return targets[:, tf.newaxis] if targets.shape.rank == 1 and is_column else targets


def squeezed(targets: Any, rank: int) -> tf.Tensor:
    """Return targets without a last axis of length 1 that is one too many, as Keras does."""
    targets = tf.convert_to_tensor(targets)
    too_long = targets.shape.rank == rank + 1 and targets.shape[-1] == 1
    return tf.squeeze(targets, axis=-1) if too_long else targets


def plain_distribution(distribution: Any) -> Any:
    """Return the distribution inside the wrapper that a DistributionLambda puts around it."""
    return getattr(distribution, "tensor_distribution", distribution)


def check_pairing(likelihood: AnyLikelihood, targets: Any, outputs: Any) -> None:
    """Raise unless the likelihood of each example depends on its own target alone.

    Parameters
    ----------
    likelihood
        Of the outputs.
    targets, outputs
        Of a batch of a few examples, as tensors.

    Raises
    ------
    ValueError
        If there is not one number for each example, or a target counts for other examples too.
    """
    heads = flatten_heads(outputs)
    all_targets = flatten_heads(targets)
    for head, y, out in zip(likelihood.flat, all_targets, heads, strict=True):
        _check_pairing_of_head(head, tf.convert_to_tensor(y), out)


def _check_pairing_of_head(head: Likelihood, targets: tf.Tensor, outputs: Any) -> None:
    size = int(targets.shape[0])
    if tf.is_tensor(outputs):
        outputs = tf.identity(outputs)  # without the logits that Keras notes, as rows of it are
    nats = tf.convert_to_tensor(head.log_prob(targets, outputs))
    if nats.shape.rank == 0 and is_joint(outputs):
        raise ValueError(
            "The network puts out one distribution for all rows of a batch together (batch shape "
            f"(), event shape {tuple(outputs.event_shape)}), as a Gaussian process does: it has no "
            "likelihood of each example. If the examples are independent, leave their axis in the "
            "batch shape, as in tfd.Independent(tfd.Normal(mean, noise), "
            "reinterpreted_batch_ndims=1); else train it with fit and its own loss."
        )
    if nats.shape.rank == 0:
        raise ValueError(
            f"{head.description[0].upper()}{head.description[1:]} gives one number for the whole "
            "batch: return one for each example, shape (batch,), without reduce_mean or reduce_sum "
            "over the first axis."
        )
    before = _rows(nats, size)
    for row in range(min(size, 3) if size > 1 else 0):
        others = np.arange(size) != row
        by_target = head.log_prob(_with_row_of(targets, row, size), outputs)
        by_output = head.log_prob(targets, _with_other_rows(outputs, row, size))
        with np.errstate(invalid="ignore"):  # of targets outside of the support
            moved = [before - _rows(nats, size) for nats in (by_target, by_output)]
        changes = moved[0][others], moved[1][row]
        finite = np.abs(before[np.isfinite(before)])
        scale = 1e-4 * finite.max(initial=0) + 1e-5
        if any(np.any(np.abs(change) > scale) for change in changes):
            raise ValueError(
                "The likelihood of an example depends on targets or predictions of others: targets "
                f"of shape {_words(targets.shape)} beside outputs of shape "
                f"{_words(_shape(outputs))} are broadcast, every target under every prediction. "
                "Give both the same shape: targets[:, None] for a column, or t[..., :1] in place "
                "of t[..., 0] in the network; and return one number for each example."
            )


def is_joint(output: Any) -> bool:
    """Whether an output is one distribution for all rows of a batch, as a Gaussian process is."""
    shape = output.batch_shape if isinstance(output, tfd.Distribution) else None
    return isinstance(shape, tf.TensorShape) and shape.rank == 0


def _rows(nats: tf.Tensor, size: int) -> Any:
    """Return the sum over all that a row of the result holds [rows]."""
    array = np.asarray(nats, float)
    if array.shape[0] != size:
        raise ValueError(
            f"The likelihood of {size} examples has shape {array.shape}: its first axis must count "
            "the examples."
        )
    return array.reshape(size, -1).sum(axis=1)


def _with_row_of(targets: tf.Tensor, row: int, size: int) -> tf.Tensor:
    """Return the targets with the next row's target, that differs if any does, in one row."""
    flat = targets.numpy().reshape(size, -1)
    differing = [i for i in range(size) if not np.array_equal(flat[i], flat[row])]
    places = np.arange(size)
    places[row] = differing[0] if differing else row
    return tf.gather(targets, places)


def _with_other_rows(outputs: Any, row: int, size: int) -> Any:
    """Return outputs that differ in all rows but one; those that cannot be taken apart, as is."""
    places = np.roll(np.arange(size), 1)
    places[row] = row

    def moved(part: Any) -> Any:
        """Return a tensor with its rows in the other order; anything else as it is."""
        counts = getattr(part, "shape", None) is not None and part.shape.rank
        return tf.gather(part, places) if counts and part.shape[0] == size else part

    plain = plain_distribution(outputs)
    if isinstance(plain, tf.__internal__.CompositeTensor):
        parts = tf.nest.flatten(plain, expand_composites=True)
        return tf.nest.pack_sequence_as(plain, list(map(moved, parts)), expand_composites=True)
    return outputs if isinstance(outputs, tfd.Distribution) else moved(outputs)


def _shape(outputs: Any) -> Any:
    if hasattr(outputs, "batch_shape"):
        return outputs.batch_shape.concatenate(outputs.event_shape)
    return tf.convert_to_tensor(outputs).shape


def _unpaired(targets: tuple[Any, ...], distribution: Any, shape: tf.TensorShape) -> str:
    name = plain_distribution(distribution).name
    wanted = _words(shape)
    text = (
        f"targets have shape {_words(targets)}, but the network puts out {name} of shape {wanted}: "
        "log_prob would be broadcast, every target under every prediction. "
    )
    if len(targets) == shape.rank + 1 and targets[-1] == 1:
        cure = "Write t[..., :1] in place of t[..., 0] in the network, or pass targets[:, 0]."
        return text + cure
    is_column = len(targets) == shape.rank and targets[-1] == 1
    if name.startswith("Categorical") and len(targets) == shape.rank + 1:
        return text + "Pass class numbers: targets.argmax(axis=-1) of one-hot rows."
    if "Categorical" in name and (is_column or len(targets) == shape.rank - 1):
        numbers = "targets[..., 0]" if is_column else "targets"
        return text + f"Pass one-hot rows: tf.one_hot({numbers}, {shape[-1]})."
    if len(targets) == shape.rank and (targets[-1] or 0) > (shape[-1] or 0):
        return text + (
            "If the further columns say how a value counts (censored, exposure), pass likelihood=, "
            "a function (targets, outputs) ↦ negative log-likelihood of each example; else pass "
            f"targets of shape {wanted}."
        )
    return text + f"Pass targets of shape {wanted}."


def _words(shape: Any) -> str:
    """Return a shape in words, the first axis called batch."""
    sizes = ["batch", *("…" if size is None else str(size) for size in tuple(shape)[1:])]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _unit(from_logits: bool) -> str:
    return "logits" if from_logits else "probabilities"


def _logits(outputs: Any, *, from_logits: bool) -> tf.Tensor:
    outputs = tf.convert_to_tensor(outputs)
    kept = outputs if from_logits else kept_logits(outputs)
    return tf.math.log(tf.maximum(outputs, _smallest(outputs))) if kept is None else kept


def _smallest(probabilities: tf.Tensor) -> float:
    return SMALLEST_PRECISE if probabilities.dtype == tf.float64 else SMALLEST


def _broadcastable(factor: tf.Tensor, nats: tf.Tensor) -> tf.Tensor:
    """Return a factor [batch] or [batch, …] with axes of length 1 up to the rank of ``nats``."""
    if factor.shape.rank == nats.shape.rank + 1 and factor.shape[-1] == 1:
        return tf.squeeze(factor, axis=-1)
    extra = nats.shape.rank - factor.shape.rank
    return tf.reshape(factor, tf.concat([tf.shape(factor), tf.ones([extra], tf.int32)], axis=0))


def predictions_per_example(likelihood: Likelihood, targets: Any, outputs: Any) -> int:
    """Return how many numbers of ``log_prob`` belong to one example: pixels, steps or columns."""
    shape = likelihood.log_prob(targets, outputs).shape
    return math.prod(shape[1:])
