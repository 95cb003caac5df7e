"""The entries of ``losses`` as columns in nats: the KL of each layer's weights, and the penalties.

Made once, on a first batch; then the columns are computed from the ``losses`` of any step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ..model.entry_units import (
    EntryUnit,
    closed_form,
    entry_units,
    word_on_bare,
    word_on_repeated,
)
from ..model.time_distributed import steps_at_once

tfd = tfp.distributions


@dataclass(frozen=True)
class Term:
    """The KL of some weights.

    Attributes
    ----------
    unit
        What its entry of ``losses`` is.
    places
        Where it stands in ``losses``: once for each call of the layer.
    """

    unit: EntryUnit
    places: tuple[int, ...]

    def nats(self, losses: list[tf.Tensor], rows: tf.Tensor, rows_before: int) -> tf.Tensor:
        """Return the KL in nats, a float64 scalar.

        Parameters
        ----------
        losses
            Of the step.
        rows, rows_before
            Of the step's batch, and of the one on which the entries were measured.
        """
        if self.unit.variable is not None:  # a warm-up: its value may be 0 just now
            pairs = [(p.make(), p.prior()) for p in self.unit.posteriors if p.make is not None]
            return tf.add_n([_double(tfd.kl_divergence(q, prior)) for q, prior in pairs])
        entries = [_double(losses[place]) for place in self.places]
        nats = tf.add_n(entries) * (self.unit.divisor / len(entries))
        return nats * tf.cast(rows, tf.float64) / rows_before if self.unit.per_row else nats


@dataclass(frozen=True)
class KLColumns:
    """Columns made of ``losses``.

    Attributes
    ----------
    terms
        By column, ``kl_<layer>``: the KLs that it is the sum of.
    penalties
        Where regularisers stand in ``losses``, and −log priors of weights that are one number.
    num_entries
        Length of ``losses``.
    rows
        Of the batch on which they were measured.
    problem
        Why the KL of the whole network is not known; empty if it is.
    """

    terms: dict[str, list[Term]]
    penalties: tuple[int, ...]
    num_entries: int
    rows: int
    problem: str = ""

    @property
    def names(self) -> list[str]:
        """The columns, in the order of :meth:`values`."""
        return [*self.terms, *(["penalty"] if self.penalties else [])]

    def values(self, losses: list[tf.Tensor], rows: tf.Tensor) -> list[tf.Tensor]:
        """Return the value of each column, float64 scalars: nats, or a penalty as it stands.

        Parameters
        ----------
        losses
            Of a step, ``num_entries`` of them.
        rows
            Of its batch.
        """
        found = [
            tf.add_n([term.nats(losses, rows, self.rows) for term in terms])
            for terms in self.terms.values()
        ]
        if self.penalties:
            found.append(tf.add_n([_double(losses[place]) for place in self.penalties]))
        return found


def kl_columns(network: Any, inputs: Any) -> KLColumns:
    """Return the columns of a network that was called before; it is left as it was.

    Parameters
    ----------
    network
        A ``tf_keras`` model.
    inputs
        Some rows, as tensors.
    """
    with steps_at_once(network):
        units = entry_units(network, inputs)
    terms: dict[str, list[Term]] = {}
    for layer, of_layer in _by_layer(units).items():
        places = _by_weights(of_layer)
        if places:
            terms[layer] = [Term(units[where[0]], where) for where in places]
    return KLColumns(
        terms,
        tuple(i for i, unit in enumerate(units) if unit.kind in ("regulariser", "map")),
        len(units),
        int(tf.nest.flatten(inputs)[0].shape[0]),
        _problem(network, inputs, units),
    )


def _by_layer(units: list[EntryUnit]) -> dict[str, list[tuple[int, EntryUnit]]]:
    """Return the entries of each layer under its column; equal names are counted."""
    layers = list({id(unit.layer): unit.layer for unit in units}.values())
    names = [layer.name for layer in layers]
    found = {}
    for index, layer in enumerate(layers):
        number = "" if names.count(layer.name) == 1 else f"_{names[: index + 1].count(layer.name)}"
        own = [(i, unit) for i, unit in enumerate(units) if unit.layer is layer]
        found[f"kl_{layer.name}{number}"] = own
    return found


def _by_weights(entries: list[tuple[int, EntryUnit]]) -> list[tuple[int, ...]]:
    """Return the places of the entries that are KLs, those about the same weights together."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, unit in entries:
        if unit.kind == "kl" and not _is_hidden(unit):
            weights = tuple((id(p.layer), p.part) for p in unit.posteriors)
            groups.setdefault(weights, []).append(place)
    return [tuple(places) for places in groups.values()]


def _problem(network: Any, inputs: Any, units: list[EntryUnit]) -> str:
    """Return why the entries do not tell the KL of the whole network."""
    if repeated := word_on_repeated(units):
        return repeated
    for unit in units:
        name = f"of {unit.layer.name} ({unit.part})"
        if unit.kind == "unknown":
            return f"the entry of losses {name} is not known to be a KL: {unit.problem}"
        if unit.kind == "activation":
            return f"the entry of losses {name} is a KL of activations, not of weights"
        if unit.kind == "kl" and unit.variable is None and not np.isfinite(unit.divisor):
            return f"the entry of losses {name} is 0 times its KL"
        if _is_hidden(unit):
            return f"the KL {name} has no closed form, and its weight is a variable"
    if bare := word_on_bare(network, inputs, units):
        return bare
    known = any(unit.posteriors for unit in units)
    return "" if known else "no layer adds the KL of its weights to losses"


def _is_hidden(unit: EntryUnit) -> bool:
    """Whether neither a formula nor the entry, of which a variable is a factor, tells the KL."""
    return unit.variable is not None and closed_form(unit.posteriors) is None


def _double(value: Any) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(value, tf.float64))
