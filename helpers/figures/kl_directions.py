"""Pictures of the sign and of the two directions of the KL divergence.

Introduced in chapters/02-layer-from-scratch.md, "Why the KL is never negative".
"""

import matplotlib.ticker
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from .style import COLOURS, DescribedFigure, new_figure

Array = npt.NDArray[np.float64]
LINES = ("-", "--", ":", "-.")
NARROW = 6.2  # inches, so that the letters stay legible on a phone


def plot_kl_is_not_negative(mean: float, stddev: float) -> DescribedFigure:
    """Draw q·(log q − log p) and its lower bound q − p, for q = N(mean, stddev²), p = N(0, 1).

    Parameters
    ----------
    mean, stddev
        Of the variational posterior of one weight. The area between the two curves is the KL in
        nats, because the lower curve has the area 1 − 1 = 0.
    """
    figure, axis = new_figure()
    weights = np.linspace(min(-4.0, mean - 5 * stddev), max(4.0, mean + 5 * stddev), 1001)
    posterior, prior = scipy.stats.norm(mean, stddev), scipy.stats.norm(0.0, 1.0)
    log_ratio = posterior.logpdf(weights) - prior.logpdf(weights)
    integrand = posterior.pdf(weights) * log_ratio
    bound = posterior.pdf(weights) - prior.pdf(weights)
    axis.fill_between(weights, bound, integrand, color=COLOURS["kl"], alpha=0.25, lw=0)
    axis.plot(weights, integrand, color=COLOURS["kl"], label="q · (log q − log p): its area is KL")
    axis.plot(weights, bound, "--", color=COLOURS["prior"], label="q − p: its area is 0")
    axis.axhline(0.0, color="0.4", linewidth=1)
    axis.set(xlabel="weight w", ylabel="nats per unit of w")
    axis.legend(frameon=False, loc="upper left")
    area = float(np.trapezoid(integrand - bound, weights))
    crossed = np.flatnonzero(np.diff(np.sign(log_ratio)))
    places = " and ".join(f"w = {weights[it]:.1f}" for it in crossed)
    return DescribedFigure(
        figure,
        f"Two curves over a weight w, for q with mean {mean:g} and standard deviation {stddev:g}: "
        "q times the log ratio, and q minus p. The first lies nowhere below the second, and "
        f"touches it where q equals p: at {places or 'no point'}. The area between them is "
        f"{area:.3f} nats, the KL.",
    )


def plot_kl_directions(
    grid: Array, target: Array, fits: dict[str, pd.DataFrame]
) -> DescribedFigure:
    """Draw a target density and the Gaussians q at which the minimisation of a KL ended.

    Parameters
    ----------
    grid
        Values [points] of the weight.
    target
        Density [points] of the target on the grid.
    fits
        Name of the direction ↦ a row per start, with the columns ``mean``, ``stddev`` of the q that
        the search ended at and ``nats``, the KL there. A panel per direction; equal ends (to two
        decimals) are drawn once, the lowest as a solid line.
    """
    figure, axes = new_figure(
        1, len(fits), width=NARROW, height=3.6, sharex=True, sharey=True, squeeze=False
    )
    all_ends = pd.concat(list(fits.values()))
    reach = 2.5 * all_ends["stddev"].max()
    limits = (
        max(grid[0], float(all_ends["mean"].min()) - reach),
        min(grid[-1], float(all_ends["mean"].max()) + reach),
    )
    described = []
    for axis, (direction, ends) in zip(axes[0], fits.items(), strict=True):
        axis.fill_between(grid, target, color=COLOURS["prior"], alpha=0.4, lw=0)
        rounded = ends[["mean", "stddev", "nats"]].round(2) + 0.0  # no −0.0
        counted = rounded.value_counts().rename("starts").reset_index().sort_values("nats")
        words = []
        for line, end in zip(LINES, counted.itertuples(), strict=False):
            density = scipy.stats.norm(end.mean, end.stddev).pdf(grid)
            label = f"{end.nats:.2f} nats"
            axis.plot(grid, density, line, color=COLOURS["posterior"], label=label)
            words.append(
                f"mean {end.mean:.2f}, standard deviation {end.stddev:.2f} and {end.nats:.2f} nats "
                f"({end.starts} of {len(ends)} starts)"
            )
        described.append(f"Minimising {direction} ends at {'; '.join(words)}")
        axis.set_title(f"minimise {direction}", fontsize="medium")
        axis.set(xlabel="weight w", yticks=[], xlim=limits)
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22)}
        axis.legend(**place, ncols=2, fontsize="small", frameon=False)
        axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5, integer=True))
    axes[0, 0].set_ylabel("density")
    return DescribedFigure(
        figure,
        "Panels side by side, each with the grey target density and the Gaussians q at which the "
        f"search ended. {'. '.join(described)}.",
    )
