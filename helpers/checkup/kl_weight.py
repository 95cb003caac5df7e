"""Measuring the factor of the KL in whatever is minimised, without knowing its code."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from .batch import Batch
from .objective import Evaluation, Objective, evaluate
from .posteriors import Posterior
from .reachable import reachable
from .small_scales import SmallScale, small_scales
from .traced import traced_loss, traced_rows

SEEDS = (1, 2)
MOST_SCALARS = 4
NOISY = 0.02  # a spread over draws, relative to the weight, that asks for a second look


@dataclass(frozen=True)
class KLWeight:
    """The factor λ of one posterior's KL in the objective.

    Attributes
    ----------
    posterior
        Whose KL.
    weight, weight_twice
        λ on the batch, and on the batch with every row twice.
    error
        Spread of ``weight`` over random draws.
    entries
        How many tensors its layer added to ``losses`` in one evaluation.
    calls
        How often the layer was called.
    shares
        How often each of those tensors counts in the objective.
    """

    posterior: Posterior
    weight: float
    weight_twice: float
    error: float
    entries: int
    calls: int
    shares: tuple[float, ...]

    @property
    def is_unfelt(self) -> bool:
        """Whether the layer adds to ``losses``, but the objective does not depend on it."""
        return self.entries > 0 and not any(self.shares)


def measure_kl_weights(
    objective: Objective, batch: Batch, small: list[SmallScale]
) -> list[KLWeight]:
    """Return λ of every posterior with a spread, measured where all scales are tiny.

    Parameters
    ----------
    objective
        What is minimised.
    batch
        Where to evaluate it.
    small
        The posteriors, their scales made tiny for the moment.
    """
    variables = list({id(v): v for one in small for v in one.posterior.variables}.values())
    runs = [evaluate(objective, batch, variables, seed=seed) for seed in SEEDS]
    try:
        double = evaluate(objective, batch.twice(), variables, seed=SEEDS[0])
    except Exception:  # noqa: BLE001 (an objective made for one batch size)
        double = runs[0]
    weights = [_weight(one, runs, double, variables) for one in small]
    if any(w.entries and w.error > NOISY * abs(w.weight) for w in weights):
        return _refined(objective, batch, small, weights, variables)
    return weights


def _refined(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    weights: list[KLWeight],
    variables: list[Any],
) -> list[KLWeight]:
    """Measure again what goes through ``losses``, as a difference without the data term."""
    on, off = (
        evaluate(objective, batch, variables, factor=factor, repeatable=True) for factor in (1, 0)
    )
    pairs = zip(on.gradients, off.gradients, strict=True)
    change = [_difference(with_kl, without) for with_kl, without in pairs]
    place = {id(variable): index for index, variable in enumerate(variables)}
    refined = []
    for one, weight in zip(small, weights, strict=True):
        own = [change[place[id(v)]] for v in one.posterior.variables]
        value = one.weight(own) if one.works and weight.entries else weight.weight
        ratio = weight.weight_twice / weight.weight if weight.weight else 1.0
        ratio = ratio if abs(ratio - 0.5) < 0.01 or abs(ratio - 2) < 0.02 else 1.0
        found = dataclasses.replace(weight, weight=value, weight_twice=value * ratio, error=0.0)
        layer = weight.posterior.layer
        entries = [tf.reduce_sum(x.value) for x in on.watch.added if x.layer is layer]
        felt = abs(value) > 0 or not any(float(entry) for entry in entries)
        refined.append(found if felt else weight)
    return refined


def _difference(first: Any, second: Any) -> Any:
    if first is None:
        return None
    return first if second is None else first - second


def _weight(
    small: SmallScale, runs: list[Evaluation], double: Evaluation, variables: list[Any]
) -> KLWeight:
    place = {id(variable): index for index, variable in enumerate(variables)}

    def weight(run: Evaluation) -> float:
        own = [run.gradients[place[id(v)]] for v in small.posterior.variables]
        return small.weight(own) if small.works else float("nan")

    layer = small.posterior.layer
    values = np.array([weight(run) for run in runs])
    added = [i for i, item in enumerate(runs[0].watch.added) if item.layer is layer]
    return KLWeight(
        small.posterior,
        float(values.mean()),
        weight(double),
        float(np.ptp(values)),
        len(added),
        sum(called is layer for called, _ in runs[0].watch.called),
        tuple(runs[0].shares[i] for i in added),
    )


def weight_variable(
    objective: Objective,
    batch: Batch,
    small: list[SmallScale],
    weights: list[KLWeight],
    roots: tuple[Any, ...],
) -> Any:
    """Return the scalar variable that multiplies the KL (a warm-up), or None."""
    for variable in _scalars(roots):
        before = variable.numpy()
        variable.assign(0.5 * before + 0.25)
        try:
            (changed, *_) = measure_kl_weights(objective, batch, small[:1]) if small else [None]
        finally:
            variable.assign(before)
        if changed and not np.isclose(changed.weight, weights[0].weight, rtol=1e-3, atol=1e-9):
            return variable
    return None


def _scalars(roots: tuple[Any, ...]) -> list[Any]:
    """Return the scalar variables that are no optimizer's, no metric's and not trained."""
    found = list(reachable(*roots))
    trained = {id(v) for v in getattr(roots[0], "trainable_variables", ())}
    owners = (tf_keras.optimizers.Optimizer, tf_keras.optimizers.legacy.Optimizer)
    owned = [x for x in found if isinstance(x, (*owners, tf_keras.metrics.Metric))]
    taken = trained | {id(v) for v in reachable(*owned) if isinstance(v, tf.Variable)}
    variables = [x for x in found if isinstance(x, tf.Variable) and id(x) not in taken]
    return [v for v in variables if v.shape.rank == 0 and v.dtype.is_floating][:MOST_SCALARS]


def lags_behind(objective: Objective, batch: Batch, posteriors: list[Any]) -> bool:
    """Whether a change of the scales shows in the objective only at the evaluation after next."""
    evaluate(objective, batch)
    with small_scales(posteriors):
        first, second = (evaluate(objective, batch, repeatable=True).value for _ in range(2))
    return bool(abs(first - second) > 1e-4 * (abs(first) + abs(second)))


def differs_when_compiled(
    objective: Objective, function: Any, batch: Batch, small: list[SmallScale]
) -> bool:
    """Whether a tf.function of the reader's, as it was traced, weighs the KL differently."""
    rows = traced_rows(function)
    if rows is None or not small:
        return False
    fitted = batch.with_rows(rows or batch.size)
    now = evaluate(objective, fitted, small[0].posterior.variables)
    tf.config.run_functions_eagerly(False)
    try:
        then = evaluate(objective, fitted, small[0].posterior.variables)
    finally:
        tf.config.run_functions_eagerly(True)
    weights = [small[0].weight(run.gradients) for run in (now, then)]
    return bool(abs(weights[0] - weights[1]) > 0.02 * max(map(abs, weights)) + 1e-8)


def differs_from_traced(network: Any, objective: Objective, batch: Batch) -> bool:
    """Whether the step that ``fit`` compiled weighs the KL differently from the code of today.

    Both are evaluated where the scales are tiny, so that the KL is large; the variables must be
    put back afterwards.
    """
    if objective.kind not in ("fit", "step"):
        return False
    now = evaluate(objective, batch)
    then = traced_loss(network, batch)
    pairs = zip(now.watch.added, now.shares, strict=True)
    kl = sum(abs(share * float(tf.reduce_sum(item.value))) for item, share in pairs)
    if then is None or kl == 0:
        return False
    return bool(abs(then - now.value) > 0.2 * kl + 0.2 * abs(now.value - kl))
