"""Which distribution a reader's loss function takes the log_prob of: found by watching it once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def recorded_distribution(
    function: Callable[[Any, Any], Any], targets: Any, outputs: Any
) -> Any | None:
    """Return the distribution of which a function is minus the log_prob of the targets.

    Parameters
    ----------
    function
        (targets, outputs) ↦ a number for each prediction, for each example, or their mean.
    targets, outputs
        What to call it on.

    Returns
    -------
    tfp.distributions.Distribution or None
        ``None`` if it takes no log_prob, or several, or is another number than minus that.
    """
    with recording_log_probs() as calls:
        returned = function(targets, outputs)
    if len(calls) != 1:
        return None
    return calls[0].distribution if _is_minus(returned, calls[0].logs) else None


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
        return bool(np.allclose(returned, -logs, rtol=1e-5, atol=1e-6))
    sums = logs.sum(axis=tuple(range(returned.ndim, logs.ndim)))
    wanted = [-sums] if returned.ndim else [-logs.mean(), -logs.sum()]
    return any(
        returned.shape == np.shape(w) and np.allclose(returned, w, rtol=1e-5, atol=1e-6)
        for w in wanted
    )
