"""A picture of what a training step costs, contender by contender.

Introduced in chapters/19-step-cost.md, "Benchmark: `fit`, `tf.function`, other libraries".
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..page.benchmark_results import QUESTION, BenchmarkResults, Setting, cost_table, rounds_table
from .style import COLOURS, DescribedFigure, new_figure

_KINDS = {  # colour, marker and words of each kind of contender
    "book": (COLOURS["by_hand"], "D", "the book's trainer"),
    "tfp": (COLOURS["bayesian"], "o", "TFP's layers, other loops"),
    "peer": (COLOURS["kl"], "s", "other libraries"),
    "bound": (COLOURS["prior"], "^", "not Bayesian"),
}


def plot_step_cost(
    results: BenchmarkResults,
    setting: Setting = QUESTION,
    contenders: Sequence[str] | None = None,
) -> DescribedFigure:
    """Draw the milliseconds per step of each contender: median, and the spread over the rounds.

    Parameters
    ----------
    results
        As :func:`helpers.page.benchmark_results.read_results` gives them.
    setting
        The network, batch and draws to show.
    contenders
        Names to show; all that were measured by default.

    Raises
    ------
    ValueError
        If nothing was measured in this setting, or not one of the names.
    """
    table = _table_with_spread(results, setting, contenders)
    figure, axis = new_figure(height=1.2 + 0.38 * len(table))
    places = np.arange(len(table))[::-1]
    for kind, (colour, marker, label) in _KINDS.items():
        shown = (table["kind"] == kind).to_numpy()
        if shown.any():
            part, heights = table[shown], places[shown]
            axis.hlines(heights, part["lowest"], part["highest"], color=colour, lw=3, alpha=0.5)
            axis.plot(part["ms"], heights, marker, color=colour, label=label, ms=7)
    axis.set(xlabel="milliseconds per step", xlim=(0, 1.08 * table["highest"].max()))
    axis.set_yticks(places, [title.replace(", ", ",\n") for title in table["title"]])
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    described = "; ".join(
        f"{row.title} {row.ms:.1f}, from {row.lowest:.1f} to {row.highest:.1f}"
        for row in table.itertuples()
    )
    return DescribedFigure(
        figure,
        f"Milliseconds per training step of {len(table)} contenders on {setting}, median and range "
        f"over the rounds, the fastest first: {described}.",
    )


def _table_with_spread(
    results: BenchmarkResults, setting: Setting, contenders: Sequence[str] | None
) -> pd.DataFrame:
    """Return medians, and the lowest and highest milliseconds of any round."""
    table = cost_table(results, setting)
    spread = rounds_table(results, setting).groupby("contender")["ms"]
    table = table.assign(lowest=spread.min(), highest=spread.max())
    if contenders is None:
        return table
    if missing := sorted(set(contenders) - set(table.index)):
        raise ValueError(
            f"{', '.join(missing)} not measured for {setting}: there are {', '.join(table.index)}."
        )
    return table[table.index.isin(contenders)]
