"""Pictures of the life of ``losses``: a warm-up that works or not, and when to stop training.

Introduced in chapters/14-life-of-losses.md, "`val_loss`, and when to stop".
"""

import pandas as pd

from .style import COLOURS, DescribedFigure, new_figure

NARROW = 5.6  # inches, so that the letters stay legible on a phone


def plot_warm_up(weights: pd.DataFrame) -> DescribedFigure:
    """Draw the planned weight of the KL over the epochs beside two measured ones.

    Parameters
    ----------
    weights
        A row per epoch with the columns ``planned``, ``variable`` and ``number``: the weight that
        the schedule asks for, and the ones measured with a ``tf.Variable`` and a Python number.
    """
    figure, axis = new_figure(width=NARROW, height=3.2)
    epochs = range(1, len(weights) + 1)
    axis.plot(epochs, weights["planned"], color=COLOURS["prior"], lw=7, alpha=0.45, label="planned")
    looks = {
        "variable": ("tf.Variable", COLOURS["posterior"], "o"),
        "number": ("Python number", COLOURS["by_hand"], "s"),
    }
    for column, (label, colour, marker) in looks.items():
        axis.plot(epochs, weights[column], color=colour, marker=marker, ms=7, label=label)
    axis.set(xlabel="epoch", ylabel="weight of the KL")
    axis.set_ylim(-0.08, 1.12 * weights.to_numpy().max())
    figure.legend(loc="outside upper center", ncols=3, frameon=False, columnspacing=1.2)
    ends = weights.iloc[-1]
    return DescribedFigure(
        figure,
        f"Three curves over {len(weights)} epochs. The planned weight of the KL rises from "
        f"{weights['planned'].iloc[0]:.1f} to {ends['planned']:.1f}. The measured weight ends at "
        f"{ends['variable']:.2f} with a variable and at {ends['number']:.2f} with a Python number.",
    )


def plot_early_stopping(history: pd.DataFrame, best_epochs: dict[str, int]) -> DescribedFigure:
    """Draw held-out loss and held-out NLL over the epochs and mark the lowest point of each.

    Parameters
    ----------
    history
        A row per epoch with the columns ``val_loss`` and ``val_nll``, in nats per example.
    best_epochs
        Column ↦ the row, counted from 0, that early stopping on this column would keep.
    """
    figure, axis = new_figure(width=NARROW, height=3.4)
    epochs = range(1, len(history) + 1)
    looks = {
        "val_loss": ("val_loss", COLOURS["elbo"]),
        "val_nll": ("held-out NLL within it", COLOURS["negative_log_likelihood"]),
    }
    told = []
    for column, (label, colour) in looks.items():
        axis.plot(epochs, history[column], color=colour, label=label)
        epoch, value = best_epochs[column] + 1, history[column].iloc[best_epochs[column]]
        axis.plot([epoch], [value], "o", ms=10, mec="black", color=colour, clip_on=False, zorder=3)
        told.append(
            f"{label} goes from {history[column].iloc[0]:.2f} to {history[column].iloc[-1]:.2f} "
            f"nats per example and is lowest, {value:.2f}, in epoch {epoch}"
        )
    axis.set(yscale="log", xlabel="epoch", ylabel="nats per example")
    axis.yaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return DescribedFigure(
        figure,
        f"Two curves over {len(history)} epochs on a logarithmic axis: {'; '.join(told)}.",
    )
