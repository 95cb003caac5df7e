"""Pictures of the parts of a training step, and of its growth with width, batch and draws.

Introduced in chapters/19-step-cost.md, "Where the time goes".
"""

from collections.abc import Mapping

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import pandas as pd

from .style import COLOURS, DescribedFigure, new_figure

# Colour and hatching of each column of the parts; colour and marker of each line of the growth.
_COLUMNS = ((COLOURS["bayesian"], None), (COLOURS["by_hand"], "//"))
_LINES = ((COLOURS["by_hand"], "D"), (COLOURS["bayesian"], "o"), (COLOURS["prior"], "^"))
NARROW = 5.6  # inches, so that the letters stay legible on a phone


def plot_step_parts(parts: pd.DataFrame) -> DescribedFigure:
    """Draw the milliseconds per step of each part, a bar for each of two ways to compute it.

    Parameters
    ----------
    parts
        A row per part and a column per way, milliseconds per step; NaN where a way has no such
        part. The order of the rows is that of the picture, from the top.
    """
    figure, axis = new_figure(width=NARROW, height=1.0 + 0.55 * len(parts))
    places, height = np.arange(len(parts))[::-1], 0.8 / len(parts.columns)
    for number, (way, (colour, hatch)) in enumerate(zip(parts, _COLUMNS, strict=True)):
        shift = (len(parts.columns) - 1 - 2 * number) * height / 2
        options = {"color": colour, "hatch": hatch, "edgecolor": "white", "label": way}
        axis.barh(places + shift, parts[way].fillna(0), height, **options)
    axis.set_yticks(places, parts.index)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("milliseconds per step")
    figure.legend(loc="outside upper center", ncols=len(parts.columns), frameon=False)
    described = [
        f"{part}: " + ", ".join(f"{way} {ms:.2g}" for way, ms in row.dropna().items())
        for part, row in parts.iterrows()
    ]
    return DescribedFigure(
        figure, f"Bars of the milliseconds per step of each part alone. {'; '.join(described)}."
    )


def plot_growth(
    growth: Mapping[str, pd.DataFrame], counted: Mapping[str, pd.Series]
) -> DescribedFigure:
    """Draw the milliseconds per step as one number of the setting changes, on logarithmic axes.

    Parameters
    ----------
    growth
        Label of the horizontal axis ↦ milliseconds per step: a row per value, a column per
        contender (at most three).
    counted
        The same labels ↦ operations for each value; drawn as a dotted line of this slope through
        the last point of the first contender.
    """
    figure, axes = new_figure(1, len(growth), width=7.0, height=3.6, sharey=True, squeeze=False)
    described = []
    for axis, (label, table) in zip(axes[0], growth.items(), strict=True):
        for name, (colour, marker) in zip(table, _LINES, strict=False):
            axis.plot(table.index, table[name], marker=marker, color=colour, label=name)
        expected = counted[label] / counted[label].iloc[-1] * table.iloc[-1, 0]
        axis.plot(expected.index, expected, color=_LINES[0][0], ls=":", label="operations")
        _logarithmic(axis, table, label)
        first, last = table.index[[0, -1]]
        times = [f"{name} from {it.iloc[0]:.3g} to {it.iloc[-1]:.3g}" for name, it in table.items()]
        described.append(f"{label} from {first} to {last}: {', '.join(times)}")
    axes[0, 0].set_ylabel("milliseconds per step")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    return DescribedFigure(
        figure,
        "Milliseconds per step on logarithmic axes, with a dotted line of the slope of the count "
        f"of operations. {'; '.join(described)}.",
    )


def _logarithmic(axis: matplotlib.axes.Axes, table: pd.DataFrame, label: str) -> None:
    """Give both axes logarithmic scales, with the measured values as ticks."""
    axis.set(xscale="log", yscale="log", xlabel=label)
    axis.set_xticks(table.index, [str(value) for value in table.index])
    axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
