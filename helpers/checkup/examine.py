"""Measuring all there is to measure, and letting every check read it."""

from collections.abc import Callable
from typing import Any

from .activations import check_activation_kls
from .case import Case, Patient
from .columns import check_columns
from .data_term import measure_data_term
from .entries import check_monte_carlo, check_trainable_priors
from .failures import not_checked
from .gradients import check_frozen, check_scale_gradients, check_steps
from .guests import check_regularisers
from .kl_verdict import check_shapes_and_weights
from .kl_weight import (
    differs_from_traced,
    differs_when_compiled,
    lags_behind,
    measure_kl_weights,
    weight_variable,
)
from .learning_rate import check_learning_rate
from .likelihood import check_likelihood
from .objective import evaluate
from .posteriors import find_posteriors
from .report import Finding
from .small_scales import SmallScale, small_scales
from .spread import check_spread
from .starts import check_biases, check_twins
from .state import untouched

Check = Callable[[Case], list[Finding]]


def examine(patient: Patient, called: list[tuple[Any, Any]]) -> list[Finding]:
    """Return the findings of all checks.

    Parameters
    ----------
    patient
        The network and what is minimised.
    called
        The layers that one evaluation of the objective called, with their outputs.
    """
    try:
        case = _measured(patient, called)
    except Exception as error:  # noqa: BLE001 (a network of a kind that is unknown to us)
        return [not_checked("the network", error)]
    findings: list[Finding] = []
    for check in CHECKS:
        findings += _safely(check, case)
    return findings


def _measured(patient: Patient, called: list[tuple[Any, Any]]) -> Case:
    network, objective, batch = patient.network, patient.objective, patient.batch
    layers = _layers(network, called)
    posteriors, variables = find_posteriors(layers), _variables(layers)
    runs = [evaluate(objective, batch, variables), evaluate(objective, batch, seed=2)]
    with small_scales(posteriors) as small:
        weights = measure_kl_weights(objective, batch, small)
        data = measure_data_term(network, objective, batch)
        roots = (network, patient.loss)
        scalar = weight_variable(objective, batch, small, weights, roots)
        traced = _differs(patient, small)
    lags = any(w.is_unfelt for w in weights) and lags_behind(objective, batch, posteriors)
    return Case(patient, runs, variables, posteriors, weights, data, scalar, lags, traced)


def _differs(patient: Patient, small: list[SmallScale]) -> bool:
    """Whether what was compiled, by ``fit`` or the reader, weighs the KL in another way."""
    network, objective, batch = patient.network, patient.objective, patient.batch
    with untouched(network, patient.loss):
        try:
            if objective.kind == "own":
                return differs_when_compiled(objective, patient.loss, batch, small)
            return differs_from_traced(network, objective, batch)
        except Exception:  # noqa: BLE001 (a compiled step that cannot be fed)
            return False


def _safely(check: Check, case: Case) -> list[Finding]:
    """Run one check; if it cannot cope with the network, say so instead of failing."""
    try:
        return check(case)
    except Exception as error:  # noqa: BLE001 (the other checks are worth having)
        return [not_checked(check.__name__.removeprefix("check_").replace("_", " "), error)]


def _layers(network: Any, called: list[tuple[Any, Any]]) -> list[Any]:
    every = [*network._flatten_layers(), *(layer for layer, _ in called)]
    return list({id(layer): layer for layer in every}.values())


def _variables(layers: list[Any]) -> list[Any]:
    every = [v for layer in layers for v in layer.variables if v.dtype.is_floating]
    return list({id(v): v for v in every}.values())


CHECKS: tuple[Check, ...] = (
    check_shapes_and_weights,
    check_likelihood,
    check_columns,
    check_trainable_priors,
    check_scale_gradients,
    check_spread,
    check_twins,
    check_biases,
    check_monte_carlo,
    check_regularisers,
    check_frozen,
    check_activation_kls,
    check_learning_rate,
    check_steps,
)
