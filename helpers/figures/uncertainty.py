"""Pictures of the comparison of methods: quality, alarms, convergence, and units in use.

Introduced in chapters/13-when-not-to-use.md, "Eleven methods, five splits".
"""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ..page.uncertainty_results import UncertaintyResults, interval_table, values_by_seed
from .style import COLOURS, DescribedFigure, new_figure

_SIGNALS = {  # colour and marker of each score of doubt
    "mutual_information": (COLOURS["bayesian"], "o", "mutual information"),
    "total": (COLOURS["plain"], "s", "entropy"),
    "distance": (COLOURS["kl"], "D", "distance"),
}


def plot_quality(
    results: UncertaintyResults, methods: Sequence[str], measures: Mapping[str, str]
) -> DescribedFigure:
    """Draw measures of several methods, mean and t interval over the seeds, one panel a measure.

    Parameters
    ----------
    results
        As :func:`helpers.page.uncertainty_results.read_uncertainty` gives them.
    methods
        Names, from top to bottom.
    measures
        Measure ↦ label of its axis, with its unit. With the calibration error, grey ticks show the
        error by chance.
    """
    figure, axes = new_figure(
        1, len(measures), width=9.0, height=1.0 + 0.36 * len(methods), sharey=True
    )
    sentences = []
    for axis, (measure, label) in zip(np.ravel(axes), measures.items(), strict=True):
        table = interval_table(results, measure).loc[list(methods)]
        _draw_intervals(axis, results, measure, methods, COLOURS["bayesian"], "o", 0.0)
        if measure == "expected_calibration_error":
            chance = interval_table(results, "calibration_error_by_chance").loc[list(methods)]
            places = _places(methods)
            axis.plot(chance["mean"], places, "|", color="#555555", ms=11, label="by chance")
            axis.legend(loc="upper right", fontsize=8)
        axis.set_xlabel(label)
        described = "; ".join(
            f"{results.methods[row.Index]} {row.mean:.3f}, {row.low:.3f} to {row.high:.3f}"
            for row in table.itertuples()
        )
        sentences.append(f"{label.replace(chr(10), ' ')}: {described}")
    np.ravel(axes)[0].set_yticks(_places(methods), [results.methods[name] for name in methods])
    return DescribedFigure(
        figure,
        f"Means and 95 % intervals over {len(results.seeds)} seeds for {len(methods)} methods. "
        f"{'. '.join(sentences)}.",
    )


def plot_alarms(
    results: UncertaintyResults, methods: Sequence[str], unusual: Sequence[str], key: str = "auroc"
) -> DescribedFigure:
    """Draw how well each score of doubt of each method tells unusual images from test digits.

    Parameters
    ----------
    results, methods
        As in :func:`plot_quality`.
    unusual
        Sets of images, a panel each.
    key
        "auroc", or "share" for the share of alarms at one false alarm in twenty.
    """
    figure, axes = new_figure(
        1, len(unusual), width=9.0, height=1.5 + 0.36 * len(methods), sharey=True
    )
    labels = {"auroc": "AUROC", "share": "share of alarms"}
    sentences = []
    for axis, images in zip(np.ravel(axes), unusual, strict=True):
        parts = []
        for number, (signal, (colour, marker, name)) in enumerate(_SIGNALS.items()):
            measure = f"{images}, {signal}, {key}"
            table = interval_table(results, measure)
            shown = [it for it in methods if it in table.index]
            shift = 0.0 if signal == "distance" else 0.16 - 0.32 * number
            _draw_intervals(axis, results, measure, methods, colour, marker, shift, name)
            parts += [
                f"{results.methods[it]} by {name} {table.loc[it, 'mean']:.2f}, "
                f"{table.loc[it, 'low']:.2f} to {table.loc[it, 'high']:.2f}"
                for it in shown
            ]
        axis.set_title(images, fontsize="medium")
        axis.set(xlabel=labels[key])
        chance, low = {"auroc": 0.5, "share": 0.05}[key], axis.get_xlim()[0]
        if low < chance:  # else each panel keeps the scale of its own data
            axis.axvline(chance, color=COLOURS["prior"], lw=1)
        sentences.append(f"{images}: {'; '.join(parts)}")
    first = np.ravel(axes)[0]
    first.set_yticks(_places(methods), [results.methods[name] for name in methods])
    figure.legend(*first.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return DescribedFigure(
        figure,
        f"{labels[key]} of alarms, means and 95 % intervals over {len(results.seeds)} seeds. "
        f"{'. '.join(sentences)}.",
    )


def plot_convergence(results: UncertaintyResults, methods: Sequence[str]) -> DescribedFigure:
    """Draw the minimised loss along the training, a line for each seed.

    Parameters
    ----------
    results
        As in :func:`plot_quality`.
    methods
        Names of trained methods, a panel each.
    """
    figure, axes = new_figure(1, len(methods), width=9.0, height=2.9, sharex=True)
    points = np.array(results.points)
    sentences = []
    for axis, method in zip(np.ravel(axes), methods, strict=True):
        rows = results.measurements
        rows = rows[(rows["task"] == "all") & (rows["method"] == method)]
        losses = np.array([notes["loss"] for notes in rows["notes"]])  # [seeds, points]
        axis.plot(100 * points, losses.T, color=COLOURS["bayesian"], lw=1)
        axis.set_title(textwrap.fill(results.methods[method], 16), fontsize="medium")
        axis.set(xticks=[0, 50, 100], ylim=(0, 1.05 * losses.max()))
        middle, end = losses[:, np.searchsorted(points, 0.75)].mean(), losses[:, -1].mean()
        sentences.append(
            f"{results.methods[method]}: {losses[:, 0].mean():.3f} after {points[0]:.0%} of the "
            f"training, {middle:.3f} after 75 % and {end:.3f} at the end"
        )
    np.ravel(axes)[0].set_ylabel("loss\n(nats per example)")
    figure.supxlabel("share of the training (%)", fontsize="medium")
    return DescribedFigure(
        figure,
        f"The minimised loss along the training, {len(results.seeds)} seeds each; means over the "
        f"seeds are, for {'; '.join(sentences)}.",
    )


def plot_units_in_use(results: UncertaintyResults) -> DescribedFigure:
    """Draw how many hidden units networks use, against how many they have, a dot for each seed."""
    figure, axis = new_figure()
    looks = {
        "plain": ("plain + L2", COLOURS["plain"], "s"),
        "bayesian": ("all layers Bayesian", COLOURS["bayesian"], "o"),
    }
    widths = sorted(results.widths["width"].unique())
    axis.plot(widths, widths, color=COLOURS["prior"], lw=1, label="all units")
    sentences = []
    for shift, (name, (title, colour, marker)) in zip((1.04, 0.96), looks.items(), strict=True):
        rows = results.widths
        axis.plot(rows["width"] * shift, rows[name], marker, color=colour, label=title, alpha=0.7)
        counts = ", ".join(
            f"{part.min()} to {part.max()} of {width}"
            for width, part in rows.groupby("width")[name]
        )
        sentences.append(f"{title}: {counts}")
    axis.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="hidden units in use")
    axis.set_xticks(widths, [str(width) for width in widths])
    axis.set_yticks([4, 8, 16, 32, 64, 128], ["4", "8", "16", "32", "64", "128"])
    axis.minorticks_off()
    axis.legend(loc="upper left")
    return DescribedFigure(
        figure,
        "Hidden units in use against hidden units, on logarithmic axes, over "
        f"{len(results.seeds)} seeds. {'; '.join(sentences)}.",
    )


def _places(methods: Sequence[str]) -> list[int]:
    return list(range(len(methods)))[::-1]


def _draw_intervals(
    axis: Axes,
    results: UncertaintyResults,
    measure: str,
    methods: Sequence[str],
    colour: str,
    marker: str,
    shift: float,
    label: str | None = None,
) -> None:
    """Draw means, intervals and single seeds of the methods that have the measure."""
    table, seeds = interval_table(results, measure), values_by_seed(results, measure)
    for place, name in zip(_places(methods), methods, strict=True):
        if name in table.index:
            row, height = table.loc[name], place + shift
            axis.hlines(height, row["low"], row["high"], color=colour, lw=3, alpha=0.4)
            axis.plot(seeds[name], [height] * len(seeds), ".", color=colour, ms=2.5, alpha=0.7)
            axis.plot(row["mean"], height, marker, color=colour, ms=4.5)
    if label:
        axis.plot([], [], marker, color=colour, label=label)
