"""Training a recipe, so that it can be interrupted, and measuring it at chosen epochs."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tf_keras

from ..data.images import Images
from ..losses.posterior_weights import posterior_weights
from ..losses.pruning import prune, signal_to_noise, without_noise
from ..prediction.predict import compile_prediction
from ..training.train import train_by_elbo
from .recipe import Recipe, build_network, make_optimizer

Array = npt.NDArray[Any]
Predict = Callable[[Array, int], Any]
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)  # of the weights that are removed
SMOOTHING = 0.01  # of the moving average of the loss, as programs print it
NUM_DRAWS = 10
LOGITS = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@dataclass(frozen=True)
class Point:
    """What a training has come to after so many epochs.

    Attributes
    ----------
    epoch
        So many passes over the training images.
    error
        Percent of the test images that the mean of the class probabilities over draws gets wrong.
    error_of_means
        The same for the network of the posterior means.
    log_density
        Log predictive density of a test image, nats.
    kl, mean_stddev
        KL of all weights, nats, and the mean of their σ.
    seconds
        Of training and of measuring, since the last point.
    pruned
        The error of the means (percent) by the share of removed weights, lowest ``|μ|/σ`` first.
    history
        A row for each epoch since the last point: ``epoch`` and the means of
        ``negative_log_likelihood`` (nats per image), ``kl`` (nats), ``loss``, and
        ``moving_loss``, its moving average at the end of the epoch.
    """

    epoch: int
    error: float
    error_of_means: float
    log_density: float
    kl: float
    mean_stddev: float
    seconds: float
    pruned: dict[float, float]
    history: pd.DataFrame


class _Trained(NamedTuple):
    """A network in training and how to predict by it."""

    network: tf_keras.Sequential
    by_draws: Predict
    by_means: Predict


def repeat(
    recipe: Recipe,
    data: tuple[Images, Images],
    epochs: Sequence[int],
    *,
    after: int = 0,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Iterator[Point]:
    """Train a recipe, and yield what it has come to after each of some numbers of epochs.

    Parameters
    ----------
    recipe
        What is trained.
    data
        Training and test images, from :func:`~helpers.data.images.load_images`.
    epochs
        When to measure, rising; the last one ends the training.
    after
        The epoch of the last point that is known already, of a training that the folder holds.
    seed
        Of the start, of the order of the images and of all draws.
    folder
        Where the training is saved, to go on from there when it is called again; ``None`` keeps
        nothing.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If the epochs do not rise from 1 or more; or as
        :func:`~helpers.training.train.train_by_elbo`.
    """
    if not epochs or list(epochs) != sorted({int(e) for e in epochs if e > after}):
        raise ValueError(
            f"epochs is {list(epochs)}: give whole numbers that rise from above {after}."
        )
    train, test = data
    network = build_network(recipe, seed)
    network(train.images[: recipe.batch_size])
    optimizer = make_optimizer(recipe, len(train.labels))
    made = _Trained(
        network,
        compile_prediction(network, test.images, NUM_DRAWS, likelihood=LOGITS),
        compile_prediction(network, test.images, 1, likelihood=LOGITS),
    )
    with tempfile.TemporaryDirectory() as temporary:
        before = after
        for epoch in epochs:
            start = time.perf_counter()
            history = train_by_elbo(
                network,
                train.images,
                train.labels,
                likelihood=LOGITS,
                num_epochs=epoch,
                batch_size=recipe.batch_size,
                optimizer=optimizer,
                kl_weight=recipe.kl_factor / len(train.labels),
                num_draws=recipe.num_draws,
                seed=seed,
                folder=temporary if folder is None else folder,
                resume=True,
                progress=progress,
            )
            rows = by_epoch(history)
            yield _measure(made, test, rows[rows["epoch"] > before], seed, start)
            before = epoch


def by_epoch(history: pd.DataFrame) -> pd.DataFrame:
    """Return the means over epochs (from 1) of a history of steps, and its moving loss."""
    columns = ["negative_log_likelihood", "kl", "loss"]
    rows = history.groupby("epoch", as_index=False)[columns].mean()
    moving = history["loss"].ewm(alpha=SMOOTHING, adjust=False).mean()
    rows["epoch"] += 1
    rows["moving_loss"] = moving.groupby(history["epoch"]).last().to_numpy()
    return rows


def error_percent(probabilities: Array, labels: Array) -> float:
    """Return how many percent of the images [examples] get another class than their own."""
    return 100.0 * float(np.mean(np.argmax(probabilities, axis=1) != labels))


def _pruned(made: _Trained, test: Images) -> dict[float, float]:
    """Return the test error by the share of removed weights; the network stays as it is."""
    network = made.network
    kept, scores = network.get_weights(), signal_to_noise(network)
    errors = {}
    for share in SHARES:
        prune(network, scores, share)
        errors[share] = _error_of_means(made, test)
        network.set_weights(kept)
    return errors


def _error_of_means(made: _Trained, test: Images) -> float:
    with without_noise(made.network):
        return error_percent(made.by_means(test.images, 0).mean, test.labels)


def _measure(made: _Trained, test: Images, history: pd.DataFrame, seed: int, start: float) -> Point:
    drawn = made.by_draws(test.images, seed)
    return Point(
        epoch=int(history["epoch"].iloc[-1]),
        error=error_percent(drawn.mean, test.labels),
        error_of_means=_error_of_means(made, test),
        log_density=float(np.mean(drawn.log_predictive_density(test.labels))),
        kl=float(history["kl"].iloc[-1]),
        mean_stddev=float(posterior_weights(made.network)["stddev"].mean()),
        pruned=_pruned(made, test),
        seconds=time.perf_counter() - start,
        history=history.reset_index(drop=True),
    )
