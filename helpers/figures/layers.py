"""Pictures of where the nats sit: in which layer, in which weights, in networks of which width.

Introduced in chapters/03-inspecting-losses.md, "KL per weight after training: by layer, by pixel".
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator, PercentFormatter

from .style import COLOURS, DescribedFigure, new_figure


def plot_nats_per_layer(before: pd.DataFrame, after: pd.DataFrame) -> DescribedFigure:
    """Draw the nats of each layer, and the nats of each of its weights, before and after training.

    Parameters
    ----------
    before, after
        Tables of :func:`helpers.losses.by_layer.losses_by_layer` for the same network.

    Raises
    ------
    ValueError
        If the two tables do not list the same layers.
    """
    layers = list(before["layer"])
    if layers != list(after["layer"]):
        raise ValueError(f"before lists the layers {layers}, but after {list(after['layer'])}.")
    figure, axes = new_figure(1, 2)
    sentences = []
    for axis, column, label, number in (
        (axes[0], "nats", "nats in the layer", "{:,.0f}"),
        (axes[1], "nats_per_weight", "nats per weight", "{:.2f}"),
    ):
        _draw_pairs(axis, layers, [before[column], after[column]], number)
        axis.set(xlabel="layer", ylabel=label)
        pairs = zip(layers, before[column], after[column], strict=True)
        changes = (f"{name} {number.format(a)} to {number.format(b)}" for name, a, b in pairs)
        sentences.append(f"{label}: {', '.join(changes)}")
    axes[0].yaxis.set_major_formatter("{x:,.0f}")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    return DescribedFigure(
        figure,
        "Two bar charts with two bars for each layer, before and after training. "
        f"Left, {sentences[0]}. Right, {sentences[1]}.",
    )


def plot_nats_per_pixel(
    kl: npt.NDArray[np.floating[Any]], images: npt.NDArray[np.floating[Any]]
) -> DescribedFigure:
    """Draw the nats that hang on each pixel of the first layer, beside the mean image.

    Parameters
    ----------
    kl
        Nats of each weight of the first layer [64, units].
    images
        Training images [examples, 64], grey levels from 0 to 1.
    """
    figure, axes = new_figure(1, 2)
    grey = images.mean(axis=0).reshape(8, 8)
    nats = kl.sum(axis=1).reshape(8, 8)
    for axis, values, colours, label in (
        (axes[0], grey, "gray", "mean grey level (0 to 1)"),
        (axes[1], nats, "viridis", "KL of the pixel's weights (nats)"),
    ):
        picture = axis.imshow(values, cmap=colours, vmin=0)
        axis.grid(visible=False)
        axis.set(xlabel="column of pixels", ylabel="row of pixels")
        axis.set(xticks=[0, 7], yticks=[0, 7])
        figure.colorbar(picture, ax=axis, label=label, location="top", shrink=0.9)
    bright = grey > np.median(grey)
    return DescribedFigure(
        figure,
        "Two maps of 8 by 8 pixels, the mean training image and the nats of the weights of each "
        f"pixel. The brighter half of the pixels holds {nats[bright].sum() / nats.sum():.0%} of "
        f"the nats; the pixels hold from {nats.min():.2f} to {nats.max():.1f} nats each.",
    )


def plot_nats_per_weight(
    kl_by_layer: Mapping[str, npt.NDArray[np.floating[Any]]], at_start: float
) -> DescribedFigure:
    """Draw how the nats are spread over the weights of each layer.

    Parameters
    ----------
    kl_by_layer
        Layer name ↦ nats of each of its weights, in any shape.
    at_start
        Mean nats per weight before training, drawn as a line.
    """
    figure, axis = new_figure(height=3.6)
    bins = np.geomspace(1e-6, 10.0, 36)
    shares = []
    colours = itertools.cycle(COLOURS["layers"])
    for (name, kl), colour in zip(kl_by_layer.items(), colours, strict=False):
        values = np.clip(kl.ravel(), bins[0], bins[-1])
        each = np.full(values.size, 1.0 / values.size)
        axis.hist(values, bins, weights=each, histtype="step", lw=2, color=colour, label=name)
        shares.append(f"{name} {np.mean(kl < 0.1 * at_start):.0%}")
    axis.axvline(at_start, color=COLOURS["prior"], linestyle="--", label="mean before training")
    axis.set(xscale="log", xlabel="KL of one weight (nats)", ylabel="share of the layer's weights")
    axis.yaxis.set_major_locator(MultipleLocator(0.05))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.legend(loc="upper left", bbox_to_anchor=(0.08, 1.0), frameon=False)
    return DescribedFigure(
        figure,
        "Histogram of the nats of single weights after training, one line per layer, from a "
        f"millionth of a nat (or less) to {bins[-1]:g} nats. Share of weights that hold less than "
        f"a tenth of the {at_start:.2f} nats of before training: {', '.join(shares)}.",
    )


def plot_nats_by_size(
    num_weights: npt.ArrayLike, nats: npt.ArrayLike, nats_per_weight: float
) -> DescribedFigure:
    """Draw the KL of layers at initialisation over their number of weights, and a line.

    Parameters
    ----------
    num_weights, nats
        Weights in the kernel of each layer, and its KL.
    nats_per_weight
        Slope of the line through the origin.
    """
    num_weights, nats = np.asarray(num_weights), np.asarray(nats)
    figure, axis = new_figure(width=5.6)
    ends = np.array([0.0, 1.05 * num_weights.max()])
    label = f"{nats_per_weight:.2f} nats per weight"
    axis.plot(ends, nats_per_weight * ends, color=COLOURS["by_hand"], label=label)
    axis.plot(num_weights, nats, "o", color=COLOURS["losses"], label="entry of losses", zorder=3)
    axis.set(xlabel="weights in the kernel", ylabel="KL before training (nats)")
    axis.locator_params(nbins=5)
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter("{x:,.0f}")
    axis.legend(frameon=False)
    points = ", ".join(f"{v:,.0f} for {n:,}" for n, v in zip(num_weights, nats, strict=True))
    distance = np.max(np.abs(nats / (nats_per_weight * num_weights) - 1.0))
    return DescribedFigure(
        figure,
        f"KL in nats over the number of weights of {len(nats)} layers: {points} weights. A line "
        f"through the origin of {nats_per_weight:.2f} nats per weight misses no point by more "
        f"than {distance:.2%}.",
    )


def _draw_pairs(axis: Axes, layers: list[str], columns: list[pd.Series], number: str) -> None:
    """Draw two bars for each layer, before (pale) and after, each with its number above."""
    position = np.arange(len(layers))
    pale = sns.light_palette(COLOURS["posterior"], n_colors=3)[1]
    looks = (("before training", pale), ("after training", COLOURS["posterior"]))
    for values, shift, (label, colour) in zip(columns, (-0.2, 0.2), looks, strict=True):
        bars = axis.bar(position + shift, values, 0.38, color=colour, label=label)
        axis.bar_label(bars, fmt=number, padding=2, fontsize=9)
    axis.set_xticks(position, layers)
    axis.grid(axis="x", visible=False)
    axis.margins(y=0.12)
