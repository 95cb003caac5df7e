"""Pictures of how strong the prior is: its width, the weight of the KL, wide networks, pruning.

Introduced in chapters/11-prior-strength.md, "The width of the prior".
"""

from typing import NamedTuple

import matplotlib.axes
import numpy as np
import numpy.typing as npt
import pandas as pd

from .style import COLOURS, DescribedFigure, new_figure

Array = npt.NDArray[np.float64]
NARROW = 5.6  # inches, so that the letters stay legible on a phone
ORDERS = (  # marker and colour of each order of pruning
    ("o-", COLOURS["bayesian"]),
    ("s-", COLOURS["by_hand"]),
    ("x-", COLOURS["prior"]),
    ("^--", COLOURS["plain_l2"]),
)


def plot_prior_widths(results: pd.DataFrame, num_classes: int) -> DescribedFigure:
    """Draw what the width of the prior does to a trained network.

    Parameters
    ----------
    results
        A row per prior; the index is its standard deviation. Columns ``kl`` (nats), ``mean_size``
        (root mean square of the posterior means), ``mean_stddev``, ``density`` (held-out log
        predictive density, nats per example) and ``bound`` (−ELBO/N, nats per example).
    num_classes
        C; guessing scores −log C, drawn as a line.
    """
    figure, axes = new_figure(2, 2, width=NARROW, height=5.2, sharex=True)
    (weights, cost), (density, bound) = axes
    widths = results.index.to_numpy(float)
    _draw_posterior_sizes(weights, results)
    cost.plot(widths, results["kl"], "o-", color=COLOURS["kl"])
    cost.set(ylabel="KL (nats)")
    density.plot(widths, results["density"], "o-", color=COLOURS["bayesian"])
    density.axhline(-np.log(num_classes), color="black", ls="--", lw=1.2)
    density.set(ylabel="held-out log predictive\ndensity (nats/example)")
    bound.plot(widths, results["bound"], "o-", color=COLOURS["elbo"])
    bound.set(ylabel="−ELBO/N (nats/example)")
    for axis in axes[1]:
        axis.set(xlabel="σ of the prior", xticks=widths, xticklabels=[f"{w:g}" for w in widths])
        axis.minorticks_off()
    described = "; ".join(
        f"{width:g}: mean σ {row.mean_stddev:.2f}, size of means {row.mean_size:.2f}, KL "
        f"{row.kl:,.0f} nats, density {row.density:.2f}, −ELBO/N {row.bound:.2f} nats per example"
        for width, row in results.iterrows()
    )
    return DescribedFigure(figure, f"Four charts over the prior's standard deviation. {described}.")


def _draw_posterior_sizes(axis: matplotlib.axes.Axes, results: pd.DataFrame) -> None:
    """Draw the size of means and standard deviations over the width of the prior."""
    widths = results.index.to_numpy(float)
    learnt = results["mean_size"] > 1e-3 * widths  # a mean of nearly 0 has no place on this axis
    sizes = results["mean_size"].where(learnt)
    axis.plot(widths, widths, "--", color=COLOURS["prior"], label="prior's σ")
    axis.plot(widths, results["mean_stddev"], "o-", color=COLOURS["scale_part"], label="mean σ")
    axis.plot(widths, sizes, "s-", color=COLOURS["mean_part"], label="root mean\nsquare of μ")
    axis.set(xscale="log", yscale="log", ylabel="μ and σ of the posterior")
    axis.legend(frameon=False, fontsize="small")


def plot_tempering(results: pd.DataFrame, num_classes: int) -> DescribedFigure:
    """Draw test NLL, calibration and KL against the weight of the KL.

    Parameters
    ----------
    results
        A row per weight; the index is its name, in order. Columns ``density`` (held-out log
        predictive density, nats per example), ``calibration_error``, ``overconfidence`` (mean
        confidence minus accuracy) and ``kl`` (nats). The row ``1/N`` is marked.
    num_classes
        C; guessing costs log C, drawn as a line.
    """
    figure, axes = new_figure(3, 1, width=NARROW, height=6.4, sharex=True)
    places, right = np.arange(len(results)), list(results.index).index("1/N")
    axes[0].plot(places, -results["density"], "o-", color=COLOURS["negative_log_likelihood"])
    axes[0].axhline(np.log(num_classes), color="black", ls="--", lw=1.2)
    axes[0].set(ylabel="test NLL\n(nats/example)", ylim=(0, None))
    error = results["calibration_error"]
    axes[1].plot(places, error, "o-", color=COLOURS["by_hand"], label="expected calibration error")
    sure = results["overconfidence"]
    axes[1].plot(places, sure, "s-", color=COLOURS["posterior"], label="confidence − accuracy")
    axes[1].axhline(0.0, color="0.4", lw=1)
    axes[1].set(ylabel="in probability")
    axes[1].legend(frameon=False, fontsize="small", loc="lower left")
    axes[2].plot(places, results["kl"], "o-", color=COLOURS["kl"])
    axes[2].set(ylabel="KL (nats)", yscale="log", xlabel="weight λ of the KL")
    axes[2].set_xticks(places, results.index)
    for axis in axes:
        axis.axvline(right, color=COLOURS["bayesian"], lw=8, alpha=0.2, zorder=0)
    described = "; ".join(
        f"{name}: test NLL {-row.density:.2f} nats per example, calibration error "
        f"{row.calibration_error:.3f}, confidence minus accuracy {row.overconfidence:.3f}, KL "
        f"{row.kl:,.0f} nats"
        for name, row in results.iterrows()
    )
    return DescribedFigure(figure, f"Three charts over the weight of the KL. {described}.")


def plot_stddev_histograms(stddevs: dict[str, Array], initial: float) -> DescribedFigure:
    """Draw a histogram of the posterior standard deviations of each of several networks.

    Parameters
    ----------
    stddevs
        Name ↦ σ [weights].
    initial
        σ at the start of training, drawn as a line beside that of the prior N(0, 1).
    """
    height = 1.3 + 1.3 * len(stddevs)
    figure, axes = new_figure(len(stddevs), 1, width=NARROW, height=height, sharex=True)
    bins = np.geomspace(0.005, 2.0, 61)
    for axis, (name, values) in zip(axes, stddevs.items(), strict=True):
        shares, inside = np.full(len(values), 1 / len(values)), np.clip(values, bins[0], bins[-1])
        axis.hist(inside, bins, weights=shares, color=COLOURS["posterior"])
        axis.axvline(initial, color=COLOURS["by_hand"], ls=":", label="σ at the start")
        axis.axvline(1.0, color=COLOURS["prior"], ls="--", label="σ of the prior")
        axis.set(xscale="log")
        axis.set_title(name, loc="left", fontsize="medium")
    axes[-1].set(xlabel="posterior standard deviation σ")
    figure.supylabel("share of weights", fontsize="medium")
    axes[-1].set_xticks([0.01, 0.1, 1.0], ["0.01", "0.1", "1"])
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    described = "; ".join(
        f"{name}, median {np.median(values):.3f}, middle nine tenths from "
        f"{np.quantile(values, 0.05):.3f} to {np.quantile(values, 0.95):.3f}"
        for name, values in stddevs.items()
    )
    return DescribedFigure(
        figure,
        f"{len(stddevs)} histograms of the posterior standard deviations on a logarithmic axis, "
        f"with lines at {initial:.3f}, the start, and at 1, the prior: {described}.",
    )


class Band(NamedTuple):
    """A predictive distribution over a grid: mean and standard deviation, [points] each."""

    mean: Array
    stddev: Array


def plot_wide_networks(
    grid: Array,
    bands: dict[tuple[str, int], tuple[Band, Band]],
    inputs: Array,
    targets: Array,
) -> DescribedFigure:
    """Draw the functions that networks of several widths learnt, over those of their prior.

    Parameters
    ----------
    grid
        Inputs [points].
    bands
        (name of the prior, width) ↦ the bands of prior and posterior over functions.
    inputs, targets
        The training data, [examples] each.
    """
    names = list(dict.fromkeys(name for name, _ in bands))
    widths = list(dict.fromkeys(width for _, width in bands))
    figure, axes = new_figure(
        len(names), len(widths), width=7.0, height=1.0 + 2.1 * len(names), sharex=True, sharey=True
    )
    for axis, ((name, width), (prior, posterior)) in zip(axes.flat, bands.items(), strict=True):
        for edge in (prior.mean - 2 * prior.stddev, prior.mean + 2 * prior.stddev):
            axis.plot(grid, edge, "--", color=COLOURS["prior"], lw=1.5, label="prior, ±2 σ")
        _draw_band(axis, grid, posterior)
        axis.plot(inputs, targets, "k.", ms=4, label="data")
        axis.set_title(f"width {width}", fontsize="medium")
        if width == widths[0]:
            axis.set_ylabel(f"output, under\n{name}")
    axes[0, 0].set_ylim(-4, 4)
    for axis in axes[-1]:
        axis.set_xlabel("input x")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside upper center", ncols=4, frameon=False
    )
    return DescribedFigure(figure, _describe_bands(bands))


def _draw_band(axis: matplotlib.axes.Axes, grid: Array, band: Band) -> None:
    colour = COLOURS["posterior"]
    lower, upper = band.mean - 2 * band.stddev, band.mean + 2 * band.stddev
    axis.fill_between(grid, lower, upper, color=colour, alpha=0.3, lw=0, label="posterior, ±2 σ")
    axis.plot(grid, band.mean, color=colour, label="its mean")


def _describe_bands(bands: dict[tuple[str, int], tuple[Band, Band]]) -> str:
    described = "; ".join(
        f"prior {name}, width {width}: the mean spans {np.ptp(posterior.mean):.2f}, the average "
        f"standard deviation is {posterior.stddev.mean():.2f}, under the prior "
        f"{prior.stddev.mean():.2f}"
        for (name, width), (prior, posterior) in bands.items()
    )
    return f"{len(bands)} panels of fitted functions over the same data. {described}."


def plot_pruning(scores: dict[str, pd.DataFrame]) -> DescribedFigure:
    """Draw accuracy and log predictive density against the share of weights removed.

    Parameters
    ----------
    scores
        Name of the order of removal ↦ table whose index is the share removed, with the columns
        ``accuracy`` and ``log_predictive_density`` (nats per example).
    """
    figure, axes = new_figure(1, 2, height=4.0)
    columns = {
        "accuracy": "test accuracy",
        "log_predictive_density": "held-out log predictive\ndensity (nats/example)",
    }
    for axis, (column, label) in zip(axes, columns.items(), strict=True):
        for (name, table), (marker, colour) in zip(scores.items(), ORDERS, strict=False):
            axis.plot(100 * table.index, table[column], marker, color=colour, label=name, ms=5)
        axis.set(xlabel="weights removed (%)", ylabel=label, xticks=[0, 25, 50, 75, 95])
    axes[1].set_ylim(-3.0, 0.0)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    described = "; ".join(f"{name}: {_describe_scores(table)}" for name, table in scores.items())
    return DescribedFigure(
        figure,
        "Two charts over the share of weights removed, test accuracy and held-out log predictive "
        f"density in nats per example. {described}.",
    )


def _describe_scores(table: pd.DataFrame) -> str:
    return ", ".join(
        f"{share:.0%} removed {row.accuracy:.2f} and {row.log_predictive_density:.2f}"
        for share, row in table.iterrows()
    )
