"""The trainings that are repeated, each with what others have published about it.

Introduced in chapters/20-published-numbers.md, "Published numbers, repeated".
"""

import dataclasses
import math
from dataclasses import dataclass

from .priors import scale_mixture
from .recipe import Recipe
from .untrained import Spread


@dataclass(frozen=True)
class Published:
    """A number that somebody else has written down.

    Attributes
    ----------
    who
        The paper or the program.
    value
        In the unit of ``measure``.
    measure
        A column of the result file: ``"error"`` (percent of the test images), for instance.
    setting
        What is particular to it.
    """

    who: str
    value: float
    measure: str
    setting: str


@dataclass(frozen=True)
class Repeated:
    """A training, when it is measured, and the numbers beside which it is put.

    Attributes
    ----------
    title
        In words.
    recipe
        What is trained.
    epochs
        When it is measured; the last one ends it.
    published
        What others wrote.
    """

    title: str
    recipe: Recipe
    epochs: tuple[int, ...]
    published: tuple[Published, ...] = ()


PAPER = "Blundell et al. (2015), table 1"
REPORTS = {
    "clarke": "Clarke, Mak and Lee, report",
    "saxena": "Saxena et al., results",
}
# Weights of biases are drawn too, as in the paper; the start is that of TFP's layers.
GAUSSIAN_400 = Recipe(bayesian_biases=True)
MIXTURE = scale_mixture(0.5, 0, 6)
STRAIGHT_DOPE = Recipe(
    bayesian_biases=True,
    skipped=(1,),
    untransformed_scales=Spread("normal", -3.0, 0.0),
    optimizer="sgd",
    learning_rate=128e-3,  # 1e-3 on the sum over the 128 images of a batch
    kl_factor=60_000 / (469 * 128),  # it divides the KL by the number of batches
)
LENET = Recipe(body="lenet", pixels=(-1.0, 1.0), estimator="flipout")
SHORT = (1, 2, 5, 10)


def _error(who: str, value: float, setting: str = "") -> Published:
    return Published(who, value, "error", setting)


def _of_width(width: int, prior: str) -> Repeated:
    """Return the network of two hidden layers of that width, with one of the paper's priors."""
    is_mixture = prior == "mixture"
    recipe = dataclasses.replace(GAUSSIAN_400, hidden=(width, width))
    if is_mixture:
        recipe = dataclasses.replace(recipe, prior=MIXTURE)
    rows = {
        (400, "gaussian"): [(PAPER, 1.82, ""), (REPORTS["clarke"], 1.45, "lowest of 1200 epochs")],
        (800, "gaussian"): [(PAPER, 1.99, ""), (REPORTS["clarke"], 1.48, "lowest of 1200 epochs")],
        (400, "mixture"): [
            (PAPER, 1.36, ""),
            (REPORTS["clarke"], 1.57, "lowest of 1200 epochs"),
            (REPORTS["saxena"], 1.75, "600 epochs, narrow start"),
        ],
        (800, "mixture"): [
            (PAPER, 1.34, ""),
            (REPORTS["clarke"], 1.59, "lowest of 1200 epochs"),
            (REPORTS["saxena"], 1.71, "600 epochs, narrow start"),
        ],
    }[width, prior]
    title = f"2 × {width}, {'scale mixture' if is_mixture else 'Gaussian'} prior"
    lengths = {(400, "gaussian"): (*SHORT, 20, 40), (400, "mixture"): (*SHORT, 20)}
    return Repeated(
        title, recipe, lengths.get((width, prior), SHORT[:-1]), tuple(_error(*row) for row in rows)
    )


def _variant(title: str, **changes: object) -> Repeated:
    """Return the Gaussian prior at 2 × 400 with one thing changed."""
    recipe = dataclasses.replace(GAUSSIAN_400, **changes)  # type: ignore[arg-type]
    return Repeated(f"2 × 400, Gaussian prior, {title}", recipe, SHORT)


def _until_flat(title: str, epochs: tuple[int, ...], **changes: object) -> Repeated:
    """Return a training with a high rate that falls, so that its loss comes to rest."""
    recipe = dataclasses.replace(GAUSSIAN_400, learning_rate=1e-2, halve_every=6.0)
    recipe = dataclasses.replace(recipe, **changes)  # type: ignore[arg-type]
    return Repeated(f"2 × 400, {title}, until flat", recipe, epochs)


CATALOGUE: dict[str, Repeated] = {
    "straight_dope": Repeated(
        "the straight dope, Bayes by backprop from scratch",
        STRAIGHT_DOPE,
        (1, 2, 5, 10),
        (
            Published("straight dope", 2626.474 / 128, "moving_loss", "epoch 1"),
            Published("straight dope", 2606.282 / 128, "moving_loss", "epoch 2"),
            Published("straight dope", 2592.986 / 128, "moving_loss", "epoch 5"),
            Published("straight dope", 2582.930 / 128, "moving_loss", "epoch 10"),
        ),
    ),
    "gaussian_400": _of_width(400, "gaussian"),
    "mixture_400": _of_width(400, "mixture"),
    "gaussian_800": _of_width(800, "gaussian"),
    "mixture_800": _of_width(800, "mixture"),
    "converged": _until_flat("Gaussian prior", (*SHORT, 20, 40)),
    "narrow_prior": _until_flat(
        "Gaussian prior of σ e⁻²", (*SHORT, 20), prior=((1.0, math.exp(-2)),)
    ),
    "narrow_start": _variant(
        "σ starts at 0.0003", untransformed_scales=Spread("normal", -8.0, 0.0)
    ),
    "sgd": _variant("SGD with momentum", optimizer="sgd", learning_rate=0.05, momentum=0.9),
    "tenth": _variant("a tenth of the KL", kl_factor=0.1),
    "lenet": Repeated("TFP's example, LeNet-5", LENET, (1, 2, 5, 10)),
}
