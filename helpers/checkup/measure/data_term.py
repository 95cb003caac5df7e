"""The data term: mean or sum over the batch, and which likelihood it is."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...model.untouched import use_seed
from .batch import Batch
from .known_losses import KNOWN_LOSSES
from .objective import Objective, evaluate

Array = npt.NDArray[np.float64]
ROLLS = (0, 1, 2, 5)


@dataclass(frozen=True)
class DataTerm:
    """What the objective holds beside the KL.

    Attributes
    ----------
    growth
        By what factor it grows when every row of the batch is given twice: 1 for a mean, 2 for a
        sum, NaN if it could not be told.
    name
        The likelihood or loss that it equals, up to ``slope`` and ``intercept``; "" if unknown.
    slope, intercept
        The data term is slope · (mean of that loss over the batch) + intercept.
    """

    growth: float
    name: str = ""
    slope: float = float("nan")
    intercept: float = float("nan")

    @property
    def is_sum(self) -> bool:
        """Whether it is a sum over the batch."""
        return bool(self.growth > 1.5)

    @property
    def is_identified(self) -> bool:
        """Whether it equals a loss of the list that has no free factor, as an error has."""
        return self.name not in ("", "squared error", "absolute error")

    @property
    def holds_constant(self) -> bool:
        """Whether a constant stands beside a likelihood that is known exactly."""
        return self.is_identified and abs(self.intercept) > 1e-3


def measure_data_term(network: Any, objective: Objective, batch: Batch) -> DataTerm:
    """Evaluate the objective without ``losses``, on several pairings of inputs and targets."""
    if objective.kind == "losses":
        return DataTerm(float("nan"))
    if batch.targets is None or batch.size < 3:
        single, double = (_value(objective, b) for b in (batch, batch.twice()))
        return DataTerm(double / single if single else float("nan"))
    pairings = [batch.with_rolled_targets(steps) for steps in ROLLS]
    again = _value(objective, batch)
    values = np.array([_value(objective, pairing) for pairing in pairings])
    if abs(values[0] - again) > 1e-6 * abs(again):  # dropout, say
        return _under_noise(network, objective, pairings)
    growth = _growth(objective, pairings, values)
    return _identified(network, pairings, values, growth)


def _under_noise(network: Any, objective: Objective, pairings: list[Batch]) -> DataTerm:
    """Draw the same numbers for the objective and for the outputs that it is compared with.

    Another batch draws other numbers, so the two batches are compared by their slopes.
    """
    terms = []
    for batches in (pairings, [batch.twice() for batch in pairings]):
        values = np.array([_value(objective, batch, repeatable=True) for batch in batches])
        terms.append(_identified(network, batches, values, float("nan")))
    single, double = terms
    if not single.name or single.name != double.name:
        return dataclasses.replace(single, growth=float("nan"))
    return dataclasses.replace(single, growth=2.0 if double.slope > 1.5 * single.slope else 1.0)


def _value(objective: Objective, batch: Batch, *, repeatable: bool = False) -> float:
    try:
        return evaluate(objective, batch, factor=0.0, repeatable=repeatable).value
    except Exception:  # noqa: BLE001 (an objective made for one batch size, or for its own data)
        return float("nan")


def _growth(objective: Objective, pairings: list[Batch], values: Array) -> float:
    """Return how the part that depends on the targets grows with the batch."""
    change = values - values[0]
    if not np.any(np.isfinite(change)):
        return float("nan")
    other = int(np.nanargmax(np.abs(change)))
    if abs(change[other]) <= 1e-6 * (abs(values[0]) + 1e-6):
        doubled = _value(objective, pairings[0].twice())
        return doubled / float(values[0]) if values[0] else float("nan")
    doubled = _value(objective, pairings[other].twice()) - _value(objective, pairings[0].twice())
    return float(doubled / change[other])


def _identified(network: Any, pairings: list[Batch], values: Array, growth: float) -> DataTerm:
    """Compare the data term with the usual losses of the network's outputs."""
    use_seed(1, repeatable=True)
    outputs = network(pairings[0].inputs, training=True)
    fits = []
    for name, loss in KNOWN_LOSSES:
        try:
            known = np.array([loss(p.targets, outputs) for p in pairings], float)
        except Exception:  # noqa: BLE001 (a loss for other shapes)
            continue
        for through_origin in (True, False):
            slope, intercept, misfit = _line(known, values, through_origin)
            plausible = through_origin or _is_plain(slope, pairings[0].size) or "error" in name
            if plausible and misfit < 1e-3:
                fits.append((not through_origin, misfit, DataTerm(growth, name, slope, intercept)))
    return min(fits, key=lambda fit: fit[:2])[2] if fits else DataTerm(growth)


def _is_plain(slope: float, rows: int) -> bool:
    """Whether a factor is that of a mean or of a sum."""
    return abs(slope - 1) < 0.01 or abs(slope / rows - 1) < 0.01


def _line(known: Array, values: Array, through_origin: bool) -> tuple[float, float, float]:
    """Fit values = slope · known (+ intercept); the misfit is relative to the spread."""
    fine = np.all(np.isfinite(known)) and np.all(np.isfinite(values)) and np.ptp(known) > 1e-6
    if not fine:
        return 0.0, 0.0, np.inf
    if through_origin:
        slope, intercept = float(known @ values / (known @ known)), 0.0
    else:
        slope, intercept = (float(x) for x in np.polyfit(known, values, 1))
    misfit = np.max(np.abs(slope * known + intercept - values)) / max(np.ptp(values), 1e-12)
    return slope, intercept, float(misfit)
