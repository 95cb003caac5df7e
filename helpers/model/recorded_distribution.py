"""Which distribution a reader's loss function takes the log_prob of: found by watching it once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from .likelihood import expanded

tfd = tfp.distributions


def distribution_in(
    function: Callable[[Any, Any], Any], outputs: Any, targets: Any = None
) -> Callable[[Any], Any] | None:
    """Return outputs ↦ the distribution that a loss function takes of the targets.

    That is known where the function is minus one ``log_prob``, asked of the targets as they are
    (not of their logarithm), of a distribution that is the same whatever the targets are.

    Parameters
    ----------
    function
        (targets, outputs) ↦ a number for each prediction, for each example, or their mean.
    outputs
        What the network puts out for a few examples.
    targets
        Of these examples; where they are unknown, some of a likely shape stand for them.

    Returns
    -------
    Callable or None
        ``None`` if the function takes no log_prob, or several, or is anything else.
    """
    for tail, dtype in _kinds_of_targets(outputs, targets):
        try:
            probes = [_filled(value, tail, dtype, outputs) for value in STAND_INS]
            if targets is not None:
                probes[1] = _as_seen(targets, outputs)
            found = [_recorded(function, probe, outputs) for probe in probes]
            if None in found or not _are_same(*found):
                continue
        except Exception:  # noqa: BLE001 (the function takes other targets than these)
            continue
        # Within a graph the shapes may be unknown, so what was seen here is what is done there.
        squeezed = _is_squeezed(found[0], probes[0])

        def distribution(
            outputs: Any, tail: Any = tail, dtype: Any = dtype, squeezed: bool = squeezed
        ) -> Any:
            """Return the distribution of the targets; those given to the function do not matter."""
            targets = _filled(STAND_INS[0], tail, dtype, outputs)
            made = _recorded(function, targets, outputs)
            return tfd.BatchReshape(made, tf.shape(targets)) if squeezed else made

        return distribution
    return None


STAND_INS = (0.5, 0.25)  # targets that every usual density takes; as class numbers 0


def _kinds_of_targets(outputs: Any, targets: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """Return shapes, without the first axis, and types that targets may have."""
    if targets is not None:
        seen = _as_seen(targets, outputs)
        return [(tuple(seen.shape[1:]), seen.dtype)]
    shape = getattr(outputs, "batch_shape", None)
    if shape is not None:
        return [(tuple(shape.concatenate(outputs.event_shape))[1:], outputs.dtype)]
    tensor = tf.convert_to_tensor(outputs)
    tails = [tuple(tensor.shape)[1:], (*tuple(tensor.shape)[1:-1], 1), tuple(tensor.shape)[1:-1]]
    return [(tail, tensor.dtype) for tail in dict.fromkeys(tails)]


def _as_seen(targets: Any, outputs: Any) -> tf.Tensor:
    """Return targets as ``fit`` hands them to a loss: a column beside a column, in its type."""
    targets, shape = tf.convert_to_tensor(targets), getattr(outputs, "shape", None)
    if isinstance(shape, tf.TensorShape):
        targets = expanded(targets, shape)
    wanted = getattr(outputs, "dtype", None)
    both_float = isinstance(wanted, tf.DType) and wanted.is_floating and targets.dtype.is_floating
    return tf.cast(targets, wanted) if both_float else targets


def _filled(value: float, tail: tuple[Any, ...], dtype: Any, outputs: Any) -> tf.Tensor:
    """Return targets that are all one number, as many as there are rows of outputs."""
    if isinstance(outputs, tfd.Distribution):
        rows = tf.concat([outputs.batch_shape_tensor(), outputs.event_shape_tensor()], axis=0)[0]
    else:
        rows = tf.shape(outputs)[0]
    shape = tf.concat([[rows], tf.constant(tail, tf.int32)], axis=0)
    return tf.ensure_shape(tf.cast(tf.fill(shape, value), dtype), [None, *tail])


def _recorded(function: Callable[[Any, Any], Any], targets: Any, outputs: Any) -> Any | None:
    """Return the distribution of which a function is minus the log_prob of these targets."""
    with recording_log_probs() as calls:
        returned = function(targets, outputs)
    if len(calls) != 1:
        return None
    call = calls[0]
    if not _is_minus(returned, call.logs) or not _is_same_value(call.value, targets):
        return None
    return call.distribution


def _is_same_value(value: Any, targets: Any) -> bool:
    """Whether what a log_prob was asked of are the targets, but for axes of length 1."""
    if tf.is_symbolic_tensor(value) or tf.is_symbolic_tensor(targets):  # compared before
        return True
    value, targets = np.asarray(value), np.asarray(targets)
    same_size = value.size == targets.size
    return same_size and bool(np.allclose(value.ravel(), targets.ravel(), rtol=1e-6, atol=0))


def _is_squeezed(distribution: Any, targets: tf.Tensor) -> bool:
    """Whether a function squeezed axes of length 1 off its targets, and off its outputs."""
    described, wanted = tuple(distribution.batch_shape), tuple(targets.shape)
    shorter = distribution.event_shape.rank == 0 and len(described) < len(wanted)
    return shorter and [n for n in described if n != 1] == [n for n in wanted if n != 1]


def _are_same(one: Any, other: Any) -> bool:
    """Whether two distributions, found beside different targets, are one."""
    if type(one) is not type(other) or one.batch_shape != other.batch_shape:
        return False
    value = one.sample(seed=(1, 2))
    first, second = (np.asarray(it.log_prob(value)) for it in (one, other))
    return bool(np.allclose(first, second, rtol=1e-5, atol=1e-6, equal_nan=True))


class LogProb(NamedTuple):
    """One call of ``log_prob``: of which distribution, of what, and what came back."""

    distribution: Any
    value: Any
    logs: Any


@contextlib.contextmanager
def recording_log_probs() -> Iterator[list[LogProb]]:
    """Note every log_prob that is asked for inside the block, in order."""
    calls: list[LogProb] = []
    depth = 0
    original = tfd.Distribution.log_prob

    def log_prob(self: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the log_prob as ever; note it unless a distribution asks it of a part."""
        nonlocal depth
        depth += 1
        try:
            result = original(self, value, *args, **kwargs)
        finally:
            depth -= 1
        if depth == 0:  # what a distribution asks of its parts is not the reader's
            calls.append(LogProb(self, value, result))
        return result

    with mock.patch.object(tfd.Distribution, "log_prob", log_prob):
        yield calls


def _is_minus(returned: Any, logs: Any) -> bool:
    """Whether a result is minus the log-likelihoods: each, summed by example, or their mean."""
    if tf.is_symbolic_tensor(logs):  # within a trace: it was compared when it was first called
        return True
    returned, logs = np.asarray(returned), np.asarray(logs)
    if returned.shape == logs.shape:
        return bool(np.allclose(returned, -logs, rtol=1e-5, atol=1e-6, equal_nan=True))
    sums = logs.sum(axis=tuple(range(returned.ndim, logs.ndim)))
    wanted = [-sums] if returned.ndim else [-logs.mean(), -logs.sum()]
    return any(
        returned.shape == np.shape(w)
        and np.allclose(returned, w, rtol=1e-5, atol=1e-6, equal_nan=True)
        for w in wanted
    )
