"""The picture of how a check-up weighs a KL: the slope of an objective along log σ.

Introduced in chapters/18-check-up.md, "How the weight of a KL is measured".
"""

import matplotlib.ticker
import pandas as pd

from .style import COLOURS, DescribedFigure, new_figure

MARKERS = ("o", "s", "^", "D", "v")


def plot_slopes(slopes: pd.DataFrame) -> DescribedFigure:
    """Plot minus the slope along log σ, in units of 1/N, against σ, for several objectives.

    Parameters
    ----------
    slopes
        One column per objective, indexed by σ (``stddev``), each value being minus the mean over
        the weights of the objective's gradient by log σ, times N.
    """
    figure, axis = new_figure()
    for marker, (name, column) in zip(MARKERS, slopes.items(), strict=False):
        place = list(slopes.columns).index(name)
        colour = COLOURS["layers"][place]
        axis.plot(column.index, column, marker=marker, markersize=5, color=colour, label=name)
    axis.set_xscale("log")
    axis.set_xlabel("standard deviation σ of every weight")
    axis.set_ylabel("− slope along log σ, times N")
    axis.set_ylim(-0.6, 2.9)
    axis.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(1))
    axis.legend(ncols=2, loc="upper left")
    smallest = slopes.index.min()
    limits = [f"{name}: {column[smallest]:.2f}" for name, column in slopes.items()]
    alt = (
        f"Lines for {len(slopes.columns)} objectives. Towards small σ each becomes flat; at σ = "
        f"{smallest:.0e} the heights are {'; '.join(limits)}."
    )
    return DescribedFigure(figure, alt)
