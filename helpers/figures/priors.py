"""Pictures of priors other than N(0, 1): their densities, their effect, the noise of their KL.

Introduced in chapters/10-priors.md, "Scale mixture prior: no KL registered".
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow_probability as tfp

from .style import COLOURS, DescribedFigure, new_figure


def plot_prior_densities(priors: Mapping[str, tfp.distributions.Distribution]) -> DescribedFigure:
    """Draw the densities of priors of one weight on a logarithmic axis.

    Parameters
    ----------
    priors
        Name ↦ distribution of a single weight; drawn from −3 to 3.
    """
    figure, axis = new_figure(height=3.0)
    weights = np.linspace(-3.0, 3.0, 601, dtype=np.float32)
    peaks = []
    for (name, prior), style in zip(priors.items(), _styles(len(priors)), strict=True):
        density = np.exp(prior.log_prob(weights).numpy())
        axis.semilogy(weights, density, label=name, **style)
        peaks.append(f"{name}: {density.max():.2f} at its peak, {density[-1]:.4f} at w = 3")
    axis.set(xlabel="weight w", ylabel="prior density (per unit of w)")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.legend(frameon=False)
    return DescribedFigure(
        figure, f"Prior densities of a weight on a logarithmic axis. {'; '.join(peaks)}."
    )


def plot_shrinkage(
    estimates: npt.ArrayLike, best_means: Mapping[str, npt.ArrayLike]
) -> DescribedFigure:
    """Draw the posterior mean of a weight over the estimate that the data alone give.

    Parameters
    ----------
    estimates
        What the data say without a prior [estimates], in the unit of the weight.
    best_means
        Name of the prior ↦ posterior means [estimates], in the same unit.
    """
    figure, axis = new_figure(height=3.4)
    estimates = np.asarray(estimates, float)
    axis.plot(estimates, estimates, color="0.5", linestyle=":", label="no prior")
    told, middle = [], len(estimates) // 2
    for (name, means), style in zip(best_means.items(), _styles(len(best_means)), strict=True):
        means = np.asarray(means, float)
        axis.plot(estimates, means, label=f"prior: {name}", **style)
        told.append(f"{name}: {means[middle]:.2f} there and {means[-1]:.2f} at the end")
    axis.set(xlabel="estimate of the weight by the data alone", ylabel="posterior mean μ")
    axis.legend(frameon=False)
    return DescribedFigure(
        figure,
        f"Posterior means over estimates from {estimates[0]:.2f} by way of {estimates[middle]:.2f} "
        f"to {estimates[-1]:.2f}. {'; '.join(told)}.",
    )


def plot_one_draw_values(values: npt.ArrayLike, exact: float) -> DescribedFigure:
    """Draw one-draw estimates of a KL, call by call, around its exact value.

    Parameters
    ----------
    values
        Entries of ``losses`` at successive calls [calls], in nats.
    exact
        The KL in closed form, in nats.
    """
    figure, axis = new_figure(height=3.0)
    values = np.asarray(values, float)
    calls = np.arange(1, values.size + 1)
    negative = values < 0
    options = {"markersize": 4, "linestyle": "none", "marker": "o"}
    axis.plot(calls[~negative], values[~negative], color=COLOURS["losses"], **options)
    axis.plot(
        calls[negative],
        values[negative],
        color=COLOURS["by_hand"],
        markerfacecolor="white",
        label="one draw, negative",
        **options,
    )
    axis.lines[0].set_label("one draw, positive")
    axis.axhline(exact, color=COLOURS["kl"], label="exact KL")
    axis.axhline(0.0, color="0.4", linewidth=1)
    axis.set(xlabel="call of the layer", ylabel="entry in losses (nats)")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return DescribedFigure(
        figure,
        f"{values.size} one-draw entries of losses, from {values.min():.1f} to {values.max():.1f} "
        f"nats, scatter around the exact KL of {exact:.2f} nats; {negative.mean():.0%} are "
        "negative.",
    )


def plot_kl_from_starts(histories: Mapping[str, pd.DataFrame]) -> DescribedFigure:
    """Draw the KL of networks over training, one panel with its own scale for each way to start.

    Parameters
    ----------
    histories
        Name ↦ table with the columns ``step`` and ``kl`` (nats of the whole network).
    """
    figure, axes = new_figure(len(histories), 1, height=4.4, sharex=True)
    styles, told = _styles(len(histories)), []
    for axis, (name, history), style in zip(axes, histories.items(), styles, strict=True):
        axis.plot(history["step"], history["kl"], color=style["color"], label=name)
        axis.legend(loc="best", frameon=False)
        axis.set(ylabel="KL (nats)", ylim=(min(0.0, history["kl"].min()), None))
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        first, last = history["kl"].iloc[0], history["kl"].iloc[-1]
        told.append(f"{name}: from {abs(first):,.0f} to {last:,.0f} nats")
    axes[-1].set(xlabel="training step")
    steps = max(int(history["step"].iloc[-1]) for history in histories.values())
    return DescribedFigure(figure, f"The KL over {steps} training steps. {'; '.join(told)}.")


def _styles(number: int) -> list[dict[str, str]]:
    """Return a colour and a line for each of up to four curves, told apart without colour too."""
    lines = ("-", "--", "-.", ":")
    return [
        {"color": colour, "linestyle": line}
        for colour, line in zip(COLOURS["layers"][:number], lines[:number], strict=True)
    ]
