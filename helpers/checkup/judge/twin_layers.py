"""Layers that start from the same numbers."""

import itertools

import numpy as np
import numpy.typing as npt

from ...model.weight_posteriors import Posterior
from ..measure.case import Case
from ..report import Finding

FEWEST = 4


def check_twins(case: Case) -> list[Finding]:
    """Return a note if layers hold the same initial means, number by number."""
    twins = _twins([p for p in case.posteriors if p.is_random and p.make is not None])
    if not twins:
        return []
    number = max(twins.values())
    text = (
        f"These layers hold the same means, number by number ({number:,} of them). TFP 0.25 hands "
        "one initialiser to all layers, so seeds and ensemble members start alike too."
    )
    cure = (
        "Give each layer a kernel_posterior_fn of its own, tfp.layers.default_mean_field_normal_fn("
        " loc_initializer=tf_keras.initializers.RandomNormal(stddev=0.1), ...)."
    )
    return [
        Finding(
            kind="twin-layers",
            verdict="look",
            message=text,
            layer=", ".join(twins),
            value=number,
            expected=0,
            sure="measured",
            cure=cure,
        )
    ]


def _twins(posteriors: list[Posterior]) -> dict[str, int]:
    """Return the names of layers that share means with another, and how many means."""
    twins: dict[str, int] = {}
    means = {posterior: own for posterior in posteriors if (own := _means(posterior)) is not None}
    for (first, a), (second, b) in itertools.combinations(means.items(), 2):
        shared = min(len(a), len(b))
        same = (
            shared >= FEWEST and np.array_equal(a[:shared], b[:shared]) and np.ptp(a[:shared]) > 0
        )
        if same and first.layer is not second.layer:
            for posterior in (first, second):
                twins[posterior.name] = max(shared, twins.get(posterior.name, 0))
    return twins


def _means(posterior: Posterior) -> npt.NDArray[np.float32] | None:
    assert posterior.make is not None
    try:
        return np.ravel(posterior.make().mean())
    except NotImplementedError:  # as of a flow
        return None
