"""Pictures of the KL divergence between Gaussians: what it averages, and what its terms do.

Introduced in chapters/01-kl-formula.md, "What it is: the KL divergence".
"""

import matplotlib.axis
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats

from ..losses.gaussian_kl import gaussian_kl
from .style import COLOURS, DescribedFigure, new_figure

PARTS = {"mean": "½μ², the L2 part", "scale": "½σ² − log σ − ½, the scale part"}


def plot_kl_as_area(mean: float, stddev: float) -> DescribedFigure:
    """Draw q = N(mean, stddev²) and p = N(0, 1), and below them q·(log q − log p).

    Parameters
    ----------
    mean, stddev
        Of the posterior of one weight. The area of the lower curve, counted negative below the
        axis, is the KL in nats.
    """
    figure, (upper, lower) = new_figure(2, 1, height=4.8, sharex=True)
    weights = np.linspace(min(-3.0, mean - 4 * stddev), max(3.0, mean + 4 * stddev), 601)
    posterior = scipy.stats.norm(mean, stddev)
    prior = scipy.stats.norm(0.0, 1.0)
    for density, label, role in (
        (posterior, "posterior q", "posterior"),
        (prior, "prior p", "prior"),
    ):
        upper.plot(weights, density.pdf(weights), color=COLOURS[role], label=label)
    log_ratio = posterior.logpdf(weights) - prior.logpdf(weights)
    integrand = posterior.pdf(weights) * log_ratio
    lower.plot(weights, integrand, color=COLOURS["kl"])
    lower.fill_between(weights, integrand, color=COLOURS["kl"], alpha=0.25)
    lower.axhline(0.0, color="0.4", linewidth=1)
    upper.set(ylabel="density")
    upper.legend(frameon=False)
    lower.set(xlabel="weight w", ylabel="q (log q − log p)\n(nats per unit of w)")
    kl = float(gaussian_kl(mean, stddev))
    peak = weights[np.argmax(integrand)]
    return DescribedFigure(
        figure,
        f"Two curves over a weight w: the wide prior N(0, 1) and the narrow posterior with mean "
        f"{mean:g} and standard deviation {stddev:g}. Below, q times the log ratio: highest at w = "
        f"{peak:.2f}, slightly negative in the tails of q; its signed area is {kl:.3f} nats.",
    )


def plot_both_directions(mean: float, stddevs: npt.ArrayLike) -> DescribedFigure:
    """Draw KL(q ‖ p) and KL(p ‖ q) for q = N(mean, stddev²) and p = N(0, 1).

    Parameters
    ----------
    mean
        Posterior mean of one weight.
    stddevs
        Posterior standard deviations [points], increasing.
    """
    figure, axis = new_figure()
    stddevs = np.asarray(stddevs, float)
    forward = gaussian_kl(mean, stddevs)
    backward = gaussian_kl(0.0, 1.0, prior_mean=mean, prior_stddev=stddevs)
    axis.loglog(stddevs, backward, "--", color=COLOURS["prior"], label="KL(p ‖ q)")
    axis.loglog(stddevs, forward, color=COLOURS["kl"], label="KL(q ‖ p), what TFP computes")
    axis.set(xlabel="posterior standard deviation σ", ylabel="KL divergence (nats)")
    _plain_numbers(axis.xaxis, axis.yaxis)
    axis.legend(frameon=False)
    return DescribedFigure(
        figure,
        f"Both directions of the KL on logarithmic axes, for a posterior mean of {mean:g}. At a "
        f"standard deviation of {stddevs[-1]:g} they are {forward[-1]:.2f} (q to p) and "
        f"{backward[-1]:.2f} nats (p to q); at {stddevs[0]:g}, {forward[0]:.2f} and "
        f"{backward[0]:,.0f} nats.",
    )


def plot_kl_parts(table: pd.DataFrame) -> DescribedFigure:
    """Draw the KL of a network as one bar per row, split into L2 part and scale part.

    Parameters
    ----------
    table
        Index: what the bar stands for. Columns ``mean`` (Σ½μ²) and ``scale`` (the rest), in nats.
    """
    figure, axis = new_figure(height=2.6)
    position = np.arange(len(table))[::-1]
    total = table["mean"] + table["scale"]
    starts = {"mean": 0.0, "scale": table["mean"]}
    for part, label in PARTS.items():
        colour = COLOURS[f"{part}_part"]
        axis.barh(position, table[part], 0.55, left=starts[part], color=colour, label=label)
    for where, nats, share in zip(position, total, table["mean"] / total, strict=True):
        text = f"L2 part: {share:.1%}"
        axis.annotate(text, (nats, where), (4, 0), textcoords="offset points", va="center")
    axis.set_yticks(position, table.index)
    axis.grid(axis="y", visible=False)
    axis.set(xlabel="KL divergence of the network (nats)", xlim=(0, 1.26 * total.max()))
    _plain_numbers(axis.xaxis)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return DescribedFigure(figure, f"Stacked bars of the network's KL. {_describe_parts(table)}.")


def plot_kl_against_stddev(stddevs: npt.ArrayLike, initial_stddev: float) -> DescribedFigure:
    """Draw the KL to N(0, 1) of one weight with mean 0 against σ, with the terms that depend on σ.

    Parameters
    ----------
    stddevs
        Posterior standard deviations [points], increasing.
    initial_stddev
        Where a layer starts; marked on the curve.
    """
    figure, axis = new_figure(height=3.8)
    stddevs, colour = np.asarray(stddevs, float), COLOURS["scale_part"]
    kl, start = gaussian_kl(0.0, stddevs), float(gaussian_kl(0.0, initial_stddev))
    axis.semilogx(stddevs, 0.5 * stddevs**2 - 0.5, ":", color=colour, label="½σ² − ½")
    axis.semilogx(stddevs, -np.log(stddevs), "--", color=colour, label="−log σ")
    axis.semilogx(stddevs, kl, color=COLOURS["kl"], label="their sum, the KL")
    axis.axhline(0.0, color="0.4", linewidth=1)
    where = (initial_stddev, start)
    axis.plot(*where, "o", color=COLOURS["kl"])
    axis.annotate("start of a layer", where, (-8, -14), textcoords="offset points", ha="right")
    axis.set(xlabel="posterior standard deviation σ", ylabel="nats per weight")
    _plain_numbers(axis.xaxis)
    axis.legend(frameon=False)
    return DescribedFigure(
        figure,
        f"The KL of one weight with mean 0 against its standard deviation on a logarithmic axis: "
        f"{kl[0]:.2f} nats at {stddevs[0]:g}, {start:.2f} at {initial_stddev:.3f} where a layer "
        f"starts, a minimum of {kl.min():.2f} near {stddevs[np.argmin(kl)]:.2f}, {kl[-1]:.2f} at "
        f"{stddevs[-1]:g}. Left of 1 it follows −log σ, right of 1 the term ½σ² − ½.",
    )


def _describe_parts(table: pd.DataFrame) -> str:
    return "; ".join(
        f"{row.Index}: {row.mean:,.0f} nats of L2 part and {row.scale:,.0f} nats of scale part, "
        f"a share of {row.mean / (row.mean + row.scale):.1%}"
        for row in table.itertuples()
    )


def _plain_numbers(*axes: matplotlib.axis.Axis) -> None:
    """Label the ticks 0.01 and 1,000 rather than as powers of ten."""
    for axis in axes:
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
