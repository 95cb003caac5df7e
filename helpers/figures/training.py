"""Pictures of a training by the ELBO: its two terms, and what became of the weights.

Introduced in chapters/05-training.md, "Two terms, one loss".
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from .style import COLOURS, DescribedFigure, new_figure


def plot_training_terms(history: pd.DataFrame, num_examples: int) -> DescribedFigure:
    """Draw the two terms of the loss, and the KL of each layer, over the epochs of a training.

    Parameters
    ----------
    history
        The table of :func:`helpers.training.train.train_by_elbo`; its steps are averaged over each
        epoch.
    num_examples
        N, by which the KL is divided in the left panel, so that both terms are per example.
    """
    epochs = history.groupby("epoch").mean()
    epochs.index += 1
    terms = {
        "−ELBO / N": (epochs["loss"], COLOURS["elbo"]),
        "KL / N": (epochs["kl"] / num_examples, COLOURS["kl"]),
        "mean NLL": (epochs["negative_log_likelihood"], COLOURS["negative_log_likelihood"]),
    }
    layers = {
        name.removeprefix("kl "): (epochs[name], colour)
        for name, colour in zip(_layer_columns(history), COLOURS["layers"], strict=False)
    }
    figure, axes = new_figure(1, 2)
    for axis, curves in zip(axes, (terms, layers), strict=True):
        _draw_curves(axis, curves)
    axes[0].set_ylabel("nats per example")
    axes[1].set_ylabel("KL of the layer (nats)")
    return DescribedFigure(
        figure,
        f"Two panels over {len(epochs):,} epochs on logarithmic axes. Left, in nats per example: "
        f"{_ends(terms)}. Right, the KL of each layer in nats: {_ends(layers)}. The last numbers "
        "are means over the last tenth of the epochs.",
    )


def plot_posterior_weights(before: pd.DataFrame, after: pd.DataFrame) -> DescribedFigure:
    """Draw mean and standard deviation of every weight's posterior before and after training.

    Parameters
    ----------
    before, after
        Tables of :func:`helpers.losses.posterior_weights.posterior_weights` of one network.
    """
    figure, axes = new_figure(1, 2, height=3.9, sharex=True, sharey=True)
    for axis, weights, label in zip(axes, (before, after), ("before", "after"), strict=True):
        groups = weights.groupby("layer", sort=False)
        for (name, layer), colour in zip(groups, COLOURS["layers"], strict=False):
            axis.plot(layer["mean"], layer["stddev"], ".", ms=4, alpha=0.45, mew=0, color=colour)
            axis.plot([], [], "o", color=colour, label=name)
        axis.plot(0, 1, "*", ms=13, color="black", label="prior")
        axis.set(xlabel=f"posterior mean μ\n{label} training")
    axes[0].set_ylabel("posterior standard deviation σ")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=4, frameon=False)
    ranges = "; ".join(
        f"{label} training, means from {weights['mean'].min():.2f} to {weights['mean'].max():.2f} "
        f"and standard deviations from {weights['stddev'].min():.3f} to "
        f"{weights['stddev'].max():.2f}, {(weights['stddev'] > 0.8).mean():.0%} of them above 0.8"
        for weights, label in ((before, "before"), (after, "after"))
    )
    return DescribedFigure(
        figure,
        f"Two scatter plots of the {len(after):,} weights, posterior standard deviation over "
        f"posterior mean, with a star at the prior's 0 and 1: {ranges}.",
    )


def _layer_columns(history: pd.DataFrame) -> list[str]:
    return [name for name in history.columns if name.startswith("kl ")]


def _ends(curves: dict[str, tuple[pd.Series, str]]) -> str:
    return ", ".join(
        f"{name} from {curve.iloc[0]:,.2f} to {curve.tail(max(1, len(curve) // 10)).mean():,.2f}"
        for name, (curve, _) in curves.items()
    )


def _draw_curves(axis: Axes, curves: dict[str, tuple[pd.Series, str]]) -> None:
    for name, (curve, colour) in curves.items():
        axis.plot(curve.index, curve, color=colour, label=name, lw=1.5)
    axis.set(xscale="log", yscale="log", xlabel="epoch")
    axis.legend(frameon=False)
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter("{x:,g}")
        scale.set_minor_formatter("")
