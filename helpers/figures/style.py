"""One look for all figures, and a picture that carries a description of what it shows."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.figure
import matplotlib.pyplot as plt
import seaborn as sns

WIDTH, HEIGHT = 7.0, 3.4  # inches; at 100 pixels each, twice that for sharp screens
SCALE = 2

# Seaborn's "colorblind" palette: one colour per meaning, the same in every chapter.
_PALETTE = sns.color_palette("colorblind").as_hex()
COLOURS = {
    "posterior": _PALETTE[0],
    "prior": _PALETTE[7],
    "losses": _PALETTE[2],
    "by_hand": _PALETTE[1],
    "mean_part": _PALETTE[0],
    "scale_part": _PALETTE[1],
    "negative_log_likelihood": _PALETTE[3],
    "kl": _PALETTE[2],
    "elbo": _PALETTE[4],
    "bayesian": _PALETTE[0],
    "plain": _PALETTE[1],
    "plain_l2": "#333333",
    "layers": [_PALETTE[0], _PALETTE[1], _PALETTE[2], _PALETTE[4], _PALETTE[5]],
}
STYLE: dict[str, Any] = {
    "font.size": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}


@dataclass(frozen=True)
class DescribedFigure:
    """A Matplotlib figure and a sentence, made from the plotted data, that says what it shows.

    As the last expression of a cell it displays as a PNG at twice the screen's resolution, with the
    sentence as its text alternative.
    """

    figure: matplotlib.figure.Figure
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        buffer = io.BytesIO()
        # No software version in the file: the same data give the same bytes.
        self.figure.savefig(buffer, format="png", dpi=100 * SCALE, metadata={"Software": None})
        width, height = (round(100 * inches) for inches in self.figure.get_size_inches())
        picture = base64.b64encode(buffer.getvalue()).decode()
        size = {"image/png": {"width": width, "height": height}}
        return {"image/png": picture, "text/plain": self.alt}, size


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = WIDTH, height: float = HEIGHT, **options: Any
) -> tuple[matplotlib.figure.Figure, Any]:
    """Return a figure in the book's style and its axes, as ``plt.subplots`` does.

    The figure is detached from pyplot, so that a notebook shows it once, by its own display.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, height), layout="constrained", **options
        )
    plt.close(figure)
    return figure, axes
