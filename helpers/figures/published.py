"""Pictures of published numbers beside what is computed and trained here.

Introduced in chapters/20-published-numbers.md, "The KL in a printed log".
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .style import COLOURS, DescribedFigure, new_figure

_MARKERS = "osD^vPX*"


def plot_printed_kl(printed: pd.DataFrame, expected: float, stddev: float) -> DescribedFigure:
    """Draw what a log holds beside its data term, and what is expected there.

    Parameters
    ----------
    printed
        A row per epoch, the index: ``kl``, in nats divided by N, and ``rounding``, the most that
        the printed digits moved it by.
    expected, stddev
        The closed form, and how far an epoch scatters around it.
    """
    figure, axis = new_figure(height=3.0)
    epochs = printed.index.to_numpy(float)
    axis.axhspan(
        expected - 2 * stddev, expected + 2 * stddev, color=COLOURS["prior"], alpha=0.3, lw=0
    )
    axis.axhline(expected, color=COLOURS["by_hand"], label="closed form at the start")
    axis.errorbar(
        epochs,
        printed["kl"],
        printed["rounding"],
        fmt="o",
        color=COLOURS["losses"],
        label="read off the log",
    )
    axis.set(xlabel="epoch", ylabel="KL/N (nats per example)")
    axis.legend()
    inside = (printed["kl"] - expected).abs() < 2 * stddev
    return DescribedFigure(
        figure,
        f"KL/N of {len(epochs)} epochs as a log implies it, from {printed['kl'].min():.4f} to "
        f"{printed['kl'].max():.4f}, around the closed form {expected:.4f}; {inside.sum()} of them "
        f"lie within two predicted standard deviations, {2 * stddev:.4f}.",
    )


def plot_trainings(epochs: dict[str, pd.DataFrame]) -> DescribedFigure:
    """Draw mean negative log-likelihood and KL along trainings, a line for each seed.

    Parameters
    ----------
    epochs
        Title ↦ a row for each seed and epoch: ``seed``, ``epoch``, ``negative_log_likelihood``
        (nats per image), ``kl`` (nats) and ``loss`` (nats per image).
    """
    figure, axes = new_figure(1, 2, width=9.0, height=3.6)
    units = {"loss": "−ELBO/N (nats/image)", "negative_log_likelihood": "NLL (nats/image)"}
    described = []
    for number, (title, rows) in enumerate(epochs.items()):
        colour = COLOURS["layers"][number % len(COLOURS["layers"])]
        style = "-" if number < len(COLOURS["layers"]) else "--"
        for index, (_, of_seed) in enumerate(rows.groupby("seed")):
            for axis, column in zip(axes, units, strict=True):
                label = title if index == 0 and column == "loss" else None
                axis.plot(
                    of_seed["epoch"], of_seed[column], style, color=colour, lw=1.2, label=label
                )
        last = rows[rows["epoch"] == rows["epoch"].max()]
        described.append(
            f"{title}: −ELBO/N {last['loss'].mean():.3f}, NLL "
            f"{last['negative_log_likelihood'].mean():.3f} after {rows['epoch'].max()} epochs"
        )
    for axis, unit in zip(axes, units.values(), strict=True):
        axis.set(xlabel="epoch", ylabel=unit, yscale="log", xscale="log")
    figure.legend(loc="outside upper center", ncols=2, fontsize="small")
    return DescribedFigure(figure, f"Along the epochs of trainings. {'; '.join(described)}.")


def plot_pruned_by_epoch(pruned: dict[str, pd.DataFrame], epochs: Sequence[int]) -> DescribedFigure:
    """Draw the test error over the share of removed weights, a line for each length of training.

    Parameters
    ----------
    pruned
        Title ↦ a row for each seed, epoch and share: ``epoch``, ``removed`` and ``error``
        (percent); a panel each.
    epochs
        Which lengths are drawn.
    """
    figure, axes = new_figure(1, len(pruned), width=9.0, height=3.4, sharey=True)
    sentences = []
    for axis, (title, rows) in zip(np.ravel(axes), pruned.items(), strict=True):
        parts = _draw_pruned(axis, rows, epochs)
        axis.set(xlabel="share of weights removed", yscale="log", title=title)
        axis.title.set_fontsize("medium")
        sentences.append(f"{title}: {'; '.join(parts)}")
    first = np.ravel(axes)[0]
    lowest = min(rows["error"].min() for rows in pruned.values())
    first.set(ylabel="test error (%)", ylim=(0.8 * max(lowest, 0.1), 110.0))
    first.legend(fontsize="small", title="epochs")
    return DescribedFigure(
        figure,
        f"Test error after pruning, mean over seeds, lowest and highest. {'. '.join(sentences)}.",
    )


def _draw_pruned(axis: Axes, rows: pd.DataFrame, epochs: Sequence[int]) -> list[str]:
    """Draw the lines of a panel; return what they show in words."""
    parts = []
    measured = [epoch for epoch in epochs if (rows["epoch"] == epoch).any()]
    shades = np.linspace(0.35, 1.0, len(measured))
    for epoch, shade, marker in zip(measured, shades, _MARKERS, strict=False):
        groups = rows[rows["epoch"] == epoch].groupby("removed")["error"]
        mean = groups.mean()
        spread = [mean - groups.min(), groups.max() - mean]
        axis.errorbar(
            mean.index, mean, spread, fmt=f"{marker}-", alpha=shade, ms=5, lw=1.5,
            color=COLOURS["bayesian"], label=f"{epoch}",
        )  # fmt: skip
        parts.append(f"{epoch} epochs, {mean.iloc[0]:.2f} % whole, {mean[0.95]:.2f} % at 95 %")
    return parts


def plot_errors(ours: pd.DataFrame, published: pd.DataFrame) -> DescribedFigure:
    """Draw test errors of repeated trainings with their intervals, and what others published.

    Parameters
    ----------
    ours
        A row per training, the index its title: ``mean``, ``low`` and ``high`` (percent).
    published
        A row per number: ``title``, ``who`` and ``value`` (percent).
    """
    figure, axis = new_figure(width=9.0, height=1.4 + 0.42 * len(ours))
    places = np.arange(len(ours))[::-1]
    spread = [ours["mean"] - ours["low"], ours["high"] - ours["mean"]]
    axis.errorbar(
        ours["mean"],
        places,
        xerr=spread,
        fmt="o",
        color=COLOURS["bayesian"],
        label="here",
        zorder=3,
    )
    place_of = dict(zip(ours.index, places, strict=True))
    for number, (who, rows) in enumerate(published.groupby("who", sort=False)):
        shown = rows[rows["title"].isin(place_of)]
        heights = [place_of[title] + 0.18 for title in shown["title"]]
        axis.plot(
            shown["value"], heights, _MARKERS[1 + number % 7], ms=6, mfc="none",
            color=COLOURS["by_hand"], label=str(who),
        )  # fmt: skip
    axis.set(xlabel="test error (%)", yticks=places, yticklabels=list(ours.index))
    figure.legend(loc="outside upper center", ncols=3, fontsize="small")
    described = "; ".join(
        f"{row.Index} {row.mean:.2f} %, {row.low:.2f} to {row.high:.2f}"
        for row in ours.itertuples()
    )
    others = "; ".join(
        f"{row.title} by {row.who} {row.value:.2f}" for row in published.itertuples()
    )
    return DescribedFigure(figure, f"Test errors here: {described}. Published: {others}.")
