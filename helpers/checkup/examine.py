"""Measuring all there is to measure, and letting every check read it."""

from collections.abc import Callable

from ..model.watch import Watch
from .judge.activation_kl import check_activation_kls
from .judge.averaged_likelihood import check_averaged
from .judge.bounded_outputs import check_reach, check_still
from .judge.collapse import check_spread
from .judge.coverage import coverage
from .judge.drawn_kl import check_monte_carlo
from .judge.drawn_metrics import check_metrics
from .judge.drawn_weights import check_draws
from .judge.failures import not_checked
from .judge.forecast import with_forecast
from .judge.free_codes import check_codes
from .judge.frozen_layers import check_frozen
from .judge.input_values import check_values
from .judge.kl_of_weights import check_shapes_and_weights
from .judge.learning_rate import check_learning_rate
from .judge.no_likelihood import check_likelihood
from .judge.not_finite import check_steps
from .judge.other_penalties import check_regularisers
from .judge.padding import check_masks
from .judge.point_estimates import check_biases
from .judge.scale_gradients import check_scale_gradients
from .judge.targets_outside import check_all_targets
from .judge.trainable_priors import check_trainable_priors
from .judge.twin_layers import check_twins
from .measure.case import Case, TrainingSetup, measure_case
from .report import Finding, Report

Check = Callable[[Case], list[Finding]]

CHECKS: tuple[Check, ...] = (
    check_shapes_and_weights,
    check_likelihood,
    check_averaged,
    check_reach,
    check_still,
    check_metrics,
    check_values,
    check_all_targets,
    check_masks,
    check_trainable_priors,
    check_scale_gradients,
    check_draws,
    check_twins,
    check_biases,
    check_monte_carlo,
    check_regularisers,
    check_frozen,
    check_activation_kls,
    check_codes,
    check_learning_rate,
    check_steps,
)


def examine(setup: TrainingSetup, watch: Watch) -> Report:
    """Return the findings of all checks, and what of all that matters was measured.

    Parameters
    ----------
    setup
        The network and how it is trained.
    watch
        What happened in one evaluation of the objective.
    """
    understood = setup.objective.understood
    try:
        case = measure_case(setup, watch)
        matters = coverage(case)
    except Exception as error:  # noqa: BLE001 (a network of a kind that is unknown to us)
        found = not_checked("the network", error)
        return Report([found], understood, unchecked=[found.message])
    findings: list[Finding] = []
    for check in CHECKS:
        findings += _safely(check.__name__, lambda check=check: check(case))  # type: ignore[misc]
    # A spread has causes among what was found before, and what a KL will do has others.
    findings += _safely("check_spread", lambda: check_spread(case, list(findings)))
    told = _safely("forecast", lambda: with_forecast(case, findings))
    return Report(
        told if len(told) >= len(findings) else findings + told,
        understood,
        checked=[matter.what for matter in matters if not matter.reason],
        unchecked=[f"{matter.what}: {matter.reason}." for matter in matters if matter.reason],
    )


def _safely(name: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """Run one check; if it cannot cope with the network, say so instead of failing."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (the other checks are worth having)
        return [not_checked(name.removeprefix("check_").replace("_", " "), error)]
