"""Layers that start from the same numbers, and biases that have no posterior."""

import itertools

import numpy as np
import numpy.typing as npt

from .case import Case
from .posteriors import Posterior
from .report import Finding

FEWEST = 4


def check_twins(case: Case) -> list[Finding]:
    """Return a note if layers hold the same initial means, number by number."""
    means = {p: _means(p) for p in case.posteriors if p.is_random and p.make is not None}
    twins: dict[str, int] = {}
    for (first, a), (second, b) in itertools.combinations(means.items(), 2):
        shared = min(len(a), len(b))
        same = (
            shared >= FEWEST and np.array_equal(a[:shared], b[:shared]) and np.ptp(a[:shared]) > 0
        )
        if same and first.layer is not second.layer:
            for posterior in (first, second):
                twins[posterior.name] = max(shared, twins.get(posterior.name, 0))
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
    return [Finding("twin-layers", "look", text, ", ".join(twins), number, 0, "measured", cure)]


def _means(posterior: Posterior) -> npt.NDArray[np.float32]:
    assert posterior.make is not None
    return np.ravel(posterior.make().mean())


def check_biases(case: Case) -> list[Finding]:
    """Return notes on biases that are one number each, with or without a penalty."""
    every = [posterior for posterior in case.posteriors if not posterior.is_random]
    points = [p for p in every if p.part == "bias"]
    kernels = [p.name for p in every if p.part != "bias"]
    free = [p.name for p in points if p.prior() is None]
    penalised = [p.name for p in points if p.prior() is not None]
    return [*_free(free), *_penalised(penalised), *_points(kernels)]


def _points(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "All weights are point estimates: the posterior of the kernel is one number each, and the "
        "entry in losses is -log p(w), a MAP penalty, no KL. Nothing here is Bayesian."
    )
    cure = "Leave is_singular=True to biases; default_mean_field_normal_fn() has a spread."
    layers = ", ".join(dict.fromkeys(names))
    return [Finding("point-estimate", "look", text, layers, cure=cure)]


def _free(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "The bias is a point estimate: it has no posterior, no prior and no entry in losses. That "
        "is TFP's default."
    )
    cure = "If it should be Bayesian, give bias_posterior_fn and bias_prior_fn."
    layers = ", ".join(dict.fromkeys(names))
    return [Finding("bias-point-estimate", "look", text, layers, cure=cure)]


def _penalised(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "There is a prior but no posterior: the entry in losses is -log p(b) of one number, the "
        "penalty of a MAP estimate, and no KL. It can be negative."
    )
    cure = "Give bias_posterior_fn too, for instance default_mean_field_normal_fn()."
    layers = ", ".join(dict.fromkeys(names))
    return [Finding("bias-penalised", "look", text, layers, cure=cure)]
