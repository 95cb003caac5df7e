"""Measuring all there is to measure, and letting every check read it."""

from collections.abc import Callable
from typing import Any

from .judge.activation_kl import check_activation_kls
from .judge.averaged_likelihood import check_averaged
from .judge.bounded_outputs import check_reach, check_still
from .judge.collapse import check_spread
from .judge.drawn_kl import check_monte_carlo
from .judge.drawn_metrics import check_metrics
from .judge.failures import not_checked
from .judge.frozen_layers import check_frozen
from .judge.input_values import check_values
from .judge.kl_of_weights import check_shapes_and_weights
from .judge.learning_rate import check_learning_rate
from .judge.no_likelihood import check_likelihood
from .judge.not_finite import check_steps
from .judge.other_penalties import check_regularisers
from .judge.point_estimates import check_biases
from .judge.scale_gradients import check_scale_gradients
from .judge.trainable_priors import check_trainable_priors
from .judge.twin_layers import check_twins
from .measure.case import Case, TrainingSetup, measure_case
from .report import Finding

Check = Callable[[Case], list[Finding]]

CHECKS: tuple[Check, ...] = (
    check_shapes_and_weights,
    check_likelihood,
    check_averaged,
    check_reach,
    check_still,
    check_metrics,
    check_values,
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


def examine(setup: TrainingSetup, called: list[tuple[Any, Any]]) -> list[Finding]:
    """Return the findings of all checks.

    Parameters
    ----------
    setup
        The network and how it is trained.
    called
        The layers that one evaluation of the objective called, with their outputs.
    """
    try:
        case = measure_case(setup, called)
    except Exception as error:  # noqa: BLE001 (a network of a kind that is unknown to us)
        return [not_checked("the network", error)]
    findings: list[Finding] = []
    for check in CHECKS:
        findings += _safely(check, case)
    return findings


def _safely(check: Check, case: Case) -> list[Finding]:
    """Run one check; if it cannot cope with the network, say so instead of failing."""
    try:
        return check(case)
    except Exception as error:  # noqa: BLE001 (the other checks are worth having)
        return [not_checked(check.__name__.removeprefix("check_").replace("_", " "), error)]
