"""What is minimised, and one evaluation of it: its value, its gradients and what was seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from ...model.untouched import use_seed
from ...model.watch import Added, Watch, watching
from .batch import Batch

Kind = Literal["fit", "step", "data term", "own", "losses"]


@dataclass(frozen=True)
class Objective:
    """The number that is minimised.

    Attributes
    ----------
    kind
        "fit" (compile and fit), "step" (a ``train_step`` of the reader's), "data term" (a loss of
        targets and outputs, to which ``losses`` is added as ``fit`` does), "own" (the reader's
        whole objective) or "losses" (only ``losses`` is known).
    evaluate
        Returns it for a batch.
    understood
        A sentence for the report.
    sure_of_sum
        Whether it is certain that ``losses`` is added as it stands.
    held
        Counters of the reader's own that every call moves on, and that are put back after it.
    """

    kind: Kind
    evaluate: Callable[[Batch], Any]
    understood: str
    sure_of_sum: bool = True
    held: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One tensor that a layer added to ``losses``.

    Attributes
    ----------
    value
        What it is worth.
    slopes
        Its gradient by each variable, None where there is no path.
    of_weights
        Whether it can be the KL of weights: no regulariser of outputs added it, and it does not
        depend on the inputs.
    """

    value: float
    slopes: list[Any]
    of_weights: bool


@dataclass
class Evaluation:
    """One evaluation of the objective: its value, its gradients and what was seen."""

    value: float
    gradients: list[Any]
    watch: Watch
    shares: list[float]  # of each added loss: its factor in the objective
    entries: list[Entry]  # the added losses one by one, if they were asked for
    of_sources: list[list[Any]]  # gradients by the groups of tensors that were asked for


class SeveralTargetsError(ValueError):
    """A step that differentiates several numbers by the same variables."""


SEVERAL = (
    "This step asks for the gradients of several numbers by the same variables, and what it makes "
    "of them is not seen. Pass a function that returns the one number that they belong to, for "
    "instance the mean of the losses of all draws + the KL / N, in place of the step."
)


def evaluate(
    objective: Objective,
    batch: Batch,
    variables: list[Any] | None = None,
    *,
    seed: int = 1,
    factor: float = 1.0,
    repeatable: bool = False,
    by_entry: bool = False,
    sources: Callable[[Watch], list[list[Any]]] | None = None,
    of_result: bool = False,
) -> Evaluation:
    """Evaluate the objective once, with the random draws of ``seed``.

    Parameters
    ----------
    objective, batch
        What to evaluate, and on what.
    variables
        Variables to differentiate by; those that are not trainable too.
    seed
        Of TensorFlow's global generator.
    factor
        Multiplies everything that layers add to ``losses``; 0 leaves the data term.
    repeatable
        Whether a second evaluation with the same seed must draw the same numbers (slower).
    by_entry
        Whether to differentiate each tensor that layers add to ``losses`` by itself, too.
    sources
        Given what happened in the evaluation, returns groups of tensors that came up in it, to
        differentiate by.
    of_result
        Whether to take the number that is returned, not the one that the reader's tape
        differentiates: of a compiled step no more is seen.
    """
    use_seed(seed, repeatable=repeatable)
    variables = variables or []
    inputs = [x for x in tf.nest.flatten(batch.inputs) if by_entry and x.dtype.is_floating]
    with tf.GradientTape(persistent=by_entry) as tape:
        for item in [*variables, *inputs]:
            tape.watch(item)
        with watching(tape, factor) as watch:
            result = objective.evaluate(batch)
        target = _scalar(result if of_result else _chosen(result, watch))
    factors = [added.factor for added in watch.added] if factor else []
    groups = [] if sources is None else sources(watch)
    every = [*variables, *factors, *(tensor for group in groups for tensor in group)]
    slopes = tape.gradient(target, every) if every else []
    gradients = [_dense(slope) for slope in slopes[: len(variables)]]
    late = iter(_dense(slope) for slope in slopes[len(variables) + len(factors) :])
    of_sources = [[next(late) for _ in group] for group in groups]
    pairs = zip(slopes[len(variables) : len(variables) + len(factors)], watch.added, strict=False)
    shares = [_share(*pair) for pair in pairs]
    entries = [_entry(tape, item, variables, inputs) for item in watch.added if by_entry]
    return Evaluation(float(target), gradients, watch, shares, entries, of_sources)


def _entry(tape: tf.GradientTape, item: Added, variables: list[Any], inputs: list[Any]) -> Entry:
    slopes = tape.gradient(item.value, [*inputs, *variables])
    of_data = any(slope is not None for slope in slopes[: len(inputs)])
    own = [_dense(slope) for slope in slopes[len(inputs) :]]
    value = float(tf.reduce_sum(item.value))
    return Entry(value, own, not (of_data or item.of_activity))


def _dense(gradient: Any) -> Any:
    return None if gradient is None else np.asarray(tf.convert_to_tensor(gradient))


def _share(slope: Any, added: Added) -> float:
    """Return how often an added loss counts in the objective."""
    entry = float(tf.reduce_sum(added.value))
    return 0.0 if slope is None or entry == 0 else float(slope) / entry


def _chosen(result: Any, watch: Watch) -> Any:
    """Return what the reader differentiates, else what the function returned.

    Raises
    ------
    SeveralTargetsError
        If several numbers are differentiated by the same variables: what is made of their
        gradients is not seen.
    """
    pairs = zip(watch.targets, watch.by, strict=True)
    found = {
        id(target): (
            target,
            by,
        )  # by inputs alone, as for a penalty on gradients, none is minimised
        for target, by in pairs
        if by and tf.is_tensor(target) and target.dtype.is_floating
    }
    seen: set[int] = set()
    for _, by in found.values():
        if seen & by:
            raise SeveralTargetsError(SEVERAL)
        seen |= by
    return next(reversed(found.values()))[0] if found else result


def _scalar(result: Any) -> tf.Tensor:
    """Return one number: a tape sums a vector of losses, and so do we."""
    if isinstance(result, dict):
        result = result.get("loss", next(iter(result.values())))
    if isinstance(result, (tuple, list)):
        result = result[0]
    return tf.reduce_sum(tf.convert_to_tensor(result))
