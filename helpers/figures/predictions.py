"""Pictures of predictions: draws, calibration, doubt, and rotated digits.

Introduced in chapters/05-training.md, "A prediction is an average over draws".
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .style import COLOURS, DescribedFigure, new_figure

Array = npt.NDArray[np.float64]
LOOKS = {
    "Bayesian": {"color": COLOURS["bayesian"], "marker": "o"},
    "plain": {"color": COLOURS["plain"], "marker": "s", "linestyle": "--"},
    "plain + L2": {"color": COLOURS["plain_l2"], "marker": "^", "linestyle": ":"},
}
MEASURES = {
    "accuracy": "accuracy",
    "log_predictive_density": "log predictive density\n(nats per example)",
    "total": "predictive entropy (nats)",
    "mutual_information": "mutual information (nats)",
}


def plot_number_of_draws(averages: Mapping[str, Array]) -> DescribedFigure:
    """Draw the held-out log predictive density against the number of averaged draws.

    Parameters
    ----------
    averages
        What was averaged ↦ log predictive density [repetitions, draws] in nats per example; column
        S − 1 holds that of S draws.
    """
    figure, axis = new_figure()
    sentences = []
    colours = (COLOURS["bayesian"], COLOURS["by_hand"])
    for (name, densities), colour in zip(averages.items(), colours, strict=False):
        num_draws = np.arange(1, densities.shape[1] + 1)
        low, middle, high = np.quantile(densities, [0.05, 0.5, 0.95], axis=0)
        axis.fill_between(num_draws, low, high, color=colour, alpha=0.2, lw=0)
        axis.plot(num_draws, middle, color=colour, label=f"average of {name}")
        sentences.append(
            f"for {name} from {middle[0]:.3f} (middle of {len(densities)} repetitions, nine in ten "
            f"between {low[0]:.3f} and {high[0]:.3f}) to {middle[-1]:.3f} (between {low[-1]:.3f} "
            f"and {high[-1]:.3f})"
        )
    axis.set(xscale="log", xlabel="number of draws S that are averaged")
    axis.set_ylabel("log predictive density\n(nats per example)")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.legend(loc="lower right", frameon=False)
    return DescribedFigure(
        figure,
        "Held-out log predictive density in nats per example against the number of draws, 1 to "
        f"{len(num_draws)}: {'; '.join(sentences)}.",
    )


def plot_reliability(tables: Mapping[str, pd.DataFrame]) -> DescribedFigure:
    """Draw accuracy over confidence for several networks, and the counts of each bin.

    Parameters
    ----------
    tables
        Name of the network (a key of ``LOOKS``) ↦ its table of
        :func:`helpers.prediction.calibration.reliability_table`.
    """
    figure, axes = new_figure(
        2,
        len(tables),
        height=4.4,
        squeeze=False,
        sharex=True,
        sharey="row",
        gridspec_kw={"height_ratios": [2, 1]},
    )
    sentences = []
    for (above, below), (name, table) in zip(axes.T, tables.items(), strict=True):
        _draw_accuracy(above, table, LOOKS[name])
        above.set_title(name, fontsize="medium")
        _draw_counts(below, table, LOOKS[name]["color"])
        bins = ", ".join(
            f"{count:.0f} at {confidence:.2f} with accuracy {accuracy:.2f}"
            for count, confidence, accuracy in table.to_numpy()
        )
        sentences.append(f"{name}: {bins}")
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("digits")
    return DescribedFigure(
        figure,
        "Accuracy over confidence with a diagonal for perfect calibration, and below it the number "
        f"of digits in each bin. {'; '.join(sentences)}.",
    )


def plot_doubtful_digits(
    images: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], draws: Array
) -> DescribedFigure:
    """Draw digits with the probabilities of their classes, and how far single draws spread.

    Parameters
    ----------
    images
        [examples, 64], a few.
    labels
        [examples], the true classes; their bars are drawn in another colour.
    draws
        Probabilities [draws, examples, classes].
    """
    figure, axes = new_figure(2, len(images), height=3.8, sharey="row")
    for column, (picture, bars) in enumerate(axes.T):
        _draw_digit(picture, images[column], f"true class {labels[column]}")
        _draw_classes(bars, draws[:, column], int(labels[column]))
    means = draws.mean(axis=0)
    axes[1, 0].set_ylabel("probability")
    sentences = [
        f"a {labels[i]} with probability {means[i, labels[i]]:.2f} for {labels[i]} and "
        f"{means[i].max():.2f} for the favourite, {means[i].argmax()}"
        for i in range(len(images))
    ]
    return DescribedFigure(
        figure,
        f"{len(images)} digits, each above a bar chart of its class probabilities with lines that "
        f"span eight in ten draws: {'; '.join(sentences)}.",
    )


def plot_rotated_digit(
    images: npt.NDArray[np.float32], angles: npt.ArrayLike, predictions: Mapping[str, Array]
) -> DescribedFigure:
    """Draw one digit at several angles, with what networks call it and how surely.

    Parameters
    ----------
    images
        [angles, 64], the turned digit.
    angles
        [angles] in degrees.
    predictions
        Name of the network ↦ its probabilities [angles, classes].
    """
    angles = np.asarray(angles)
    figure, axes = new_figure(
        2, len(angles), height=2.8, gridspec_kw={"height_ratios": [2, 1], "hspace": 0}
    )
    for axis, image, angle in zip(axes[0], images, angles, strict=True):
        _draw_digit(axis, image, f"{angle}°")
    for axis in axes[1]:
        axis.set_axis_off()
        axis.set(xlim=(-1, 4), ylim=(0.5 - len(predictions), 0.5))
    sentences = []
    for row, (name, probabilities) in enumerate(predictions.items()):
        best, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
        for axis, guess, confidence in zip(axes[1], best, sure, strict=True):
            axis.plot(0, -row, **LOOKS[name])
            axis.text(0.5, -row, f"{guess}: {confidence:.0%}", va="center_baseline")
        answers = (f"{g} ({c:.0%}) at {a}°" for g, c, a in zip(best, sure, angles, strict=True))
        sentences.append(f"{name}: {', '.join(answers)}")
    names = [Line2D([], [], **LOOKS[name], label=name) for name in predictions]
    figure.legend(handles=names, loc="outside upper center", ncols=3, frameon=False)
    return DescribedFigure(
        figure,
        f"One digit turned by {len(angles)} angles, with the class that each network prefers and "
        f"its probability. {'; '.join(sentences)}.",
    )


def plot_rotation(table: pd.DataFrame) -> DescribedFigure:
    """Draw what becomes of the predictions of several networks as the digits are turned.

    Parameters
    ----------
    table
        A row per network and angle: ``network`` (a key of ``LOOKS``), ``angle`` (degrees),
        ``accuracy``, ``log_predictive_density`` (nats per example), ``total`` and
        ``mutual_information`` (nats, means over the digits).
    """
    figure, axes = new_figure(2, 2, height=5.2, sharex=True)
    for axis, (column, label) in zip(axes.flat, MEASURES.items(), strict=True):
        for name, rows in table.groupby("network", sort=False):
            axis.plot(rows["angle"], rows[column], label=name, ms=4, **LOOKS[name])
        axis.set(ylabel=label, xticks=[0, 45, 90, 135, 180])
    for axis in axes[1]:
        axis.set_xlabel("rotation (degrees)")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3, frameon=False)
    chosen = table[table["angle"].isin([0, 90, 180])]
    sentences = [
        f"{row.network} at {row.angle}°: accuracy {row.accuracy:.2f}, log predictive density "
        f"{row.log_predictive_density:.2f}, entropy {row.total:.2f}, mutual information "
        f"{row.mutual_information:.2f}"
        for row in chosen.itertuples()
    ]
    count = table["network"].nunique()
    return DescribedFigure(
        figure,
        "Four panels against the angle of rotation, 0 to 180 degrees, for "
        f"{count} network{'s' if count > 1 else ''}. {'; '.join(sentences)} (in nats).",
    )


def _draw_accuracy(axis: Axes, table: pd.DataFrame, look: Mapping[str, Any]) -> None:
    """Draw accuracy over confidence, with intervals, and the diagonal of perfect calibration."""
    axis.plot([0, 1], [0, 1], color=COLOURS["prior"], lw=1)
    axis.plot(table["confidence"], table["accuracy"], **look)
    axis.vlines(table["confidence"], *_accuracy_interval(table), color=look["color"], lw=1)


def _draw_counts(axis: Axes, table: pd.DataFrame, colour: str) -> None:
    """Draw the number of digits in each bin of confidence, on a logarithmic axis."""
    bars = axis.bar(table["confidence"], table["count"], 0.055, color=colour)
    axis.bar_label(bars, padding=1, fontsize=7)
    axis.set(xlabel="confidence", yscale="log", ylim=(0.7, 1500), xlim=(0, 1.05))
    axis.grid(axis="x", visible=False)
    axis.set(xticks=[0, 0.5, 1], yticks=[1, 10, 100])
    axis.yaxis.set_major_formatter("{x:g}")


def _draw_digit(axis: Axes, image: npt.NDArray[np.float32], title: str) -> None:
    """Draw one image [64], ink in black."""
    axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    axis.set_axis_off()
    axis.set_title(title, fontsize="medium")


def _draw_classes(axis: Axes, draws: Array, true_class: int) -> None:
    """Draw mean probabilities of [draws, classes], and lines that span eight in ten draws."""
    classes = np.arange(draws.shape[1])
    colours = [COLOURS["by_hand"] if c == true_class else COLOURS["bayesian"] for c in classes]
    axis.bar(classes, draws.mean(axis=0), color=colours)
    axis.vlines(classes, *np.quantile(draws, [0.1, 0.9], axis=0), color="black", lw=1)
    axis.set(xlabel="class", xticks=classes[::3], ylim=(0, 1.03))
    axis.grid(axis="x", visible=False)


def _accuracy_interval(table: pd.DataFrame) -> tuple[Array, Array]:
    """Return where nine in ten of the beliefs about each bin's accuracy lie (Jeffreys' prior)."""
    right = table["accuracy"] * table["count"]
    belief = scipy.stats.beta(right + 0.5, table["count"] - right + 0.5)
    return belief.ppf(0.05), belief.ppf(0.95)
