"""What is examined, and all that one check-up has measured, for the checks to read."""

from dataclasses import dataclass
from typing import Any

from .batch import Batch
from .data_term import DataTerm
from .kl_weight import KLWeight
from .objective import Evaluation, Objective
from .posteriors import Posterior


@dataclass(frozen=True)
class Patient:
    """A network under examination.

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
    """

    network: Any
    batch: Batch
    loss: Any
    objective: Objective
    num_examples: int
    assumed: bool
    batch_size: int | None
    num_inputs: int


@dataclass(frozen=True)
class Case:
    """What was measured on a patient.

    Attributes
    ----------
    patient
        The network and what is minimised.
    evaluations
        Two evaluations of the objective at the network's own variables, with different random
        draws; the first with its gradients by ``variables``.
    variables
        Every floating variable of the layers that were called.
    posteriors, weights, data
        Posteriors of the weights, the factors of their KLs, and the data term.
    scalar
        The variable that the KL is multiplied by, if there is one.
    lags
        Whether the objective feels a change of the scales only at the next evaluation.
    traced_differs
        Whether the step that ``fit`` compiled weighs the KL differently from the code of today.
    """

    patient: Patient
    evaluations: list[Evaluation]
    variables: list[Any]
    posteriors: list[Posterior]
    weights: list[KLWeight]
    data: DataTerm
    scalar: Any = None
    lags: bool = False
    traced_differs: bool = False

    @property
    def network(self) -> Any:
        """The reader's network."""
        return self.patient.network

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return self.patient.objective

    @property
    def batch(self) -> Batch:
        """Where it was evaluated."""
        return self.patient.batch

    def gradient(self, variable: Any) -> Any:
        """Return the objective's gradient by a variable, None if there is no path."""
        for known, gradient in zip(self.variables, self.evaluations[0].gradients, strict=True):
            if known is variable:
                return gradient
        return None

    @property
    def bayesian_layers(self) -> list[Any]:
        """The layers with a posterior that has a spread, each once."""
        found = {id(p.layer): p.layer for p in self.posteriors if p.is_random}
        return list(found.values())
