"""The weight of a KL whose scales have a floor, as σ = 1e-3 + softplus(ρ), told by its slopes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.optimize

Array = npt.NDArray[np.float64]

LADDER = (3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2)  # depths: σ above its floor
LOWEST_FLOOR = 1e-7
MISFIT, APART = 3e-4, 1e-3  # relative: of the fit, and between fits to all slopes and to fewer


def factor_above_floor(depths: Array, slopes: Array) -> float:
    """Return the factor of −log σ in an entry whose σ is a floor plus a multiple of a depth.

    With a floor φ the slope of −log(φ + d) in log d is −d / (d + φ), which is −1 only far above φ.
    The square of σ in the KL, and the density of the prior at a draw, add what grows with d.

    Parameters
    ----------
    depths
        Sizes d of σ without its floor, from small to large.
    slopes
        Of minus the entry by log d, for each weight.

    Returns
    -------
    float
        NaN if the slopes are not of that form, or all are below the floor.
    """
    felt = int(np.argmax(slopes != 0))  # below a floor by a maximum there is no slope at all
    depths, slopes = depths[felt:], slopes[felt:]
    every, fewer = (_fitted(depths[skipped:], slopes[skipped:]) for skipped in (0, 1))
    return every if abs(every - fewer) <= APART * abs(every) else float("nan")


def _fitted(depths: Array, slopes: Array) -> float:
    """Return the factor at the floor that fits best, NaN where none fits."""
    if not np.all(np.isfinite(slopes)) or not np.any(slopes):
        return float("nan")
    best = scipy.optimize.minimize_scalar(
        lambda log_floor: _at_floor(depths, slopes, np.exp(log_floor))[1],
        bounds=(np.log(LOWEST_FLOOR), np.log(depths[-1] / 2)),
        options={"xatol": 1e-4},
    )
    factor, misfit = _at_floor(depths, slopes, float(np.exp(best.x)))
    return factor if misfit <= MISFIT else float("nan")


def _at_floor(depths: Array, slopes: Array, floor: float) -> tuple[float, float]:
    """Return the factor for a floor, and the largest misfit as a share of it."""
    sigma = floor + depths
    columns = np.stack([depths / sigma, sigma * depths, depths], axis=1)
    found, *_ = np.linalg.lstsq(columns, slopes, rcond=None)
    factor = float(found[0])
    return factor, float(np.max(np.abs(columns @ found - slopes)) / abs(factor)) if factor else 1.0
