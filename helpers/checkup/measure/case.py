"""How the reader trains a network, and all that one check-up measures on it, for the checks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ...model.entry_units import confirmed
from ...model.likelihood import AnyLikelihood
from ...model.on_the_prior import on_the_prior
from ...model.small_scales import SmallScale, small_scales
from ...model.untouched import untouched
from ...model.watch import Added, Watch
from ...model.weight_posteriors import Posterior, is_floating
from .averaged_draws import with_averaged_draws
from .batch import Batch
from .data_term import DataTerm, measure_data_term
from .kl_entries import KLEntry, Place, compare_entries, place
from .kl_factor import (
    KLFactor,
    evaluations_at,
    evaluations_that_agree,
    measure_kl_factors,
    small_variables,
    with_second_depth,
)
from .kl_schedule import Schedule, rescaled_ends, schedules
from .masked_steps import over_all_steps
from .objective import Evaluation, Objective, evaluate
from .own_layers import (
    by_entries,
    is_unknown,
    posteriors_of,
    rescaled,
    units_beside,
    units_of,
)
from .stale_losses import lags_behind
from .traced_weight import differs_from_traced, differs_when_compiled
from .weight_variable import WeightVariable, weight_variables

HERE = "as the weights are"


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """A network and how it is trained.

    Attributes
    ----------
    network, batch, loss
        What the reader passed; at most 64 rows of the data.
    objective
        What is minimised.
    num_examples, assumed
        N, and whether it is only the number of inputs passed.
    batch_size
        B if the reader gave it, else None.
    num_inputs
        Rows of the inputs passed.
    not_finite
        What is to be said of NaN in the data, "" if there is none.
    likelihood
        What the reader says that the data term is, if anything.
    known_share
        Of all targets passed that the loss does not ignore.
    targets, extremes
        All targets passed, and the rows with the smallest and the largest of them, if known.
    inputs
        All inputs passed; ``None`` of a stream.
    """

    network: Any
    batch: Batch
    loss: Any
    objective: Objective
    num_examples: int
    assumed: bool
    batch_size: int | None
    num_inputs: int
    not_finite: str = ""
    likelihood: AnyLikelihood | None = None
    known_share: float = 1.0
    targets: Any = None
    extremes: Batch | None = None
    inputs: Any = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was measured on a network.

    Attributes
    ----------
    setup
        The network and how it is trained.
    evaluations
        Two evaluations of the objective at the network's own variables, with different random
        draws; the first with its gradients by ``variables``.
    variables
        Every floating variable of the layers that were called.
    posteriors, factors, data
        Posteriors of the weights, the factors of their KLs, and the data term.
    entries
        What each entry of ``losses`` that depends on a scale holds beside a multiple of the KL.
    variables_of_weight
        The variables that the factors of KLs change with, by the id of the posterior.
    schedules
        How those weights of KLs go on that follow a counter, by the id of the posterior.
    lags
        Whether the objective feels a change of the scales only at the next evaluation.
    traced_differs
        Whether the step that ``fit`` compiled weighs the KL differently from the code of today.
    kept
        What was measured later, by name.
    """

    setup: TrainingSetup
    evaluations: list[Evaluation]
    variables: list[Any]
    posteriors: list[Posterior]
    factors: list[KLFactor]
    data: DataTerm
    entries: list[KLEntry]
    variables_of_weight: dict[int, WeightVariable]
    schedules: dict[int, Schedule]
    lags: bool
    traced_differs: bool
    kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return what ``measure`` returns, and keep it for all who ask for it by that name."""
        if name not in self.kept:
            self.kept[name] = measure()
        return self.kept[name]

    @property
    def network(self) -> Any:
        """The reader's network."""
        return self.setup.network

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return self.setup.objective

    @property
    def batch(self) -> Batch:
        """Where it was evaluated."""
        return self.setup.batch

    @property
    def added(self) -> list[Added]:
        """What layers put into ``losses`` in the first evaluation."""
        return self.evaluations[0].watch.added

    @property
    def called(self) -> list[tuple[Any, Any]]:
        """The layers that the first evaluation called, with their outputs."""
        return self.evaluations[0].watch.called

    @property
    def bayesian_layers(self) -> list[Any]:
        """The layers with a posterior that has a spread, each once."""
        found = {id(p.layer): p.layer for p in self.posteriors if p.is_random}
        return list(found.values())

    def is_inside(self, posterior: Posterior) -> bool:
        """Whether a posterior is one of the reader's network, not of another that is called too."""
        return any(layer is posterior.layer for layer in self.network._flatten_layers())

    def entries_of(self, layer: Any, evaluation: int = 0) -> npt.NDArray[np.float64]:
        """Return the entries [entry] of ``losses`` that a layer adds, those of activities aside."""
        added = self.evaluations[evaluation].watch.added
        own = [item for item in added if item.layer is layer and not item.of_activity]
        return np.array([float(tf.reduce_sum(item.value)) for item in own])

    def gradient(self, variable: Any) -> Any:
        """Return the objective's gradient by a variable, None if there is no path."""
        for known, gradient in zip(self.variables, self.evaluations[0].gradients, strict=True):
            if known is variable:
                return gradient
        return None


def measure_case(setup: TrainingSetup, watch: Watch) -> Case:
    """Measure all that the checks read.

    Parameters
    ----------
    setup
        The network and how it is trained.
    watch
        What happened in one evaluation of the objective.
    """
    network, objective, batch = setup.network, setup.objective, setup.batch
    layers = _layers(network, watch.called)
    posteriors, variables = posteriors_of(network, layers, watch), _variables(layers)
    units = units_beside(posteriors, network, batch.inputs)
    posteriors = confirmed(posteriors, units)
    random = [posterior for posterior in posteriors if posterior.is_random]
    runs = [evaluate(objective, batch, variables), evaluate(objective, batch, seed=2)]
    here, places = place(runs, random, HERE), _places(objective, batch, random)
    with small_scales(random, higher=True) as small:
        second = evaluations_that_agree(objective, batch, small)
        higher = measure_kl_factors(objective, batch, small, second, once=True)
        places.append(place(second, random, "where all standard deviations are small"))
    with small_scales(random) as small:
        first = evaluations_at(objective, batch, small) if small else []
        factors = with_second_depth(measure_kl_factors(objective, batch, small, first), higher)
        entries: list[KLEntry] = []
        if any(item for item in runs[0].watch.added) and small:
            places.append(place(first, random, "where all standard deviations are tiny"))
            entries = compare_entries(small, small_variables(small), first, here, places)
            entries = [entry for entry in entries if not _is_counted(entry, factors)]
        data = measure_data_term(
            network, objective, batch, variables, small, setup.likelihood, setup.known_share
        )
        data = over_all_steps(data, network, batch.inputs, setup.inputs)
        scalars = weight_variables(objective, batch, small, factors, (network, setup.loss))
        courses = schedules(objective, batch, small, factors, scalars, (network, setup.loss))
        traced = _differs(setup, small)
        data = with_averaged_draws(data, objective, batch, small, watch)
    if not units and any(map(is_unknown, factors)):
        units = units_of(network, batch.inputs)
    by_slopes, factors = factors, by_entries(factors, units, runs[0].watch.added)
    lags = any(f.is_unfelt for f in factors) and lags_behind(objective, batch, posteriors)
    return Case(
        setup=setup,
        evaluations=runs,
        variables=variables,
        posteriors=posteriors,
        factors=factors,
        data=data,
        entries=entries,
        variables_of_weight=rescaled(scalars, by_slopes, factors),
        schedules=rescaled_ends(courses, by_slopes, factors),
        lags=lags,
        traced_differs=traced,
    )


def _is_counted(entry: KLEntry, factors: list[KLFactor]) -> bool:
    """Whether an entry differs from call to call, so that two places tell nothing about it."""
    return any(f.counted and any(f.posterior is q for q in entry.posteriors) for f in factors)


def _places(objective: Objective, batch: Batch, random: list[Posterior]) -> list[Place]:
    """Return entries and KLs where the posteriors lie on their priors."""
    with on_the_prior(random):
        try:
            runs = [evaluate(objective, batch, seed=seed) for seed in (3, 4)]
            return [place(runs, random, "where the posteriors lie on their priors")]
        except Exception:  # noqa: BLE001 (an objective that cannot be evaluated at such weights)
            return []


def _layers(network: Any, called: list[tuple[Any, Any]]) -> list[Any]:
    every = [*network._flatten_layers(), *(layer for layer, _ in called)]
    return list({id(layer): layer for layer in every}.values())


def _variables(layers: list[Any]) -> list[Any]:
    every = [v for layer in layers for v in layer.variables if is_floating(v)]
    return list({id(v): v for v in every}.values())


def _differs(setup: TrainingSetup, small: list[SmallScale]) -> bool:
    """Whether what was compiled, by ``fit`` or the reader, weighs the KL in another way."""
    network, objective, batch = setup.network, setup.objective, setup.batch
    with untouched(network, setup.loss):
        try:
            if objective.kind == "own":
                return differs_when_compiled(objective, setup.loss, batch, small)
            return differs_from_traced(network, objective, batch)
        except Exception:  # noqa: BLE001 (a compiled step that cannot be fed)
            return False
