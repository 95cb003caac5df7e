"""Whether ``losses`` is read before the forward pass, so that its KL is that of the call before."""

from .batch import Batch
from .layer_posteriors import Posterior
from .objective import Objective, evaluate
from .small_scales import small_scales


def lags_behind(objective: Objective, batch: Batch, posteriors: list[Posterior]) -> bool:
    """Whether a change of the scales shows in the objective only at the evaluation after next."""
    evaluate(objective, batch)
    with small_scales(posteriors):
        first, second = (evaluate(objective, batch, repeatable=True).value for _ in range(2))
    return bool(abs(first - second) > 1e-4 * (abs(first) + abs(second)))
