"""Logits that a loss divides by a temperature: the cross-entropy of other logits, not a part of it.

Beside other targets the cross-entropy of q · t changes by t times what that of q changes by, so the
changes alone cannot tell a temperature from a factor. What does not depend on the targets can.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.optimize

Array = npt.NDArray[np.float64]

LOG_RANGE = 4.0  # of t, either way
FIT = 1e-3  # relative, at every state
LEAST = 2e-3  # log t; less is no temperature


def factor_of_logits(mean_at: Callable[[float], Array], values: Array, slope: float) -> float:
    """Return t if the data term is slope / t times the cross-entropy of the logits times t.

    Parameters
    ----------
    mean_at
        t ↦ the mean cross-entropy of the logits times t, in nats, at each state [states].
    values
        The data term [states].
    slope
        By how much the data term changes, beside other targets, as a multiple of what the
        cross-entropy of the logits as they are changes by.

    Returns
    -------
    float
        NaN if no t but 1 fits at every state.
    """

    def misfit(log_t: float) -> Array:
        """Return what is left at each state; the cross-entropy over t falls with t."""
        return np.asarray(values - slope * mean_at(float(np.exp(log_t))) / np.exp(log_t))

    most = FIT * np.max(np.abs(values))
    if not slope > 0 or not np.all(np.isfinite(values)) or np.max(np.abs(misfit(0.0))) <= most:
        return float("nan")  # of logits that are large at every state any t fits, 1 among them
    ends = [float(misfit(end)[0]) for end in (-LOG_RANGE, LOG_RANGE)]
    if not ends[0] < 0 < ends[1]:
        return float("nan")
    log_t = scipy.optimize.brentq(lambda x: float(misfit(x)[0]), -LOG_RANGE, LOG_RANGE, xtol=1e-6)
    fits = np.max(np.abs(misfit(log_t))) <= most
    return float(np.exp(log_t)) if fits and abs(log_t) > LEAST else float("nan")
