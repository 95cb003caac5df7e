"""Pictures of approximate posteriors beside exact ones: coefficients and predictive bands.

Introduced in chapters/08-exact-answer.md, "Posterior too narrow, and by how much".
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from ..exact.linear_regression import FactorisedGaussian, GaussianWeights
from .style import COLOURS, DescribedFigure, new_figure

Array = npt.NDArray[np.float64]
EXACT = "0.45"
NINE_IN_TEN = 1.645  # standard deviations on each side that hold nine tenths of a Gaussian
RADIUS = float(np.sqrt(2.0 * np.log(10.0)))  # of a circle that holds nine tenths of two


def plot_coefficients(table: pd.DataFrame) -> DescribedFigure:
    """Draw each coefficient's exact and factorised posterior, and the ratio of their widths.

    Parameters
    ----------
    table
        Index: the features' names. Columns ``mean``, ``exact_stddev`` and ``factorised_stddev``, in
        the unit of the targets per unit of the feature.
    """
    figure, (left, right) = new_figure(1, 2, height=4.4, sharey=True, width_ratios=[2, 1])
    ratio = table["factorised_stddev"] / table["exact_stddev"]
    _draw_intervals(left, table)
    _draw_ratios(right, ratio)
    parts = (f"{name} {value:.2f}" for name, value in ratio.items())
    return DescribedFigure(
        figure,
        f"Intervals of {len(table)} coefficients around equal means, the factorised ones narrower "
        f"than the exact ones. Factorised over exact standard deviation: {', '.join(parts)}.",
    )


def plot_pairs(
    exact: GaussianWeights,
    factorised: FactorisedGaussian,
    names: Sequence[str],
    pairs: Sequence[tuple[str, str]],
) -> DescribedFigure:
    """Draw where nine tenths of the posterior of two coefficients lie, exact and factorised.

    Parameters
    ----------
    exact, factorised
        The two posteriors, with one coefficient per name.
    names
        The features' names.
    pairs
        One panel for each pair of names.
    """
    figure, axes = new_figure(1, len(pairs), height=3.8, squeeze=False)
    sentences = []
    for axis, pair in zip(axes[0], pairs, strict=True):
        index = [list(names).index(name) for name in pair]
        covariance = exact.covariance[np.ix_(index, index)]
        independent = np.diag(factorised.stddev[index] ** 2)
        axis.fill(*_ellipse(exact.mean[index], covariance), color=EXACT, alpha=0.4, label="exact")
        outline = _ellipse(factorised.mean[index], independent)
        axis.plot(*outline, color=COLOURS["posterior"], label="factorised")
        axis.set(xlabel=f"coefficient of {pair[0]}", ylabel=f"coefficient of {pair[1]}")
        axis.set_aspect("equal", adjustable="datalim")
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        sentences.append(f"{pair[0]} and {pair[1]}, exact correlation {correlation:.2f}")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    return DescribedFigure(
        figure,
        "Regions that hold nine tenths of the posterior of two coefficients. The exact one is an "
        "ellipse, slanted where the two are correlated, the factorised one a circle. "
        f"{'; '.join(sentences)}.",
    )


def plot_predictive_bands(
    grid: Array,
    draws: Mapping[str, Array],
    train: tuple[Array, Array],
    held_out: tuple[Array, Array],
) -> DescribedFigure:
    """Draw the bands that hold nine tenths of a network's functions, one panel per method.

    Parameters
    ----------
    grid
        Inputs [points] at which the functions are known.
    draws
        Method ↦ function values [draws, points], one row for each draw of the weights.
    train, held_out
        Inputs and targets of the examples that were seen and of those that were not.
    """
    figure, axes = new_figure(1, len(draws), height=3.8, sharey=True, squeeze=False)
    sentences = []
    for axis, (name, functions) in zip(axes[0], draws.items(), strict=True):
        _draw_examples(axis, train, held_out)
        low, middle, high = np.quantile(functions, [0.05, 0.5, 0.95], axis=0)
        axis.fill_between(grid, low, high, color=COLOURS["posterior"], alpha=0.35, lw=0)
        axis.plot(grid, middle, color=COLOURS["posterior"])
        axis.set_title(name, fontsize="medium")
        axis.set(xlabel="body mass index\n(standardised)", xlim=(grid.min(), grid.max()))
        points = np.searchsorted(grid, [grid[0], -1.5, 0.0, 1.5, grid[-1]])
        widths = ", ".join(f"{high[i] - low[i]:.2f} at {grid[i]:.1f}" for i in points)
        sentences.append(f"{name}: {widths}")
    axes[0, 0].set_ylabel("target (standardised)")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    return DescribedFigure(
        figure,
        "Patients, and the band that holds nine tenths of the drawn functions at each input, for "
        f"{len(draws)} methods. Height of the band: {'; '.join(sentences)}.",
    )


def _draw_intervals(axis: Axes, table: pd.DataFrame) -> None:
    """Draw the middle nine tenths of each coefficient's two posteriors, one row for each."""
    rows = np.arange(len(table))[::-1]
    looks = {"exact": (EXACT, 5.0, 0.16), "factorised": (COLOURS["posterior"], 3.0, -0.16)}
    for kind, (colour, width, shift) in looks.items():
        half = NINE_IN_TEN * table[f"{kind}_stddev"]
        ends = (table["mean"] - half, table["mean"] + half)
        axis.hlines(rows + shift, *ends, color=colour, lw=width, label=kind)
        axis.plot(table["mean"], rows + shift, "o", color=colour, ms=4)
    axis.axvline(0.0, color="0.4", lw=1)
    axis.set_yticks(rows, table.index)
    axis.set(xlabel="coefficient\n(of standardised columns)")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)


def _draw_ratios(axis: Axes, ratio: pd.Series) -> None:
    """Draw factorised over exact standard deviation as bars, with the numbers at the right."""
    rows = np.arange(len(ratio))[::-1]
    axis.barh(rows, ratio, 0.6, color=COLOURS["posterior"])
    for row, value in zip(rows, ratio, strict=True):
        axis.text(1.06, row, f"{value:.2f}", va="center", fontsize=9)
    axis.axvline(1.0, color=EXACT, lw=2)
    axis.set(xlabel="standard deviation,\nfactorised over exact", xlim=(0, 1.4), xticks=[0, 0.5, 1])
    axis.grid(axis="y", visible=False)


def _ellipse(mean: Array, covariance: Array) -> Array:
    """Return the outline [2, points] of the region that holds nine tenths of a Gaussian."""
    angles = np.linspace(0.0, 2.0 * np.pi, 201)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    return mean[:, None] + RADIUS * np.linalg.cholesky(covariance) @ circle


def _draw_examples(axis: Axes, train: tuple[Array, Array], held_out: tuple[Array, Array]) -> None:
    """Draw what was seen in black and what was not in grey."""
    axis.plot(*held_out, ".", color="0.75", ms=3, label="held out")
    axis.plot(*train, ".", color="black", ms=4, label="seen")
