"""Predictions under many draws of the weights: their average, spread, intervals and score.

The predictive distribution is a mixture: each draw of the weights gives one distribution of what
may be observed, and all have the same share.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..model.checks import check_number, check_whole
from ..model.families import Family, family_of
from ..model.heads import in_order, only_target
from ..model.inputs import as_tensor, is_stream, read_arrays, tensor_type
from ..model.kept_logits import kept_logits
from ..model.likelihood import HeadsLikelihood, Likelihood, check_pairing, flatten_heads
from ..model.lost_masks import LostMasks, check_padding
from ..model.targets import check_targets
from .drawn_outputs import Chunk, DrawnOutputs, Some, check_rows
from .metrics import entropy_parts
from .moments import check_is_of_numbers, means, variances
from .output_leaves import noting

Array = npt.NDArray[np.float64]

FEW = 64  # examples on which likelihood and targets are tried
FEWEST_SAMPLES = 4000
SAMPLES_AT_ONCE = 2**23
SAMPLES_BEYOND = 50  # outside of an interval, at each end


class Interval(NamedTuple):
    """The two ends of an interval, each [examples, …]."""

    low: Array
    high: Array


class Predictions:
    """Predictions of one output; ``numpy.asarray`` of them gives :attr:`draws`.

    Entropies and densities are in nats. Where the outputs are values, means and standard deviations
    have the unit of the targets, variances its square.
    """

    def __init__(
        self,
        drawn: DrawnOutputs,
        likelihood: Likelihood,
        *,
        head: int = 0,
        targets: Any = None,
        has_noise: bool = True,
        lost: LostMasks | None = None,
    ) -> None:
        self._drawn, self._likelihood, self._head = drawn, likelihood, head
        self._targets, self._has_noise, self._lost = targets, has_noise, lost

    @property
    def num_draws(self) -> int:
        """S, the number of draws of the weights."""
        return self._drawn.num_draws

    @property
    def num_examples(self) -> int:
        """How many examples are predicted."""
        return self._drawn.num_examples

    @functools.cached_property
    def kind(self) -> Literal["classes", "yes or no", "values"]:
        """What is predicted: one of several classes, yes or no in each column, or values."""
        family = self._family
        if family in ("classes", "one-hot"):
            return "classes"
        return "yes or no" if family == "yes or no" else "values"

    @functools.cached_property
    def draws(self) -> Array:
        """Under each draw [draws, examples, …]: the probabilities of classes, or the means.

        Of classes the last axis sums to 1; of yes or no each number is the probability of yes.
        """
        return self._evaluate(means)

    @property
    def mean(self) -> Array:
        """The average over the draws [examples, …]: predictive probabilities, or means."""
        return self.draws.mean(axis=0)

    @property
    def stddev(self) -> Array:
        """The standard deviation [examples, …].

        Of values: that of a new observation, the root of :attr:`aleatoric` plus :attr:`epistemic`.
        Of classes and yes or no: that of the probability from draw to draw.
        """
        if self.kind == "values":
            return np.sqrt(self.aleatoric + self.epistemic)
        self._check_several_draws("stddev")
        return self.draws.std(axis=0)

    @functools.cached_property
    def aleatoric(self) -> Array:
        """The uncertainty that knowing the weights would not remove [examples, …].

        Of values: the mean over the draws of the variance of an observation. Of classes and yes or
        no: the mean over the draws of the entropy, in nats.
        """
        if self.kind == "values":
            return self._evaluate(variances).mean(axis=0)
        return self._entropies["expected"]

    @functools.cached_property
    def epistemic(self) -> Array:
        """The uncertainty that the weights cause [examples, …].

        Of values: the variance over the draws of the mean. Of classes and yes or no: the mutual
        information of class and weights, in nats.
        """
        self._check_several_draws("epistemic")
        if self.kind == "values":
            return self.draws.var(axis=0)
        return self._entropies["mutual_information"]

    def interval(
        self,
        level: float,
        *,
        of: Literal["observation", "mean"] | None = None,
        seed: int = 0,
        num_samples: int | None = None,
    ) -> Interval:
        """Return the central interval that holds a share ``level``, as (low, high).

        Parameters
        ----------
        level
            Between 0 and 1, as 0.95.
        of
            "observation": of what may be observed, noise included; it is what covers new targets.
            "mean": of the mean, or the probability, from draw to draw. ``None`` stands for the
            first where values are predicted, and for the second for classes and yes or no.
        seed
            Of the observations that are drawn: the same call gives the same interval.
        num_samples
            How many observations to draw for each example, at least; ``None`` for 4000, or more
            where the ends lie far out.

        Raises
        ------
        ValueError
            If ``level`` is not between 0 and 1, the draws are too few for an interval of the mean,
            or an observation is a class.
        """
        level = check_number(
            "level", level, 1e-9, 1 - 1e-9, "a share between 0 and 1, for instance 0.95"
        )
        if num_samples is not None:
            check_whole("num_samples", num_samples, 1)
        if of not in (None, "observation", "mean"):
            raise ValueError(f'of is {of!r}: say "observation" or "mean".')
        if of is None:
            of = "observation" if self.kind == "values" else "mean"
        ends = [(1 - level) / 2, (1 + level) / 2]
        if of == "mean":
            self._check_enough_draws(level)
            return Interval(*np.quantile(self.draws, ends, axis=0))
        if self.kind != "values":
            raise ValueError(
                f"The network predicts {self.kind}, and an interval of classes says nothing: "
                'interval(level, of="mean") is that of the probability, and .mean says how likely '
                "each class is."
            )
        number = num_samples or max(FEWEST_SAMPLES, math.ceil(2 * SAMPLES_BEYOND / (1 - level)))
        each = math.ceil(number / self.num_draws)
        return self._interval_of_observations(ends, each, seed)

    def log_predictive_density(self, targets: Any = None) -> Array:
        """Return the log density (of classes, probability) of each example's target [examples].

        In nats; that of everything that belongs to an example together, its pixels, steps and
        columns: the average over the draws is taken first, then the logarithm. ``.mean()`` of it is
        the score of all examples; higher is better.

        Parameters
        ----------
        targets
            As in training; ``None`` for those that the dataset brought.

        Raises
        ------
        TypeError, ValueError
            If they do not belong to the examples, or are none that the likelihood describes.
        """
        return _log_mean_exp(self._log_likelihoods(self._read(targets)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return :attr:`draws`."""
        return np.array(self.draws, dtype, copy=copy)

    def __repr__(self) -> str:
        """Say what there is of what."""
        return (
            f"<{type(self).__name__} of {self.kind}: {self.num_draws} draws of "
            f"{self.num_examples} examples>"
        )

    @functools.cached_property
    def _family(self) -> Family:
        return family_of(self._distribution(self._drawn.few(self._head, FEW)))

    @functools.cached_property
    def _entropies(self) -> dict[str, Array]:
        """Return the parts of the entropy, each [examples, …]."""
        draws = self.draws
        if self.kind == "yes or no":
            draws = np.stack([1 - draws, draws], axis=-1)
        shape = draws.shape[1:-1]
        parts = entropy_parts(draws.reshape(len(draws), -1, draws.shape[-1]))
        return {str(name): parts[name].to_numpy().reshape(shape) for name in parts}

    def _evaluate(self, moment: Any) -> Array:
        def of_some(some: Some, _: range) -> Array:
            """Return the moment for some draws of a chunk, a row for each row of their outputs."""
            found: Array = moment(self._distribution(some.outputs))
            return found

        return self._drawn.evaluate(self._head, of_some)

    def _distribution(self, outputs: Any) -> Any:
        """Return what some outputs say of the targets.

        Raises
        ------
        ValueError
            If that is not known.
        """
        if self._likelihood.distribution is None:
            raise ValueError(
                f"The likelihood is {self._likelihood.description}, which gives densities, but "
                "says nothing of means and observations: pass a function that gives the "
                "distribution, likelihood=lambda outputs: tfd.Normal(outputs, noise)."
            )
        return self._likelihood.distribution(_precise(self._likelihood, outputs))

    def _interval_of_observations(self, ends: list[float], each: int, seed: int) -> Interval:
        """Return the interval of observations, as many of each draw."""
        parts = []
        for chunk in self._drawn.chunks(
            self._head, max(1, SAMPLES_AT_ONCE // each // self.num_draws)
        ):
            samples = np.concatenate(list(self._samples(chunk, each, seed)))
            # An end is a sample, so that counts stay whole numbers.
            parts.append(np.quantile(samples, ends, axis=0, method="inverted_cdf"))
        low, high = np.concatenate(parts, axis=1)
        return Interval(low, high)

    def _samples(self, chunk: Chunk, each: int, seed: int) -> Iterator[Array]:
        """Yield observations [samples, examples, …] under one draw after another."""
        for draws, outputs in chunk.of_draws():
            number = each * self.num_draws if not self._has_noise else each * len(draws)
            key = [seed % 2**31, draws.start + self.num_draws * chunk.examples.start]
            distribution = self._distribution(outputs)
            check_is_of_numbers(distribution)
            made = distribution.sample(number // len(draws), seed=tf.constant(key, tf.int32))
            array = np.asarray(made, np.float64)
            check_rows(array.shape[1:], len(draws) * len(chunk.examples))
            yield array.reshape(-1, len(chunk.examples), *array.shape[2:])

    def _read(self, targets: Any) -> Any:
        """Return the targets as an array [examples, …]."""
        if targets is None:
            targets = self._targets
        return read_targets(targets, self.num_examples)

    def _log_likelihoods(self, targets: Any) -> Array:
        """Return the log-likelihood of each example under each draw [draws, examples], nats."""
        targets = only_target(targets)
        outputs = _precise(self._likelihood, self._drawn.few(self._head, FEW))
        check_targets(self._likelihood, [targets], outputs)
        few = _as_tensor(targets[: _num_rows(outputs)])
        check_pairing(self._likelihood, few, outputs)
        check_padding(self._lost, self._head, self._likelihood, few, outputs, None)

        def of_some(some: Some, examples: range) -> Array:
            """Return log p of the targets in nats [draws · examples], draw after draw."""
            rows = np.concatenate([targets[examples.start : examples.stop]] * len(some.draws))
            outputs = _precise(self._likelihood, some.outputs)
            return -np.asarray(self._likelihood.of_examples(_as_tensor(rows), outputs), np.float64)

        found = self._drawn.evaluate(self._head, of_some)
        missing = np.isnan(found).any(axis=0)
        if missing.any():
            raise ValueError(
                f"The log-likelihood of {missing.sum()} of {missing.size} targets is not a number, "
                f"the first at index {missing.argmax()}: they are none that "
                f"{self._likelihood.description} can give."
            )
        return found

    def _check_several_draws(self, name: str) -> None:
        if self._has_noise and self.num_draws < 2:
            raise ValueError(
                f"{name} is how draws differ, and there is one: pass num_draws of at least 2, "
                "better 50 or more."
            )

    def _check_enough_draws(self, level: float) -> None:
        needed = math.ceil(2 / (1 - level) - 1e-9) - 1
        if self._has_noise and self.num_draws < needed:
            raise ValueError(
                f"An interval of level {level} of the mean needs at least {needed} draws, a few "
                f"beyond each end, but there are {self.num_draws}: pass a larger num_draws."
            )


class HeadsPredictions:
    """Predictions of several outputs: ``predictions["name"]`` or ``predictions[0]`` is one of them.

    Attributes
    ----------
    heads
        A dict, list or tuple of :class:`Predictions`, as the network's outputs.
    names
        Of the outputs.
    """

    def __init__(
        self,
        heads: Any,
        names: list[str],
        likelihood: HeadsLikelihood,
        targets: Any = None,
    ) -> None:
        self.heads, self.names = heads, names
        self._likelihood, self._targets = likelihood, targets

    @property
    def flat(self) -> list[Predictions]:
        """The predictions of each output, in the order of :attr:`names`."""
        found: list[Predictions] = flatten_heads(self.heads)
        return found

    def __getitem__(self, key: str | int) -> Predictions:
        """Return the predictions of one output, by its name or its place."""
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(f"There is no output {key!r}: the outputs are {self.names}.")
            return self.flat[self.names.index(key)]
        return self.flat[key]

    def __iter__(self) -> Iterator[Predictions]:
        """Yield the predictions of each output."""
        return iter(self.flat)

    def __len__(self) -> int:
        """Return how many outputs there are."""
        return len(self.names)

    def log_predictive_density(self, targets: Any = None) -> Array:
        """Return the log density of all targets of each example together [examples], nats.

        Given the weights the outputs are independent: under each draw their log-likelihoods are
        added; then comes the average over the draws. That is not the sum of what each output gives
        by itself, because the outputs share the weights.

        Parameters
        ----------
        targets
            One array for each output, in a list, tuple or dict; ``None`` for those that the dataset
            brought.

        Raises
        ------
        TypeError, ValueError
            As :meth:`Predictions.log_predictive_density`.
        """
        if targets is None:
            targets = self._targets
        read = read_targets(targets, self.flat[0].num_examples)
        parts = zip(self.flat, in_order(read, self.names), strict=True)
        return _log_mean_exp(np.sum([head._log_likelihoods(y) for head, y in parts], axis=0))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Refuse: the draws of several outputs are no one array."""
        raise TypeError(f"There are several outputs, {self.names}: take .draws of one of them.")

    def __repr__(self) -> str:
        """Say what each output is."""
        parts = zip(self.names, self.flat, strict=True)
        return f"<{type(self).__name__} " + ", ".join(f"{n}: {head!r}" for n, head in parts) + ">"


def read_targets(targets: Any, num_examples: int) -> Any:
    """Return targets as arrays, one row for each example that was predicted.

    Raises
    ------
    TypeError, ValueError
        If there are none, or others than examples.
    """
    if targets is None:
        raise ValueError("Pass the targets of the examples: the inputs brought none.")
    if is_stream(targets):
        raise TypeError(
            "targets is a dataset, which may come in another order: the targets of a dataset that "
            "yields (inputs, targets) are kept with its predictions; leave targets out."
        )
    read = read_arrays(np.zeros(num_examples), targets).targets
    return tf.nest.map_structure(np.asarray, read)


def _as_tensor(targets: npt.NDArray[Any]) -> tf.Tensor:
    """Return targets as fine as they are: a likelihood takes them in the type of its outputs."""
    return as_tensor(targets, tf.float64 if targets.dtype == np.float64 else tensor_type(targets))


def _log_mean_exp(logs: Array) -> Array:
    """Return the log of the mean over the draws [examples]."""
    highest = logs.max(axis=0)
    highest = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):  # a density of 0 is one
        mean: Array = highest + np.log(np.exp(logs - highest).mean(axis=0))
    return mean


def _precise(likelihood: Likelihood, outputs: Any) -> Any:
    """Return outputs in float64, unless the reader's own functions or distributions take them."""
    if likelihood.kind in ("distribution", "function"):
        return outputs
    logits = kept_logits(outputs)
    wide = None if logits is None else tf.cast(logits, tf.float64)
    mask = getattr(outputs, "_keras_mask", None)
    return noting(tf.cast(outputs, tf.float64), wide, mask)


def _num_rows(outputs: Any) -> int:
    if hasattr(outputs, "batch_shape"):
        return int(outputs.batch_shape.concatenate(outputs.event_shape)[0])
    return int(outputs.shape[0])
