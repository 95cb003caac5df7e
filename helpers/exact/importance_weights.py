"""Bounds of log p(x) by weighted draws of a code, and log p(x) itself on a grid of codes.

Introduced in chapters/12-activations.md, "Is it really a bound?".
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

Array = npt.NDArray[np.float64]
LogDensity = Callable[[tf.Tensor], tf.Tensor]


def log_importance_weights(
    posterior: tfp.distributions.Distribution,
    log_joint: LogDensity,
    num_draws: int,
    *,
    seed: int = 0,
    chunk: int = 100,
) -> Array:
    """Return log p(x, z) − log q(z | x) for draws z of q, for each example.

    Parameters
    ----------
    posterior
        q(z | x) with batch shape [batch] and codes as events.
    log_joint
        Codes [draws, batch, code] ↦ log p(x, z) [draws, batch], in nats.
    num_draws
        S, draws for each example.
    seed
        Of the draws.
    chunk
        Draws at a time, to bound the memory.

    Returns
    -------
    ndarray
        [num_draws, batch], in nats. Their mean over the draws estimates the ELBO of each example.
    """
    parts = []
    for start in range(0, num_draws, chunk):
        codes = posterior.sample(min(chunk, num_draws - start), seed=[seed, start])
        parts.append((log_joint(codes) - posterior.log_prob(codes)).numpy())
    return np.concatenate(parts).astype(np.float64)


def importance_weighted_bound(log_weights: Array, num_draws: int) -> Array:
    """Return estimates of the bound E log (w_1 + … + w_S)/S of log p(x), a row per group of draws.

    Parameters
    ----------
    log_weights
        From :func:`log_importance_weights`, [draws, batch] in nats.
    num_draws
        S, draws in a group; must divide the number of draws.

    Returns
    -------
    ndarray
        [draws / S, batch], in nats. Means over rows grow with S, whatever the draws, as long as
        larger groups are made of whole smaller ones (Jensen's inequality).

    References
    ----------
    Burda et al. (2016), *Importance Weighted Autoencoders*, equation 8.
    """
    if num_draws < 1 or len(log_weights) % num_draws:
        raise ValueError(
            f"{len(log_weights)} draws cannot be cut into groups of {num_draws}: "
            "choose a number of draws that divides them."
        )
    groups = log_weights.reshape(-1, num_draws, *log_weights.shape[1:])
    bounds: Array = scipy.special.logsumexp(groups, axis=1) - np.log(num_draws)
    return bounds


def code_grid(half_width: float, num_points: int) -> tuple[npt.NDArray[np.float32], float]:
    """Return the codes [num_points², 2] of a square grid about 0, and the area of each cell."""
    line = np.linspace(-half_width, half_width, num_points)
    codes = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    return codes.astype(np.float32), float((line[1] - line[0]) ** 2)


def log_evidence_on_grid(
    log_joint: LogDensity, *, half_width: float, num_points: int, chunk: int = 20_000
) -> Array:
    """Return log p(x) of each example: the integral of p(x, z) over codes of two numbers.

    Parameters
    ----------
    log_joint
        Codes [points, 2] ↦ log p(x, z) [points, batch], in nats, for every example.
    half_width
        The grid reaches from −half_width to +half_width in both numbers.
    num_points
        Grid points in each direction.
    chunk
        Grid points at a time, to bound the memory.

    Returns
    -------
    ndarray
        [batch], in nats. What lies outside the grid, or between points that are too far apart, is
        missed: compare with a wider and with a finer grid.
    """
    codes, area = code_grid(half_width, num_points)
    parts = [
        tf.reduce_logsumexp(log_joint(tf.constant(codes[start : start + chunk])), axis=0).numpy()
        for start in range(0, len(codes), chunk)
    ]
    log_evidence: Array = scipy.special.logsumexp(np.asarray(parts, np.float64), axis=0)
    return log_evidence + np.log(area)
