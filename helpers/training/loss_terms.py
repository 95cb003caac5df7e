"""The terms that a network adds to the loss: KLs in nats, and penalties, each with its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ..model.entry_units import EntryUnit, word_on_repeated
from ..model.loss_entries import LossEntry, loss_entries

Key = tuple[int, str, int]  # layer, part, and which of its posteriors


@dataclass(frozen=True)
class LossTerms:
    """What is made of the entries of ``losses``, in the order of the terms.

    Attributes
    ----------
    names
        Of each term: its layer's, with part and number against clashes.
    is_kl
        Whether it is a KL of weights, or a penalty.
    divisors
        Entry · divisor is the term: nats, or a penalty as it stands.
    weights
        Of each term in the loss, beside the mean negative log-likelihood.
    is_mean
        Whether a layer that adds the entry several times in one pass counts once, as a KL does.
    keys
        What the entries of each term are.
    cycles
        How many posteriors share the entries of a layer's part, one after the other.
    kl_weight
        The weight of the KL.
    """

    names: tuple[str, ...]
    is_kl: tuple[bool, ...]
    divisors: tuple[float, ...]
    weights: tuple[float, ...]
    is_mean: tuple[bool, ...]
    keys: tuple[Key, ...]
    cycles: Mapping[tuple[int, str], int]
    kl_weight: float

    def of(self, neural_net: tf_keras.Model) -> tf.Tensor:
        """Return the terms [terms], nats or penalties, from the ``losses`` of a call.

        Raises
        ------
        ValueError
            If the call added other entries than the first one.
        """
        entries = loss_entries(neural_net)
        found: dict[Key, list[tf.Tensor]] = {key: [] for key in self.keys}
        for entry, key in zip(entries, _keys(entries, self.cycles), strict=True):
            if key not in found:
                raise ValueError(
                    f"Layer {entry.layer.name} adds a loss ({entry.part}) while training that it "
                    "did not add when it was called first: add the same losses at every call."
                )
            found[key].append(_number(entry.value))
        if not all(found.values()):
            raise ValueError(
                "A layer added a loss when it was called first that it does not add while training."
            )
        parts = zip(found.values(), self.divisors, self.is_mean, strict=True)
        return tf.stack([_term(*part) for part in parts])

    def weighted(self, terms: tf.Tensor) -> tf.Tensor:
        """Return what the terms [terms] add to the loss."""
        if len(set(self.weights)) == 1:
            return self.weights[0] * tf.reduce_sum(terms)
        return tf.reduce_sum(tf.constant(self.weights, terms.dtype) * terms)


def _term(entries: list[tf.Tensor], divisor: float, is_mean: bool) -> tf.Tensor:
    total = entries[0] if len(entries) == 1 else tf.add_n(entries)
    factor = divisor / len(entries) if is_mean else divisor
    return total if factor == 1 else total * factor


def _keys(
    entries: Sequence[LossEntry | EntryUnit], cycles: Mapping[tuple[int, str], int]
) -> list[Key]:
    """Return to which term each entry belongs."""
    seen: dict[tuple[int, str], int] = {}
    keys = []
    for entry in entries:
        place = id(entry.layer), entry.part
        number = seen.get(place, 0)
        seen[place] = number + 1
        keys.append((*place, number % cycles.get(place, 1)))
    return keys


def loss_terms(units: list[EntryUnit], kl_weight: float) -> LossTerms:
    """Return the terms of the loss that the entries of ``losses`` stand for.

    A KL weighs ``kl_weight`` · nats, whatever the network divides it by; so does the penalty −log p
    of weights that are one number each, which is in nats too. A regulariser keeps the weight that
    it has under ``fit``: 1 beside the mean negative log-likelihood. (A network with penalties alone
    is trained to its MAP estimate, with a KL of 0.)

    Parameters
    ----------
    units
        Of each entry, from :func:`~helpers.model.entry_units.entry_units`.
    kl_weight
        Of the KL in nats.

    Raises
    ------
    ValueError
        If an entry is of a kind whose weight is not known, or two hold the same KL.
    """
    if repeated := word_on_repeated(units):
        raise ValueError(f"{repeated[0].upper()}{repeated[1:]}.")
    for unit in units:
        _check_known(unit)
    cycles = _cycles(units)
    keys = _keys(units, cycles)
    firsts = dict(zip(reversed(keys), reversed(units), strict=True))  # the first unit of each key
    keys = list(dict.fromkeys(keys))
    chosen = [firsts[key] for key in keys]
    is_kept = [unit.kind == "regulariser" for unit in chosen]
    return LossTerms(
        names=tuple(_names(chosen)),
        is_kl=tuple(unit.kind == "kl" for unit in chosen),
        divisors=tuple(1.0 if k else u.divisor for u, k in zip(chosen, is_kept, strict=True)),
        weights=tuple(1.0 if kept else kl_weight for kept in is_kept),
        is_mean=tuple(not kept for kept in is_kept),
        keys=tuple(keys),
        cycles=cycles,
        kl_weight=kl_weight,
    )


def _cycles(units: Sequence[EntryUnit]) -> dict[tuple[int, str], int]:
    """Return how many different posteriors the entries of each part of a layer are about."""
    posteriors: dict[tuple[int, str], set[Any]] = {}
    for unit in units:
        own = (
            tuple(id(v) for p in unit.posteriors for v in p.variables),
            tuple(p.part for p in unit.posteriors),
        )
        posteriors.setdefault((id(unit.layer), unit.part), set()).add(own)
    return {place: len(found) for place, found in posteriors.items()}


def _check_known(unit: EntryUnit) -> None:
    """Raise for an entry of which it is not known what it should weigh."""
    name = unit.layer.name
    if unit.kind == "unknown":
        raise ValueError(
            f"The entry of layer {name} in losses is neither a KL times a number nor a penalty of "
            f"Keras, so its weight in an ELBO is not known: {unit.problem}."
        )
    if unit.kind == "activation":
        raise ValueError(
            f"Layer {name} adds a KL of activations, one for each example, as in a variational "
            "autoencoder. This trains posteriors of weights: train such a network with compile and "
            "fit, or in a loop of your own."
        )
    if unit.variable is not None:
        raise ValueError(
            f"The KL of layer {name} is multiplied by the variable {unit.variable.name}, so that "
            "its weight would change unseen. Leave the factor out of the divergence, and pass "
            "kl_weight= (a warm-up: several calls, one after the other, with the same optimizer)."
        )
    if unit.per_row:
        raise ValueError(
            f"The KL of layer {name} is divided by the number of rows of the batch, which is right "
            "for no ELBO: leave the division out, or divide by the number of training examples."
        )
    if unit.kind in ("kl", "map") and not np.isfinite(unit.divisor):
        raise ValueError(
            f"The KL of layer {name} could not be measured: is it 0, or not finite, at the start?"
        )


def _names(units: Sequence[EntryUnit]) -> list[str]:
    """Name each term after its layer; part and number are added against clashes."""
    names = [unit.layer.name for unit in units]
    names = [
        name if names.count(name) == 1 else f"{name} {unit.part}"
        for name, unit in zip(names, units, strict=True)
    ]
    return [
        name if names.count(name) == 1 else f"{name} {names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]


def _number(entry: Any) -> tf.Tensor:
    """Return the sum of an entry, which Keras sums too."""
    entry = tf.convert_to_tensor(entry)
    return entry if entry.shape.rank == 0 else tf.reduce_sum(entry)
