"""What is minimised, and one evaluation of it: its value, its gradients and what was seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from ...model.untouched import use_seed
from ...model.watch import Watch, watching
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
    """

    kind: Kind
    evaluate: Callable[[Batch], Any]
    understood: str
    sure_of_sum: bool = True


@dataclass
class Evaluation:
    """One evaluation of the objective: its value, its gradients and what was seen."""

    value: float
    gradients: list[Any]
    watch: Watch
    shares: list[float]  # of each added loss: its factor in the objective


def evaluate(
    objective: Objective,
    batch: Batch,
    variables: list[Any] | None = None,
    *,
    seed: int = 1,
    factor: float = 1.0,
    repeatable: bool = False,
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
    """
    use_seed(seed, repeatable=repeatable)
    variables = variables or []
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        with watching(tape, factor) as watch:
            result = objective.evaluate(batch)
        target = _scalar(_chosen(result, watch))
    factors = [added.factor for added in watch.added] if factor else []
    slopes = tape.gradient(target, [*variables, *factors]) if variables or factors else []
    gradients = [_dense(slope) for slope in slopes[: len(variables)]]
    pairs = zip(slopes[len(variables) :], watch.added, strict=False)
    return Evaluation(float(target), gradients, watch, [_share(*pair) for pair in pairs])


def _dense(gradient: Any) -> Any:
    return None if gradient is None else tf.convert_to_tensor(gradient).numpy()


def _share(slope: Any, added: Any) -> float:
    """Return how often an added loss counts in the objective."""
    entry = float(tf.reduce_sum(added.value))
    return 0.0 if slope is None or entry == 0 else float(slope) / entry


def _chosen(result: Any, watch: Watch) -> Any:
    """Return what the reader differentiates, else what the function returned."""
    targets = [t for t in watch.targets if tf.is_tensor(t) and t.dtype.is_floating]
    return targets[-1] if targets else result


def _scalar(result: Any) -> tf.Tensor:
    """Return one number: a tape sums a vector of losses, and so do we."""
    if isinstance(result, dict):
        result = result.get("loss", next(iter(result.values())))
    if isinstance(result, (tuple, list)):
        result = result[0]
    return tf.reduce_sum(tf.convert_to_tensor(result))
