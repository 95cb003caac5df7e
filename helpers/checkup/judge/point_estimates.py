"""Weights that are one number each: biases without a posterior, kernels without a spread."""

from ..measure.case import Case
from ..report import Finding


def check_biases(case: Case) -> list[Finding]:
    """Return notes on weights that are one number each, with or without a penalty."""
    every = [posterior for posterior in case.posteriors if not posterior.is_random]
    points = [p for p in every if p.part == "bias"]
    kernels = [p.name for p in every if p.part != "bias"]
    free = [p.name for p in points if p.prior() is None]
    penalised = [p.name for p in points if p.prior() is not None]
    return [*_free(free), *_penalised(penalised), *_points(kernels)]


def _free(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "The bias is a point estimate: it has no posterior, no prior and no entry in losses. That "
        "is TFP's default."
    )
    return [
        Finding(
            kind="bias-point-estimate",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            cure="If it should be Bayesian, give bias_posterior_fn and bias_prior_fn.",
        )
    ]


def _penalised(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "There is a prior but no posterior: the entry in losses is -log p(b) of one number, the "
        "penalty of a MAP estimate, and no KL. It can be negative."
    )
    return [
        Finding(
            kind="bias-penalised",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            cure="Give bias_posterior_fn too, for instance default_mean_field_normal_fn().",
        )
    ]


def _points(names: list[str]) -> list[Finding]:
    if not names:
        return []
    text = (
        "All weights are point estimates: the posterior of the kernel is one number each, and the "
        "entry in losses is -log p(w), a MAP penalty, no KL. Nothing here is Bayesian."
    )
    return [
        Finding(
            kind="point-estimate",
            verdict="look",
            message=text,
            layer=", ".join(dict.fromkeys(names)),
            cure="Leave is_singular=True to biases; default_mean_field_normal_fn() has a spread.",
        )
    ]
