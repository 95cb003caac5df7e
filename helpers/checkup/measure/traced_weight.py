"""Whether a compiled step weighs the KL in another way than the code that it was compiled from."""

from typing import Any

import numpy as np
import tensorflow as tf

from ...model.small_scales import SmallScale
from .batch import Batch
from .objective import Objective, evaluate
from .traced import has_traced_step, rows_of_step, traced_loss, traced_rows

PART = 0.02  # of a weight; a smaller difference is none
SEEDS = (1, 5, 6, 7)  # draws among which the compiled step's must lie


def differs_when_compiled(
    objective: Objective, function: Any, batch: Batch, small: list[SmallScale]
) -> bool:
    """Whether a tf.function of the reader's, as it was traced, weighs the KL differently.

    What it returns is compared, then and now; where that holds no KL, nothing can be seen.
    """
    rows = traced_rows(function)
    if rows is None or not small:
        return False
    fitted = batch.with_rows(rows or batch.size)
    variables = small[0].posterior.variables
    now = evaluate(objective, fitted, variables, of_result=True)
    tf.config.run_functions_eagerly(False)
    try:
        then = evaluate(objective, fitted, variables, of_result=True)
    finally:
        tf.config.run_functions_eagerly(True)
    minimised = evaluate(objective, fitted, variables)
    weight, *returned = (abs(small[0].factor(run.gradients)) for run in (minimised, now, then))
    if max(returned) < PART * weight:  # it returns something else, such as the likelihood alone
        return False
    return bool(abs(returned[0] - returned[1]) > PART * max(returned) + 1e-8)


def differs_from_traced(network: Any, objective: Objective, batch: Batch) -> bool:
    """Whether the step that ``fit`` compiled weighs the KL differently from the code of today.

    Both are evaluated where the scales are tiny, so that the KL is large; the variables must be
    put back afterwards.
    """
    if objective.kind not in ("fit", "step") or not has_traced_step(network):
        return False
    batch = batch.with_rows(rows_of_step(network) or batch.size)
    runs = [evaluate(objective, batch, seed=seed) for seed in SEEDS]
    then = traced_loss(network, batch)
    pairs = zip(runs[0].watch.added, runs[0].shares, strict=True)
    kl = sum(abs(share * float(tf.reduce_sum(item.value))) for item, share in pairs)
    if then is None or kl == 0:
        return False
    values = np.array([run.value for run in runs])
    now, draws = float(values.mean()), float(np.ptp(values))
    return bool(abs(then - now) > 0.2 * kl + 0.2 * abs(now - kl) + 3 * draws)
