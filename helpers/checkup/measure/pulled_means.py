"""Posterior means that what is minimised pulls at by other ways than the data term and the KL.

A penalty that is written by hand, such as ``tf.nn.l2_loss`` of the kernels, stands in no entry of
``losses``. With the outputs of the network given again, and ``losses`` left out, nothing of what is
minimised depends on the weights but what is written by hand: a KL, whose gradients are known, or
something else.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...model.weight_posteriors import Posterior
from .case import Case
from .objective import Evaluation, evaluate
from .outputs_again import calls_noted

Array = npt.NDArray[np.float64]
CLOSE = 1e-3  # of a gradient; the rest is rounding


def pulled_means(case: Case) -> list[str]:
    """Return the names of the layers at whose posterior means something else pulls.

    Nothing is returned where that is not known: the objective does not call the network itself, or
    draws a KL of its own that has no closed form.
    """
    random = [posterior for posterior in case.posteriors if posterior.is_random]
    variables = list({id(v): v for posterior in random for v in posterior.variables}.values())
    if case.objective.kind == "losses" or not variables:
        return []
    try:
        run = _with_outputs_given(case, variables)
    except Exception:  # noqa: BLE001 (an objective that computes the outputs in its own way)
        return []
    layers = {id(posterior.layer) for posterior in random}
    if run is None or any(id(layer) in layers for layer, _ in run.watch.called):
        return []
    slopes = {id(v): slope for v, slope in zip(variables, run.gradients, strict=True)}
    pulled = [
        it.layer.name for it in random if _is_pulled(it, [slopes[id(v)] for v in it.variables])
    ]
    return list(dict.fromkeys(pulled))


def _with_outputs_given(case: Case, variables: list[Any]) -> Evaluation | None:
    """Evaluate the objective without ``losses`` where the network's outputs are constants."""
    with calls_noted(case.network) as noted:
        evaluate(case.objective, case.batch, factor=0.0, repeatable=True)
    if not noted.calls:
        return None
    with noted.given_again():
        return evaluate(case.objective, case.batch, variables, factor=0.0, repeatable=True)


def _is_pulled(posterior: Posterior, slopes: list[Any]) -> bool:
    """Whether a gradient at the means is more than that of the KL which pulls at the scales."""
    own = [
        np.zeros(v.shape) if g is None else g
        for v, g in zip(posterior.variables, slopes, strict=True)
    ]
    moved = posterior.moves_mean()
    _, entropy = posterior.entropy_gradients()
    masks = [(slope != 0) & ~mean for slope, mean in zip(entropy, moved, strict=True)]
    by_mean, by_scale = _split(own, moved, masks)
    kl = posterior.kl_gradients()
    if not np.any(by_scale):
        return bool(np.any(by_mean))
    if kl is None:
        return False
    kl_mean, kl_scale = _split(kl, moved, masks)
    weight = float(by_scale @ kl_scale) / max(float(kl_scale @ kl_scale), 1e-300)
    if not _are_close(by_scale, weight * kl_scale):  # another KL, or a penalty on the scales too
        return False
    return not _are_close(by_mean, weight * kl_mean)


def _split(slopes: list[Any], means: list[Any], scales: list[Any]) -> tuple[Array, Array]:
    """Return the slopes by the numbers that are means, and by those that are scales."""
    arrays = [np.asarray(slope, float) for slope in slopes]
    by_mean = np.concatenate([x[places] for x, places in zip(arrays, means, strict=True)])
    by_scale = np.concatenate([x[places] for x, places in zip(arrays, scales, strict=True)])
    return by_mean, by_scale


def _are_close(one: Array, other: Array) -> bool:
    if not one.size:
        return True
    largest = max(np.abs(one).max(), np.abs(other).max())
    return bool(np.abs(one - other).max() <= CLOSE * largest)
