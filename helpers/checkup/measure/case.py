"""How the reader trains a network, and all that one check-up measures on it, for the checks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ...model.small_scales import SmallScale, small_scales
from ...model.untouched import untouched
from ...model.watch import Added
from ...model.weight_posteriors import Posterior, find_posteriors
from .batch import Batch
from .data_term import DataTerm, measure_data_term
from .kl_factor import KLFactor, measure_kl_factors
from .objective import Evaluation, Objective, evaluate
from .stale_losses import lags_behind
from .traced_weight import differs_from_traced, differs_when_compiled
from .weight_variable import weight_variable


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
    scalar
        The variable that the KL is multiplied by, if there is one.
    lags
        Whether the objective feels a change of the scales only at the next evaluation.
    traced_differs
        Whether the step that ``fit`` compiled weighs the KL differently from the code of today.
    """

    setup: TrainingSetup
    evaluations: list[Evaluation]
    variables: list[Any]
    posteriors: list[Posterior]
    factors: list[KLFactor]
    data: DataTerm
    scalar: Any
    lags: bool
    traced_differs: bool

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


def measure_case(setup: TrainingSetup, called: list[tuple[Any, Any]]) -> Case:
    """Measure all that the checks read.

    Parameters
    ----------
    setup
        The network and how it is trained.
    called
        The layers that one evaluation of the objective called, with their outputs.
    """
    network, objective, batch = setup.network, setup.objective, setup.batch
    layers = _layers(network, called)
    posteriors, variables = find_posteriors(layers), _variables(layers)
    runs = [evaluate(objective, batch, variables), evaluate(objective, batch, seed=2)]
    with small_scales(posteriors) as small:
        factors = measure_kl_factors(objective, batch, small)
        data = measure_data_term(network, objective, batch, variables, small)
        scalar = weight_variable(objective, batch, small, factors, (network, setup.loss))
        traced = _differs(setup, small)
    lags = any(f.is_unfelt for f in factors) and lags_behind(objective, batch, posteriors)
    return Case(
        setup=setup,
        evaluations=runs,
        variables=variables,
        posteriors=posteriors,
        factors=factors,
        data=data,
        scalar=scalar,
        lags=lags,
        traced_differs=traced,
    )


def _layers(network: Any, called: list[tuple[Any, Any]]) -> list[Any]:
    every = [*network._flatten_layers(), *(layer for layer, _ in called)]
    return list({id(layer): layer for layer in every}.values())


def _variables(layers: list[Any]) -> list[Any]:
    every = [v for layer in layers for v in layer.variables if v.dtype.is_floating]
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
