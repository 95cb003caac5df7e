"""Pictures of what a likelihood says of new targets: intervals, and the two kinds of doubt in them.

Introduced in chapters/07-your-likelihood.md, "Prediction intervals: aleatoric and epistemic".
"""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from .style import COLOURS, DescribedFigure, new_figure

Array = npt.NDArray[np.float64]


def plot_prediction_intervals(
    inputs: Array,
    targets: Array,
    grid: Array,
    interval: tuple[Array, Array],
    aleatoric: Array,
    epistemic: Array,
    *,
    level: float,
) -> DescribedFigure:
    """Draw the data with an interval of new targets, and below it where the width comes from.

    Parameters
    ----------
    inputs, targets
        [examples], what was trained on.
    grid
        [points], the inputs of the predictions, in rising order.
    interval
        Low and high ends for a new target, each [points].
    aleatoric, epistemic
        [points], variances in the square of the unit of the targets. The lower panel shows their
        roots.
    level
        The share of new targets that the interval is to hold.
    """
    figure, (above, below) = new_figure(2, 1, height=4.8, sharex=True)
    above.plot(inputs, targets, ".", color="0.45", ms=3, label="training data")
    label = f"interval for {level:.0%} of new targets"
    above.fill_between(grid, *interval, color=COLOURS["posterior"], alpha=0.25, lw=0, label=label)
    above.set(ylabel="target (no unit)")
    above.legend(loc="lower left", frameon=False)
    kinds = {"aleatoric": np.sqrt(aleatoric), "epistemic": np.sqrt(epistemic)}
    _draw_kinds(below, grid, kinds)
    outside = (grid < inputs.min()) | (grid > inputs.max())
    sentences = [
        f"the {name} standard deviation is {np.median(stddev[~outside]):.2f} in the middle of its "
        f"values where there are data and {np.median(stddev[outside]):.2f} where there are none"
        for name, stddev in kinds.items()
    ]
    return DescribedFigure(
        figure,
        f"Above, {len(inputs)} targets at inputs between {inputs.min():.1f} and "
        f"{inputs.max():.1f} and the interval for {level:.0%} of new targets between "
        f"{grid[0]:.1f} and {grid[-1]:.1f}. Below, two standard deviations against the input: "
        f"{'; '.join(sentences)}.",
    )


def _draw_kinds(axis: Axes, grid: Array, kinds: dict[str, Array]) -> None:
    """Draw the standard deviation of each kind [points] against the input."""
    lines = {"aleatoric": (COLOURS["by_hand"], "--"), "epistemic": (COLOURS["posterior"], "-")}
    for name, stddev in kinds.items():
        colour, style = lines[name]
        axis.plot(grid, stddev, style, color=colour, label=name)
    axis.set(xlabel="input (no unit)", ylabel="standard deviation\n(unit of the targets)")
    axis.set_ylim(bottom=0)
    axis.legend(loc="upper left", frameon=False)
