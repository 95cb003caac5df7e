"""The picture of the first page: what ``losses`` holds, beside the same computed by hand.

Introduced in chapters/03-inspecting-losses.md, "Each entry is a KL divergence".
"""

import numpy as np
import pandas as pd
import tf_keras

from ..losses.by_layer import bayesian_layers
from ..losses.gaussian_kl import gaussian_kl_terms
from .style import COLOURS, DescribedFigure, new_figure


def plot_losses_by_hand(neural_net: tf_keras.Model) -> DescribedFigure:
    """Draw each entry of ``losses`` beside the KL computed by hand, split in its two parts.

    Parameters
    ----------
    neural_net
        A network of Bayesian layers with Gaussian posteriors and the prior N(0, 1), called eagerly
        since its weights last changed.

    Returns
    -------
    DescribedFigure
        Two bars for each layer, in nats: the entry; and, stacked, ½μ² and ½σ² − log σ − ½, each
        summed over the weights of the layer.
    """
    table = _parts_by_layer(neural_net)
    figure, axis = new_figure(width=5.6, height=3.6)
    position = np.arange(len(table))
    left, right = position - 0.21, position + 0.21
    width = 0.38
    entry = axis.bar(left, table["entry"], width, color=COLOURS["losses"])
    mean = axis.bar(right, table["mean"], width, color=COLOURS["mean_part"])
    scale = axis.bar(
        right, table["scale"], width, bottom=table["mean"], color=COLOURS["scale_part"]
    )
    axis.bar_label(entry, fmt="{:,.1f}", padding=2)
    axis.bar_label(scale, [f"{total:,.1f}" for total in table["mean"] + table["scale"]], padding=2)
    axis.set_xticks(position, table.index)
    axis.grid(axis="x", visible=False)
    axis.set(xlabel="layer", ylabel="KL divergence (nats)")
    axis.margins(y=0.12)
    labels = (
        "entry of neural_net.losses",
        "by hand: Σ ½σ² − log σ − ½",
        "by hand: Σ ½μ², the L2 part",
    )
    figure.legend((entry, scale, mean), labels, loc="outside upper center", ncols=2, frameon=False)
    return DescribedFigure(figure, _description(table))


def _parts_by_layer(neural_net: tf_keras.Model) -> pd.DataFrame:
    """Return a row per layer, in nats: its entry of ``losses`` and the two parts of its KL."""
    layers = bayesian_layers(neural_net)
    rows = []
    for layer, entry in zip(layers, neural_net.losses, strict=True):
        posterior = layer.kernel_posterior
        terms = gaussian_kl_terms(posterior.mean(), posterior.stddev())
        mean = terms.pop("½μ²")
        rows.append((float(entry), mean, sum(terms.values())))
    names = [layer.name for layer in layers]
    return pd.DataFrame(rows, index=names, columns=["entry", "mean", "scale"])


def _description(table: pd.DataFrame) -> str:
    pairs = "; ".join(
        f"{row.Index} {row.entry:,.1f} and {row.mean + row.scale:,.1f}, of which {row.mean:,.1f} "
        "are the L2 part"
        for row in table.itertuples()
    )
    return (
        f"Bar chart with two bars for each of {len(table)} layers, the entry of "
        f"losses and the KL divergence computed by hand, in nats: {pairs}."
    )
