"""Several draws in one loss: whether the losses of the draws are averaged, or the draws before it.

The data term of an ELBO is the mean over the draws of −log p, a sum with one term for each draw.
So what another draw in one place changes does not depend on which draws stand in the other places.
Where the weights hardly differ from draw to draw, nothing changes anything: the scales are made
larger here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...model.small_scales import SmallScale, enlarged
from ...model.watch import Watch
from .batch import Batch
from .data_term import DataTerm
from .draw_slots import CallSlots, DrawSlots, RowSlots
from .draws_in_rows import draws_in_rows
from .draws_of_layers import draws_of_layers
from .objective import Objective, evaluate
from .outputs_again import are_same, calls_noted

SCALES = (0.03, 0.1, 0.3)  # of the weights; draws must differ enough, and no loss be infinite
NEAR = 1e-3  # of what another draw in one place changes
ROUNDING = 2e-6  # of the data term
AVERAGED = "a loss of several draws that are averaged before it"


def with_averaged_draws(
    data: DataTerm, objective: Objective, batch: Batch, small: list[SmallScale], watch: Watch
) -> DataTerm:
    """Return what is known of a data term; no likelihood if it takes the loss of averaged draws.

    Parameters
    ----------
    data
        What was found out where the scales are tiny.
    objective, batch
        What is minimised, and on what.
    small
        The posteriors, with tiny scales; they may be larger afterwards.
    watch
        What happened in one evaluation.
    """
    if not data.is_identified or not small:
        return data
    drawing = {id(one.posterior.layer) for one in small}
    network = _called_for_draws(watch, drawing, batch.size)
    if network is None and draws_of_layers(watch, drawing, batch.size) is None:
        return data
    for scale in SCALES:
        small = [enlarged(one, scale) for one in small]
        slots = _noted_slots(network, objective, batch, watch, drawing)
        if slots is None:
            return data
        if (is_sum := _is_sum_over_draws(slots, objective, batch)) is None:
            continue
        if is_sum:
            return data
        heads = [replace(head, name=AVERAGED, role="misread") for head in data.heads]
        return replace(data, heads=tuple(heads))
    return data


def _called_for_draws(watch: Watch, drawing: set[int], rows: int) -> Any:
    """Return what holds all that draws weights and is called for several draws; None if nothing.

    What is called several times on the same inputs comes before what is called once, on repeated
    rows.
    """
    holders = [
        (layer, arguments, outputs)
        for (layer, arguments), (_, outputs) in zip(watch.inputs, watch.called, strict=True)
        if drawing <= {id(part) for part in layer._flatten_layers()}
    ]
    again = _called_again(holders, watch)
    return _called_with_rows(holders, rows) if again is None else again


def _noted_slots(
    network: Any, objective: Objective, batch: Batch, watch: Watch, drawing: set[int]
) -> DrawSlots | None:
    """Return the places of the draws, and what stands in them now; None if there are no several.

    Parameters
    ----------
    network
        What is called for several draws; ``None`` if the layers inside of it are.
    objective, batch, watch
        What is minimised, on what, and what happened in one evaluation of it.
    drawing
        The ``id`` of the layers that draw weights.
    """
    if network is not None:
        with calls_noted(network) as noted:
            evaluate(objective, batch, factor=0.0, repeatable=True)
        places = _of_same_inputs([arguments for arguments, _ in noted.calls])
        if len(places) > 1:
            return CallSlots(noted, places)
        ((arguments, outputs),) = noted.calls
        found = draws_in_rows(arguments, outputs, batch.size)
        return None if found is None else RowSlots(noted, found)
    layers = draws_of_layers(watch, drawing, batch.size)
    if layers is not None:
        with layers.noting():
            evaluate(objective, batch, factor=0.0, repeatable=True)
    return layers


def _called_again(holders: list[tuple[Any, Any, Any]], watch: Watch) -> Any:
    """Return what holds all that draws weights and is called several times on the same inputs.

    What is called by another layer must get them in all its calls: steps of a sequence may be
    alike by chance.
    """
    outermost = {id(layer) for layer, _ in watch.outermost}
    calls: dict[int, list[Any]] = {}
    for layer, arguments, _ in holders:
        calls.setdefault(id(layer), []).append(arguments)
    for layer, _, _ in holders:
        own = calls[id(layer)]
        same = len(_of_same_inputs(own))
        if same == len(own) > 1 or (same > 1 and id(layer) in outermost):
            return layer
    return None


def _of_same_inputs(calls: list[Any]) -> list[int]:
    """Return the places of the calls that have the inputs that most calls have."""
    groups = [[i for i, other in enumerate(calls) if are_same(one, other)] for one in calls]
    return max(groups, key=len)


def _called_with_rows(holders: list[tuple[Any, Any, Any]], rows: int) -> Any:
    """Return what holds all that draws weights and is called for several draws of each row.

    Its outputs must be tensors: a distribution is not taken apart.
    """
    for layer, arguments, outputs in holders:
        if draws_in_rows(arguments, outputs, rows) is not None:
            return layer
    return None


def _is_sum_over_draws(slots: DrawSlots, objective: Objective, batch: Batch) -> bool | None:
    """Whether the data term is a sum with one term for each draw; None if that cannot be told.

    The draws are parted into two halves, in two ways, and each half is filled with the first draw
    or with the second.
    """
    every = range(slots.count)
    values = {number: _value([number] * slots.count, slots, objective, batch) for number in (0, 1)}
    if None in values.values():
        return None
    told = None
    for half in (
        [place % 2 for place in every],
        [int(2 * place >= slots.count) for place in every],
    ):
        mixed = [_value(half, slots, objective, batch)]
        mixed.append(_value([1 - number for number in half], slots, objective, batch))
        found = _adds_up([values[0], values[1]], mixed)
        if found is False:
            return False
        told = told or found
    return told


def _adds_up(alike: list[float | None], mixed: list[float | None]) -> bool | None:
    """Whether values where all draws are alike add up to those where the halves differ.

    None if rounding hides it, or one of them is not finite.
    """
    values = np.array([*alike, *mixed], float)
    if not np.all(np.isfinite(values)):
        return None
    rounding = ROUNDING * np.max(np.abs(values))
    change = np.ptp(values)
    if change * NEAR < rounding:
        return None
    return bool(abs(values[0] + values[1] - values[2] - values[3]) <= NEAR * change + rounding)


def _value(
    contents: Sequence[int], slots: DrawSlots, objective: Objective, batch: Batch
) -> float | None:
    """Return the data term where the draws are those of these numbers; None if it cannot run so.

    A layer inside of a network must run, or ``losses`` holds what its last graph left there.
    """
    for running in (False, True):
        try:
            with slots.filled(contents, running=running):
                return evaluate(objective, batch, factor=0.0, repeatable=True).value
        except Exception:  # noqa: BLE001 (a loop that needs gradients, or calls of other inputs)
            continue
    return None
