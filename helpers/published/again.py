"""One call for the reader: a published training for a few epochs, beside what it should give.

Introduced in chapters/20-published-numbers.md, "Repeat one yourself".
"""

import os

import pandas as pd

from ..data.images import load_images
from ..prediction.seed_intervals import next_interval
from .catalogue import CATALOGUE
from .repeat import Point, repeat
from .results import read_results

MEASURES = {"error": "%", "error_of_means": "%", "log_density": "nats", "kl": "nats"}


def train_again(
    name: str,
    num_epochs: int = 1,
    *,
    level: float = 0.95,
    seed: int = 100,
    images: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train one of the catalogue for a few epochs, and say whether it came out as it should.

    The images are downloaded by Keras (11 MB). On two cores an epoch of 2 × 400 takes about ten
    seconds, one of LeNet-5 about a minute.

    Parameters
    ----------
    name
        Of the catalogue: ``"gaussian_400"``, for instance.
    num_epochs
        One at which the committed results were measured: 1, 2, 5, 10, …
    level
        Of the intervals.
    seed
        Of your training; 0, 1 and 2 are those of the results.
    images
        A file in place of the download, as :func:`~helpers.data.images.load_images` reads it.
    folder
        Where to save the training, so that it goes on there when it is called again.
    progress
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        A row for each measure: ``unit``, ``yours``, and ``low`` and ``high``, between which a
        training with another seed lies with that probability (by the results' seeds and Student's
        t), and ``inside``.

    Raises
    ------
    ValueError
        If there is no such training, or it was not measured after so many epochs.
    """
    if name not in CATALOGUE:
        raise ValueError(f"There is no training {name!r}, only: {', '.join(CATALOGUE)}.")
    results, recipe = read_results(name), CATALOGUE[name].recipe
    expected = {
        measure: next_interval(results.values(measure, num_epochs).to_numpy(), level)
        for measure in MEASURES
    }
    data = load_images(recipe.data, recipe.pixels, images)
    (point,) = repeat(recipe, data, [num_epochs], seed=seed, folder=folder, progress=progress)
    rows = {measure: _row(point, measure, *expected[measure]) for measure in MEASURES}
    return pd.DataFrame(rows).T


def _row(point: Point, measure: str, _: float, low: float, high: float) -> dict[str, object]:
    value = float(getattr(point, measure))
    limits = {"low": low, "high": high, "inside": low <= value <= high}
    return {"unit": MEASURES[measure], "yours": value, **limits}
