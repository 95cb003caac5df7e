"""Pictures of estimators: the noise of their gradients, and functions that they draw.

Introduced in chapters/09-estimators.md, "Noise against the batch size".
"""

from collections.abc import Mapping

import matplotlib.axes
import matplotlib.ticker
import numpy as np
import numpy.typing as npt
import pandas as pd

from .style import COLOURS, DescribedFigure, new_figure

CLASSES = {
    # layer class: colour, marker
    "DenseReparameterization": (COLOURS["layers"][0], "o"),
    "DenseFlipout": (COLOURS["layers"][1], "s"),
    "DenseLocalReparameterization": (COLOURS["layers"][2], "^"),
}
NARROW = 5.6  # inches, so that the letters stay legible on a phone


def plot_gradient_noise(noise: pd.DataFrame) -> DescribedFigure:
    """Draw the total variance of the gradient over the batch size, on logarithmic axes.

    Parameters
    ----------
    noise
        A row per layer class, part of the gradient and batch size, with the columns ``class``,
        ``part`` ("means" or "scales"), ``batch_size``, ``value``, ``error`` (standard error) and
        ``theory`` (the height of the dotted line).
    """
    parts = list(dict.fromkeys(noise["part"]))
    sizes = sorted(set(noise["batch_size"]))
    figure, axes = new_figure(1, len(parts), width=NARROW, height=4.4, squeeze=False)
    described = []
    for axis, part in zip(axes[0], parts, strict=True):
        for name, rows in noise[noise["part"] == part].groupby("class", sort=False):
            _draw_class(axis, str(name), rows)
            first, last = rows["value"].iloc[[0, -1]]
            described.append(f"{part}, {name}: from {first:.2g} to {last:.2g}")
        axis.set(xscale="log", yscale="log", xlabel="batch size B (examples)")
        axis.set_xticks(sizes, [str(size) for size in sizes], fontsize="small", rotation=45)
        axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axis.set_title(f"gradient of the {part}", fontsize="medium")
    axes[0, 0].set_ylabel("total variance (nats²)")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", frameon=False
    )
    return DescribedFigure(
        figure,
        "Total variance of the gradient, by the draws of the weights alone, over batch sizes from "
        f"{sizes[0]} to {sizes[-1]} on logarithmic axes, with dotted lines of the theory. "
        f"In nats squared, {'; '.join(described)}.",
    )


def _draw_class(axis: matplotlib.axes.Axes, name: str, rows: pd.DataFrame) -> None:
    """Draw one class: points with two standard errors, and the theory as a dotted line."""
    colour, marker = CLASSES[name]
    bars = {"marker": marker, "ls": "none", "color": colour, "label": name, "capsize": 3}
    axis.errorbar(rows["batch_size"], rows["value"], 2 * rows["error"], **bars)
    axis.plot(rows["batch_size"], rows["theory"], color=colour, ls=":", lw=1.6)


def plot_drawn_functions(
    positions: npt.NDArray[np.float64], drawn: Mapping[str, npt.NDArray[np.float64]], ylabel: str
) -> DescribedFigure:
    """Draw what single calls of networks return along a line, a chart for each layer class.

    Parameters
    ----------
    positions
        Places [points] along the line, which are one batch.
    drawn
        Layer class ↦ outputs [calls, points].
    ylabel
        What the outputs are, with the unit.
    """
    figure, axes = new_figure(
        len(drawn), 1, width=NARROW, height=1.2 + 1.5 * len(drawn), sharex=True, sharey=True
    )
    described = []
    for axis, (name, outputs) in zip(np.atleast_1d(axes), drawn.items(), strict=True):
        for call, output in enumerate(outputs):
            colour = COLOURS["layers"][call % len(COLOURS["layers"])]
            axis.plot(positions, output, color=colour, lw=1.2)
        axis.set_title(name, fontsize="medium", loc="left")
        step = np.abs(np.diff(outputs, axis=1)).mean()
        described.append(f"{name} {step:.2g}")
    np.atleast_1d(axes)[-1].set_xlabel("position between the two images")
    figure.supylabel(ylabel, fontsize="medium")
    return DescribedFigure(
        figure,
        f"{len(drawn)} charts, each with {len(outputs)} calls of one network along a line of "
        f"{len(positions)} images. The mean step from one image to the next is: "
        f"{'; '.join(described)}.",
    )
