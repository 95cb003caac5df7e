"""Pictures of the ELBO: its two splits, and what the weight of the KL does to training.

Introduced in chapters/04-elbo.md, "Where the two terms come from".
"""

import matplotlib.axes
import numpy as np
import numpy.typing as npt
import pandas as pd

from .style import COLOURS, DescribedFigure, new_figure

PARTS = (
    # column, bar (0: what is computed, 1: what it means), label, colour
    ("expected_nll", 0, "expected NLL", COLOURS["negative_log_likelihood"]),
    ("kl_to_prior", 0, "KL to prior", COLOURS["kl"]),
    ("minus_log_evidence", 1, "−log evidence", COLOURS["prior"]),
    ("kl_to_exact", 1, "KL to exact posterior", COLOURS["by_hand"]),
)
MEASURES = {
    # column: label, format of the numbers at the bars
    "accuracy": ("test accuracy", "{:.2f}"),
    "test": ("test log predictive\ndensity (nats/example)", "{:.2f}"),
    "kl": ("KL (nats)", "{:,.0f}"),
    "mean_stddev": ("mean posterior σ", "{:.2f}"),
}
NARROW = 5.6  # inches, so that the letters stay legible on a phone


def plot_two_splits(
    weights: npt.NDArray[np.float64],
    exact_posterior: npt.NDArray[np.float64],
    posteriors: dict[str, npt.NDArray[np.float64]],
    splits: pd.DataFrame,
) -> DescribedFigure:
    """Draw −ELBO split in two ways, for several q(w) over one weight.

    Parameters
    ----------
    weights
        Grid [points] of the weight w.
    exact_posterior
        Density [points] of the exact posterior p(w | data) on the grid.
    posteriors
        Name ↦ density [points] of each q(w); the names are the index of ``splits``.
    splits
        A row per q, in nats: ``expected_nll`` + ``kl_to_prior`` is −ELBO, and so is
        ``minus_log_evidence`` + ``kl_to_exact``.
    """
    figure, axes = new_figure(
        2, len(splits), width=NARROW, height=5.0, sharey="row", height_ratios=[1, 2]
    )
    for (above, below), (name, split) in zip(axes.T, splits.iterrows(), strict=True):
        above.fill_between(weights, exact_posterior, color=COLOURS["prior"], alpha=0.5, lw=0)
        above.plot(weights, posteriors[name], color=COLOURS["posterior"])
        above.set(xlabel="weight w", xlim=(-2.5, 4.5), xticks=[-2, 0, 2, 4], yticks=[])
        above.set_title(name, fontsize="medium")
        _stack_parts(below, split)
    axes[0, 0].set_ylabel("density")
    axes[1, 0].set_ylabel("−ELBO, split twice (nats)")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    described = "; ".join(
        f"{name} {row.expected_nll:.2f} plus {row.kl_to_prior:.2f} and "
        f"{row.minus_log_evidence:.2f} plus {row.kl_to_exact:.2f}"
        for name, row in splits.iterrows()
    )
    return DescribedFigure(
        figure,
        f"Above, the density of {len(splits)} choices of q over the exact posterior. Below, two "
        "stacked bars of equal height for each choice, in nats: expected negative log-likelihood "
        "plus KL to the prior, and minus log evidence plus KL to the exact posterior: "
        f"{described}.",
    )


def _stack_parts(axis: matplotlib.axes.Axes, split: pd.Series) -> None:
    """Draw one choice of q: two stacked bars, their numbers, and their common height."""
    tops = [0.0, 0.0]
    for column, bar, label, colour in PARTS:
        value = split[column]
        axis.bar(bar, value, 0.9, bottom=tops[bar], color=colour, label=label)
        if value > 0.5:  # else the number would not fit
            axis.text(bar, tops[bar] + value / 2, f"{value:.1f}", ha="center", va="center")
        tops[bar] += value
    axis.text(0.5, tops[0] + 0.1, f"{tops[0]:.2f}", ha="center", va="bottom", weight="bold")
    axis.set(xticks=[])
    axis.margins(y=0.12)
    axis.grid(axis="x", visible=False)


def plot_kl_weights(results: pd.DataFrame, right: str) -> DescribedFigure:
    """Draw what each weight of the KL led to, the right one in a colour of its own.

    Parameters
    ----------
    results
        A row per weight (its name is the index) with the columns ``accuracy``,
        ``test`` (log predictive density, nats per example), ``kl`` (nats) and ``mean_stddev``.
    right
        The name of the right weight.
    """
    figure, axes = new_figure(2, 2, width=NARROW, height=4.8, sharey=True)
    colours = [COLOURS["bayesian" if name == right else "prior"] for name in results.index]
    for axis, (column, (label, number)) in zip(axes.flat, MEASURES.items(), strict=True):
        bars = axis.barh(np.arange(len(results)), results[column], color=colours)
        numbers = [number.format(value).replace("-", "−") for value in results[column]]
        axis.bar_label(bars, numbers, padding=3)
        axis.set(xlabel=label, yticks=np.arange(len(results)), yticklabels=results.index)
        axis.grid(axis="y", visible=False)
        axis.margins(x=0.35)
        axis.locator_params(axis="x", nbins=4)
    axes[0, 0].invert_yaxis()
    for axis in axes[:, 0]:
        axis.set_ylabel("weight of the KL")
    described = "; ".join(
        f"{name}: accuracy {row.accuracy:.2f}, log predictive density "
        f"{row.test:.2f} nats per example, KL {row.kl:,.0f} nats, mean σ "
        f"{row.mean_stddev:.2f}"
        for name, row in results.iterrows()
    )
    return DescribedFigure(
        figure,
        f"Four bar charts, each with a bar for {len(results)} weights of the KL, {right} being "
        f"the right one. {described}.",
    )


def plot_falling_loss(history: pd.DataFrame, num_classes: int) -> DescribedFigure:
    """Draw the loss over the steps of training, with the negative log-likelihood inside it.

    Parameters
    ----------
    history
        The table of :func:`helpers.training.train.train_by_elbo`.
    num_classes
        C; guessing costs log C nats per example, drawn as a line.
    """
    figure, axis = new_figure(width=NARROW, height=3.6)
    guessing = float(np.log(num_classes))
    curves = (
        ("loss", "loss", COLOURS["elbo"]),
        ("negative_log_likelihood", "mean NLL within it", COLOURS["negative_log_likelihood"]),
    )
    for column, label, colour in curves:
        axis.plot(history["step"], history[column], color=colour, label=label)
    axis.axhline(guessing, color="black", linestyle="--", lw=1.2, label="guessing, log C")
    axis.set(yscale="log", xlabel="training step", ylabel="nats per example")
    axis.legend(frameon=False)
    first, last = history.iloc[0], history.tail(max(1, len(history) // 10)).mean()
    return DescribedFigure(
        figure,
        f"Two curves over {len(history):,} training steps on a logarithmic axis. The loss goes "
        f"from {first['loss']:,.1f} to {last['loss']:,.2f} nats per example, the mean negative "
        f"log-likelihood from {first['negative_log_likelihood']:.2f} to "
        f"{last['negative_log_likelihood']:.2f} (means of the last tenth of the "
        f"steps). A dashed line at {guessing:.2f} marks guessing.",
    )
