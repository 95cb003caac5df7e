"""One layer in two libraries: how their trainings run, and where they end.

Introduced in chapters/17-without-tfp.md, "Trained by `fit`: do both reach the same ELBO?".
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .style import COLOURS, DescribedFigure, new_figure

Runs = Mapping[str, npt.NDArray[np.float64]]
MARKS = ("o", "x")


def plot_two_libraries(curves: Runs, ends: Runs, steps_per_epoch: int) -> DescribedFigure:
    """Draw the ELBO during each training, and after it, for the same starts in two libraries.

    Parameters
    ----------
    curves
        Library ↦ ELBO in nats, [starts, epochs]: the mean over the steps of each epoch.
    ends
        Library ↦ ELBO in nats after training, [starts].
    steps_per_epoch
        Steps of the optimizer in an epoch.

    Raises
    ------
    ValueError
        If the two do not name the same libraries, or hold another number of starts.
    """
    if list(curves) != list(ends) or any(len(curves[it]) != len(ends[it]) for it in curves):
        raise ValueError("curves and ends must name the same libraries, with as many starts each.")
    figure, axes = new_figure(1, 2)
    colours = (COLOURS["bayesian"], COLOURS["plain"])
    for name, colour, mark in zip(curves, colours, MARKS, strict=True):
        steps = steps_per_epoch * np.arange(1, curves[name].shape[1] + 1)
        style = "-" if mark == "o" else "--"
        axes[0].plot(steps, curves[name].T, style, color=colour, lw=1)
        axes[0].plot([], [], style, color=colour, label=name)
        starts = np.arange(1, len(ends[name]) + 1)
        axes[1].plot(starts, ends[name], mark, color=colour, label=name, fillstyle="none", ms=8)
    axes[0].set(xlabel="step", ylabel="ELBO during training (nats)")
    axes[1].set(xlabel="start", ylabel="ELBO after training (nats)")
    axes[1].set_xticks(range(1, 1 + max(len(it) for it in ends.values())))
    middle = np.mean([np.mean(it) for it in ends.values()])
    reach = 10.0 + max(float(np.max(np.abs(it - middle))) for it in ends.values())
    axes[1].set_ylim(middle - reach, middle + reach)
    axes[0].legend(loc="lower right")
    said = "; ".join(
        f"{name} from {np.mean(curves[name][:, 0]):,.0f} in the first epoch to "
        f"{np.mean(curves[name][:, -1]):,.0f} in the last, and {np.min(ends[name]):,.1f} to "
        f"{np.max(ends[name]):,.1f} after training"
        for name in curves
    )
    return DescribedFigure(
        figure,
        "Left, the ELBO of each training against its steps; right, the ELBO after training for "
        f"each start. Means in nats: {said}.",
    )
