"""The steps of an example that a mask keeps: on average over all rows, not those of a batch."""

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from ...model.inputs import as_tensors
from ...model.likelihood import flatten_heads
from .data_term import DataTerm, HeadTerm

ROWS = 256  # of a call
MOST_ROWS = 20_000  # of which the mask is looked at


def over_all_steps(data: DataTerm, network: Any, batch_inputs: Any, inputs: Any) -> DataTerm:
    """Return a mean over the steps that a mask keeps with their number in all rows.

    Parameters
    ----------
    data
        As measured on the rows of the batch.
    network
        Whose outputs carry the mask.
    batch_inputs, inputs
        Of the batch, and all that there are; ``None`` if these are not at hand.
    """
    if inputs is None or not data.is_identified or len(data.heads) != 1 or data.averaged_over == 1:
        return data
    try:
        here = _kept(network, [batch_inputs])
        if here is None:
            return data
        everywhere = _kept(network, _pieces(inputs))
    except Exception:  # noqa: BLE001 (a network that does not take its inputs by itself)
        return data
    if not everywhere:
        return data
    more = everywhere / here
    return replace(data, heads=tuple(_with_steps(head, more) for head in data.heads))


def _with_steps(head: HeadTerm, more: float) -> HeadTerm:
    """Return a mean over the predictions of an example that has so many times as many."""
    return replace(head, predictions=head.predictions * more, slope=head.slope / more)


def _pieces(inputs: Any) -> list[Any]:
    """Return all inputs in pieces of some rows, evenly spaced ones of very many."""
    rows = len(tf.nest.flatten(inputs)[0])
    places = np.unique(np.linspace(0, rows - 1, min(rows, MOST_ROWS)).astype(int))
    parts = np.array_split(places, max(1, len(places) // ROWS))
    return [
        as_tensors(tf.nest.map_structure(lambda leaf, p=part: np.asarray(leaf)[p], inputs))
        for part in parts
    ]


def _kept(network: Any, pieces: list[Any]) -> float | None:
    """Return the share of the steps that the mask of the outputs keeps, None without a mask."""
    kept, count = 0.0, 0
    for piece in pieces:
        (output,) = flatten_heads(network(piece))
        mask = getattr(output, "_keras_mask", None)
        if mask is None:
            return None
        kept += float(tf.reduce_sum(tf.cast(mask, tf.float32)))
        count += int(tf.size(mask))
    return kept / count if count else None
