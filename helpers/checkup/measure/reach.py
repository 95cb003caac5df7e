"""What outputs can reach, whatever the weights are, beside the targets that they must reach.

Weights are moved far at random, in pairs of opposite signs, so that an output without a bound goes
far in both directions. An activation that cuts off shows as a bound that no weights pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

from ...model.likelihood import flatten_heads, is_joint, plain_distribution, squeezed
from ...model.small_scales import SmallScale, small_scales
from .case import Case
from .head_losses import asked_distribution, losses_of_heads
from .moved_weights import moved_weights
from .seen_outputs import SeenOutput, is_continuous, is_of_network, seen_outputs

tfd = tfp.distributions
Array = npt.NDArray[np.float64]
SEEDS, SIZES = 2, (30.0, 300.0)
LARGE = 100.0
FEWEST, REACHED = 8, 0.1  # of so many weights the largest is beyond that share of the size
SMALLER = (1.0, 5.0)  # tried where there seems to be a bound: some outputs fall off far away


@dataclass(frozen=True)
class Range:
    """The smallest and largest of some numbers, at two sizes of the weights.

    Attributes
    ----------
    low, high
        Of all sizes.
    ends_low, ends_high
        Whether larger weights lead no further: then it is a bound.
    """

    low: float
    high: float
    ends_low: bool
    ends_high: bool


@dataclass(frozen=True)
class Reach:
    """What one output can reach, over all rows, columns and weights that were tried.

    Attributes
    ----------
    output
        Which one.
    mean
        Of values, or of the probabilities of classes.
    noise
        The standard deviation; ``None`` where there is none, or it is a constant.
    targets
        The targets, in the shape of the means; for classes rows of 0 and 1.
    """

    output: SeenOutput
    mean: Range
    noise: Range | None
    targets: Array

    @property
    def falls_short(self) -> bool:
        """Whether some targets lie beyond a bound of the mean, or the noise has a bound."""
        low, high = float(self.targets.min()), float(self.targets.max())
        below = self.mean.ends_low and self.mean.low > low
        above = self.mean.ends_high and self.mean.high < high
        noise = self.noise is not None and (self.noise.ends_low or self.noise.ends_high)
        return bool(below or above or noise)


@dataclass(frozen=True)
class _Described:
    """How the mean and the noise of one output of the network are read.

    Attributes
    ----------
    place
        Of the output.
    loss
        What the data term is for it.
    distribution
        outputs ↦ distribution, where a loss of the reader's own makes one of a tensor.
    """

    place: int
    loss: str
    distribution: Callable[[Any], Any] | None

    def moments(self, leaves: list[Any]) -> tuple[Array, Array | None] | None:
        """Return mean and standard deviation of the noise, as far as known, of all outputs."""
        out = leaves[self.place]
        return _moments(out if self.distribution is None else self.distribution(out), self.loss)


def reaches(case: Case) -> list[Reach]:
    """Return what each output can reach, where targets and means are numbers of one shape."""
    outputs, heads = seen_outputs(case), case.data.heads
    if (
        not is_of_network(case)
        or len(outputs) != len(heads)
        or any(head.leaf is None for head in heads)
    ):
        return []
    every = tf.nest.flatten(case.batch.targets)
    targets = [every[head.leaf] for head in heads if head.leaf is not None]
    described = [
        _Described(out.place, head.name, asked_distribution(head, loss, out.outputs, wanted))
        for out, head, loss, wanted in zip(
            outputs, heads, losses_of_heads(case, heads), targets, strict=True
        )
    ]
    pairs = zip(outputs, described, strict=True)
    if all(_is_unbounded(out, one) for out, one in pairs) or all(
        found is None for found in _called(case, described)
    ):
        return []
    with small_scales(case.posteriors) as small:
        if not _moves_freely(case, small):
            return []
        tried = [list(zip(*_tried(case, described, s, small), strict=True)) for s in SIZES]
        made = [_reach(out, targets[i], [t[i] for t in tried]) for i, out in enumerate(outputs)]
        if any(reach is not None and reach.falls_short for reach in made):
            nearer = [list(zip(*_tried(case, described, s, small), strict=True)) for s in SMALLER]
            tried = [*nearer, *tried]
            made = [_reach(out, targets[i], [t[i] for t in tried]) for i, out in enumerate(outputs)]
    return [reach for reach in made if reach is not None]


def _moves_freely(case: Case, small: list[SmallScale]) -> bool:
    """Whether moving the variables moves all weights far, to both sides.

    Weights that are always positive, or whose means are no variables, bound outputs by themselves.
    """
    size = SIZES[0]
    with moved_weights(case.variables, small, 100, size):
        draws = [p.make().sample(seed=(1, 2)) for p in case.posteriors if p.make is not None]
    several = [np.asarray(draw, float) for draw in draws if np.size(draw) >= FEWEST]
    # Moved weights are the smaller the more inputs they have, as ``moved_weights`` says.
    several = [draw * np.sqrt(np.prod(draw.shape[:-1])) for draw in several]
    return all(
        draw.min() < -REACHED * size and draw.max() > REACHED * size
        for draw in several
        if np.isfinite(draw).all()
    )


def _is_unbounded(output: SeenOutput, described: _Described) -> bool:
    """Whether an output is a sum of weighted numbers as it is: then no activation cuts it off."""
    is_sum = output.activation == "linear" and not output.is_distribution
    return is_sum and described.distribution is None


def _tried(
    case: Case, described: list[_Described], size: float, small: list[SmallScale]
) -> list[list[Any]]:
    """Return mean and standard deviation of every output, at many weights of a size."""
    tried = []
    for seed in range(SEEDS):
        for sign in (1.0, -1.0):
            with moved_weights(case.variables, small, 100 + seed, sign * size):
                tried.append(_called(case, described))
    return tried


def _called(case: Case, described: list[_Described]) -> list[Any]:
    """Return mean and standard deviation of every output in one call of the network."""
    leaves = flatten_heads(case.network(case.batch.inputs, training=False))
    return [one.moments(leaves) for one in described]


def _moments(out: Any, name: str) -> tuple[Array, Array | None] | None:
    """Return the mean of an output and the standard deviation of its noise, as far as known."""
    if isinstance(out, tfd.Distribution):
        if is_joint(out):
            return None
        try:
            mean = np.asarray(out.mean(), float)
        except (NotImplementedError, TypeError, ValueError):
            return None
        if not is_continuous(out) or not _is_on_the_line(out):
            return mean, None  # the spread on a bounded support has a bound of its own
        try:
            noise = np.asarray(out.stddev(), float)
        except (NotImplementedError, TypeError, ValueError):
            noise = None
        return mean, noise
    array = np.asarray(tf.convert_to_tensor(out), float)
    if "class" in name and "logits" in name:
        return np.asarray(tf.nn.softmax(array), float), None
    if "yes or no" in name and "logits" in name:
        return np.asarray(tf.sigmoid(array), float), None
    values = "error" in name or "Gaussian" in name
    return (array, None) if values or "probabilities" in name else None


def _is_on_the_line(distribution: Any) -> bool:
    """Whether the support has no upper bound: that of a Beta or of an angle has one."""
    try:
        bijector = plain_distribution(distribution).experimental_default_event_space_bijector()
        far = bijector.forward(tf.fill(distribution.event_shape, tf.cast(1e3, distribution.dtype)))
    except (
        *(AttributeError, NotImplementedError, TypeError, ValueError),
        tf.errors.InvalidArgumentError,
    ):
        return True  # none is known, as of a mixture, or it takes all rows at once
    return bool(np.all(np.asarray(far, float) > LARGE))


def _reach(output: SeenOutput, targets: Any, tried: list[Any]) -> Reach | None:
    """Return the reach of an output from its moments at the weights of each size."""
    if any(pair is None for moments in tried for pair in moments):
        return None
    wanted = _beside(targets, tried[0][0][0].shape)
    means = _range(*[[mean for mean, _ in moments] for moments in tried])
    if wanted is None or means is None:
        return None
    noises = [[noise for _, noise in moments if noise is not None] for moments in tried]
    noise = _range(*noises) if all(noises) else None
    if noise is not None and noise.high - noise.low <= 1e-6 * noise.high:
        noise = None
    return Reach(output, means, noise, wanted)


def _range(*tried: list[Array]) -> Range | None:
    """Return the range of numbers at several sizes of the weights; ``None`` if there are none.

    The largest two sizes tell whether an end is a bound. It is none where smaller weights lead
    further.
    """
    arrays = [np.concatenate([np.ravel(x) for x in own]) for own in tried]
    arrays = [array[~np.isnan(array)] for array in arrays]
    if not all(array.size for array in arrays):
        return None
    *_, first, second = arrays
    width = float(second.max() - second.min())
    width = width if np.isfinite(width) else 1.0
    ends = []
    for of in (np.min, np.max):
        a, b = float(of(first)), float(of(second))
        stays = np.isfinite(b) and (abs(b - a) <= 0.5 * abs(a) or abs(b) <= 1e-6 * width)
        furthest = float(of([of(array) for array in arrays]))
        ends.append(bool(stays and abs(furthest - b) <= 0.5 * abs(b) + 1e-6 * width))
    low, high = (float(of([of(array) for array in arrays])) for of in (np.min, np.max))
    return Range(low, high, *ends)


def _beside(targets: Any, shape: tuple[int, ...]) -> Array | None:
    """Return targets of the shape of the means: values, or classes as rows of 0 and 1."""
    tensor = tf.convert_to_tensor(targets)
    if tensor.dtype == tf.string:
        return None
    array = np.asarray(tensor, float)
    if array.shape == shape or array.size == np.prod(shape):
        return array.reshape(shape)
    labels = np.asarray(squeezed(tensor, len(shape) - 1))
    if labels.shape != shape[:-1] or not np.all(labels == np.floor(labels)):
        return None
    if labels.min() < 0 or labels.max() >= shape[-1]:
        return None
    return np.eye(shape[-1])[labels.astype(int)]
