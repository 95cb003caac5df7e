"""Whether ``losses`` is read before the forward pass, so that its KL is that of the call before."""

from ...model.small_scales import small_scales
from ...model.weight_posteriors import Posterior
from .batch import Batch
from .objective import Objective, evaluate


def lags_behind(objective: Objective, batch: Batch, posteriors: list[Posterior]) -> bool:
    """Whether a change of the scales shows in the objective only at the evaluation after next."""
    evaluate(objective, batch)
    with small_scales(posteriors):
        first, second = (evaluate(objective, batch, repeatable=True).value for _ in range(2))
    return bool(abs(first - second) > 1e-4 * (abs(first) + abs(second)))
