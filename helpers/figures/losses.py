"""Pictures of what ``losses`` holds, layer by layer."""

import numpy as np
import pandas as pd

from helpers.figures.style import COLOURS, DescribedFigure, new_figure


def plot_losses_by_hand(table: pd.DataFrame) -> DescribedFigure:
    """Draw each entry of ``losses`` beside the KL computed by hand.

    Parameters
    ----------
    table
        The table of :func:`helpers.layer_losses.losses_by_layer`.
    """
    figure, axis = new_figure()
    position = np.arange(len(table))
    for column, offset, label, colour in (
        ("nats", -0.2, "entry of neural_net.losses", COLOURS["losses"]),
        ("closed_form", 0.2, "KL computed by hand", COLOURS["by_hand"]),
    ):
        bars = axis.bar(position + offset, table[column], 0.38, label=label, color=colour)
        axis.bar_label(bars, fmt="{:,.0f}", padding=2)
    axis.set_xticks(position, table["layer"])
    axis.grid(axis="x", visible=False)
    axis.set(xlabel="layer", ylabel="KL divergence (nats)")
    axis.margins(y=0.15)
    axis.legend()
    pairs = ", ".join(
        f"{row.layer} {row.nats:,.1f} and {row.closed_form:,.1f}" for row in table.itertuples()
    )
    return DescribedFigure(
        figure,
        f"Bar chart with two bars for each of {len(table)} layers, the entry of losses and the KL "
        f"computed by hand, in nats: {pairs}.",
    )
