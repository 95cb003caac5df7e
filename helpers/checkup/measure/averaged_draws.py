"""Several draws in one loss: whether the losses of the draws are averaged, or the draws before it.

The data term of an ELBO is the mean over the draws of −log p. So it is the mean of what it becomes
when every call of the network, or every row that one call has for an example, returns the outputs
of one and the same draw. Where the weights hardly differ from draw to draw, every average is the
same: the scales are made larger here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...model.small_scales import SmallScale, enlarged
from ...model.watch import Watch
from .batch import Batch
from .data_term import DataTerm
from .draws_in_rows import draws_in_rows
from .objective import Objective, evaluate
from .outputs_again import NotedCalls, are_same, calls_noted

Array = npt.NDArray[np.float64]
SCALE = 0.3  # of the weights, where draws differ enough to tell the two apart
NEAR = 1e-3  # of what the draws' losses differ by
ROUNDING = 2e-6  # of the data term
MOST = 100  # draws that are looked at one by one
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
        The posteriors, with tiny scales; they are larger afterwards.
    watch
        What happened in one evaluation.
    """
    called = _called_again(watch, small) if data.is_identified else None
    in_rows = called is None and data.is_identified
    if in_rows:
        called = _called_with_rows(watch, small, batch.size)
    if called is None:
        return data
    for one in small:
        enlarged(one, SCALE)
    with calls_noted(called) as noted:
        value = evaluate(objective, batch, factor=0.0, repeatable=True).value
    choices = _draws_in_rows(noted, batch.size) if in_rows else _draws_by_call(noted)
    if not 2 <= len(choices) <= MOST:
        return data
    try:
        values = np.array(_of_each_draw(choices, objective, batch))
    except Exception:  # noqa: BLE001 (a loop that needs gradients, or calls of other inputs)
        return data
    if _is_mean_of_losses(value, values):
        return data
    return replace(
        data, heads=tuple(replace(head, name=AVERAGED, role="misread") for head in data.heads)
    )


def _called_again(watch: Watch, small: list[SmallScale]) -> Any:
    """Return what is called several times on the same inputs and holds all that draws weights."""
    calls: dict[int, list[Any]] = {}
    for layer, arguments in watch.inputs:
        calls.setdefault(id(layer), []).append(arguments)
    drawing = {id(one.posterior.layer) for one in small}
    for layer, _ in watch.inputs:
        first, *others = calls[id(layer)]
        if not others or not drawing or not drawing <= {id(x) for x in layer._flatten_layers()}:
            continue
        if all(are_same(first, other) for other in others):  # else it is called for other rows
            return layer
    return None


def _called_with_rows(watch: Watch, small: list[SmallScale], rows: int) -> Any:
    """Return what is called once, for several draws of each row, and holds all that draws weights.

    The outputs must be tensors: a distribution is not taken apart.
    """
    drawing = {id(one.posterior.layer) for one in small}
    for (layer, arguments), (_, outputs) in zip(watch.inputs, watch.called, strict=True):
        holds_all = drawing and drawing <= {id(part) for part in layer._flatten_layers()}
        if holds_all and draws_in_rows(arguments, outputs, rows) is not None:
            return layer
    return None


def _draws_by_call(noted: NotedCalls) -> list[NotedCalls]:
    """Return the calls as they are where each returns the outputs of one of them [draws]."""
    return [
        NotedCalls(noted.network, [(arguments, outputs) for arguments, _ in noted.calls])
        for _, outputs in noted.calls
    ]


def _draws_in_rows(noted: NotedCalls, rows: int) -> list[NotedCalls]:
    """Return the one call as it is where all rows of an example are those of one draw [draws]."""
    if len(noted.calls) != 1:
        return []
    ((arguments, outputs),) = noted.calls
    found = draws_in_rows(arguments, outputs, rows)
    if found is None:
        return []
    made = [found.of_one(outputs, draw) for draw in range(found.draws)]
    return [NotedCalls(noted.network, [(arguments, one)]) for one in made]


def _of_each_draw(choices: list[NotedCalls], objective: Objective, batch: Batch) -> list[float]:
    """Return the data term under each draw alone [draws].

    A layer inside of a network must run, or ``losses`` holds what its last graph left there.
    """
    try:
        return [_given(it, objective, batch, running=False) for it in choices]
    except TypeError:
        return [_given(it, objective, batch, running=True) for it in choices]


def _given(calls: NotedCalls, objective: Objective, batch: Batch, *, running: bool) -> float:
    """Return the data term where the network returns what is noted."""
    with calls.given_again(running=running):
        return evaluate(objective, batch, factor=0.0, repeatable=True).value


def _is_mean_of_losses(value: float, values: Array) -> bool:
    """Whether the data term is the mean of those of its draws, of the first, the last or one alone.

    So it is as well where that cannot be told.

    Parameters
    ----------
    value
        Of all draws together.
    values
        Of each draw [draws].
    """
    rounding = ROUNDING * np.max(np.abs([value, *values]))
    if not np.all(np.isfinite([value, *values])) or np.ptp(values) * NEAR < rounding:
        return True
    counts = np.arange(1, len(values) + 1)
    first = values.cumsum() / counts  # beside calls for a metric, which come after or before them
    last = values[::-1].cumsum() / counts
    apart = np.abs(value - np.array([*first, *last, *values]))
    return bool(np.min(apart) <= NEAR * np.ptp(values) + rounding)
