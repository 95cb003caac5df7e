"""Stops a training that went wrong, and says at which step, in which layer, and what to try."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tf_keras

Array = npt.NDArray[np.float64]

# Diverged: the mean loss of the last so many steps exceeds that of the first step by this factor.
# A start near 0 or below it, which can be chance, counts as 1 nat.
NUM_STEPS, FACTOR = 20, 100


def check_finite(rows: Array, names: Sequence[str], neural_net: tf_keras.Model) -> None:
    """Raise if the last row holds NaN or infinite terms.

    Parameters
    ----------
    rows
        History so far [steps, 1 + terms]: mean negative log-likelihood, KLs and penalties.
    names
        Name of each term of ``losses``.
    neural_net
        As it is after the last step that was taken.

    Raises
    ------
    ValueError
        With the step, the layer, and what to try.
    """
    if not len(rows) or np.isfinite(rows[-1]).all():
        return
    raise ValueError(
        f"The loss stopped being finite at step {len(rows)}: negative log-likelihood "
        f"{rows[-1, 0]}, KL per layer {', '.join(map(str, rows[-1, 1:]))} nats. "
        f"{_place(rows[-1], names, neural_net)}"
    )


def check_not_diverging(rows: Array, weights: Sequence[float]) -> None:
    """Raise if the loss has grown far beyond where it started.

    Parameters
    ----------
    rows
        As in :func:`check_finite`.
    weights
        Of each term of ``losses`` in the loss.

    Raises
    ------
    ValueError
        With the step and what to try.
    """
    if len(rows) <= NUM_STEPS:
        return
    ends = np.concatenate([rows[:1], rows[-NUM_STEPS:]])
    start, *last = ends[:, 0] + ends[:, 1:] @ np.array(weights)
    now = np.mean(last)
    if now > FACTOR * max(start, 1.0):
        raise ValueError(
            f"The loss diverges: {now:.3g} nats on average over the last {NUM_STEPS} steps, up to "
            f"step {len(rows)}, after {start:.3g} at the first. Try a learning rate ten times "
            "smaller; check that the inputs are scaled, to [0, 1] for instance."
        )


def _place(row: Array, names: Sequence[str], neural_net: tf_keras.Model) -> str:
    """Say where the first trouble lies, and what to try."""
    bad_variables = [
        layer.name
        for layer in neural_net.layers
        if not all(np.isfinite(weight).all() for weight in layer.get_weights())
    ]
    if bad_variables:
        return (
            f"The gradient of layer {bad_variables[-1]} was not finite in the step before, and "
            "its weights are NaN now. Try a smaller learning rate, and for "
            "DenseLocalReparameterization inputs without rows of zeros (add 1e-6)."
        )
    bad_entries = [name for name, kl in zip(names, row[1:], strict=True) if not np.isfinite(kl)]
    if bad_entries:
        return (
            f"The KL of {bad_entries[0]} is the first that is not: its posterior scale left the "
            "range of float32. Try a smaller learning rate or another start of the scale."
        )
    return (
        f"All weights and KLs are finite, so the outputs of layer {neural_net.layers[-1].name} "
        "overflowed. Try a smaller learning rate, and inputs scaled to [0, 1]."
    )
