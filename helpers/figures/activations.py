"""Pictures of a variational autoencoder: its codes, what it draws, and bounds of log p(x).

Introduced in chapters/12-activations.md, "Add the mean KL yourself".
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns

from .style import COLOURS, DescribedFigure, new_figure

Array = npt.NDArray[np.float64]
_PALETTE = sns.color_palette("colorblind", 10).as_hex()
# The palette's pink and yellow are too pale for thin marks.
DIGIT_COLOURS = [*_PALETTE[:6], "#882255", _PALETTE[7], "#000000", _PALETTE[9]]
LOOKS = (("o", "-"), ("s", "-"), ("^", "-"))  # marker and line of each curve


def plot_codes(codes: Array, labels: npt.NDArray[np.int32]) -> DescribedFigure:
    """Draw each digit at the mean of its code, the digit itself being the mark.

    Parameters
    ----------
    codes
        Means of q(z | x), [digits, 2].
    labels
        Which digit it is, [digits]; the encoder never saw it.
    """
    figure, axis = new_figure(width=5.6, height=5.2)
    for digit, colour in enumerate(DIGIT_COLOURS):
        own = codes[labels == digit]
        axis.scatter(own[:, 0], own[:, 1], s=42, marker=f"${digit}$", color=colour, lw=0.4)
    turn = np.linspace(0, 2 * np.pi, 200)
    radius = np.sqrt(2 * np.log(20))  # of the disc with 95 % of a standard Gaussian in the plane
    axis.plot(radius * np.cos(turn), radius * np.sin(turn), color=COLOURS["prior"], ls="--")
    axis.set(xlabel="first number of the code", ylabel="second number of the code", aspect="equal")
    inside = np.mean(np.linalg.norm(codes, axis=1) < radius)
    return DescribedFigure(
        figure,
        f"The codes of {len(labels)} test digits in the plane, each drawn as its digit. A dashed "
        f"circle holds 95 % of the prior; {inside:.0%} of the digits lie in it, and for "
        f"{same_neighbour(codes, labels):.0%} the nearest other code is that of the same digit.",
    )


def same_neighbour(codes: Array, labels: npt.NDArray[np.int32]) -> float:
    """Return the share of codes whose nearest other code has the same label."""
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(labels[distances.argmin(axis=1)] == labels))


def plot_digit_rows(rows: Mapping[str, Array]) -> DescribedFigure:
    """Draw rows of digits below each other.

    Parameters
    ----------
    rows
        Name of the row ↦ images [digits, 64] in [0, 1], equally many in each row.
    """
    columns = len(next(iter(rows.values())))
    figure, axes = new_figure(len(rows), columns, width=5.6, height=0.6 * len(rows) + 0.1)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(True)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    inked = ", ".join(f"{name} {images.mean():.2f}" for name, images in rows.items())
    return DescribedFigure(
        figure,
        f"{len(rows)} rows of {columns} digits of 8 by 8 pixels: {', '.join(rows)}. Mean grey "
        f"level from 0, white, to 1, black: {inked}.",
    )


def plot_bounds(bounds: pd.DataFrame, log_evidence: Sequence[float]) -> DescribedFigure:
    """Draw importance-weighted bounds against the number of draws, below log p(x).

    Parameters
    ----------
    bounds
        A row per number of draws S (the index), a column per network: mean bound in nats per
        example.
    log_evidence
        The mean log p(x) of each network, from the grid, in nats per example.
    """
    figure, axis = new_figure(width=5.6, height=3.6)
    described = []
    colours = (COLOURS["elbo"], COLOURS["by_hand"], COLOURS["kl"])
    parts = zip(bounds, log_evidence, colours, LOOKS, strict=False)
    for name, exact, colour, (marker, line) in parts:
        axis.plot(bounds.index, bounds[name], color=colour, marker=marker, ls=line, label=name)
        axis.axhline(exact, color=colour, ls="--", lw=1.5, label=f"log p(x), {name}")
        values = ", ".join(f"{value:.1f} for {draws}" for draws, value in bounds[name].items())
        described.append(f"{name} {values} draws, below log p(x) of {exact:.1f}")
    axis.set(xscale="log", xlabel="draws S of each code", ylabel="nats per test digit")
    axis.set_xticks(bounds.index, [f"{draws:,}" for draws in bounds.index])
    axis.minorticks_off()
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize="small")
    return DescribedFigure(
        figure,
        "Importance-weighted bounds against the number of draws, with log p(x) as a dashed line, "
        f"in nats per test digit: {'; '.join(described)}.",
    )
