"""Posteriors of layers that keep no distributions: found by their draws, weighed by their entries.

Their scales may have a floor, or be clipped, so that they never are tiny. What an entry of
``losses`` holds is then told as for the table of losses.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from ...model.entry_units import EntryUnit, entry_units
from ...model.layer_calls import LayerCall
from ...model.measured_scales import MeasuredPosterior, all_posteriors, has_own_variables
from ...model.reachable import reachable
from ...model.watch import Added, Watch
from ...model.weight_posteriors import Posterior, has_fixed_scale
from .kl_factor import KLFactor
from .weight_variable import WeightVariable


def posteriors_of(network: Any, layers: list[Any], watch: Watch) -> list[Posterior]:
    """Return the posteriors of some layers, in the order of these.

    Parameters
    ----------
    network
        Through which random generators of its layers are found.
    layers
        Of the network, or called by its loss.
    watch
        What they were called with.
    """
    generators = [x for x in reachable(network) if isinstance(x, tf.random.Generator)]
    calls = {
        id(layer): LayerCall.of(layer, arguments, options, generators)
        for layer, (arguments, options) in reversed(watch.inputs)
        if has_own_variables(layer)
    }
    place = {id(layer): index for index, layer in enumerate(layers)}
    found = all_posteriors(layers, calls.values())
    return sorted(found, key=lambda posterior: place.get(id(posterior.layer), len(place)))


def units_beside(posteriors: list[Posterior], network: Any, inputs: Any) -> list[EntryUnit]:
    """Return what the entries of ``losses`` are, where slopes along log σ do not tell."""
    if not any(_is_told_by_entries(posterior) for posterior in posteriors):
        return []
    return units_of(network, inputs)


def units_of(network: Any, inputs: Any) -> list[EntryUnit]:
    """Return what the entries of ``losses`` are; nothing if that is not the same at each call."""
    try:
        return entry_units(network, inputs)
    except RuntimeError:  # it adds another number of losses at each call
        return []


def by_entries(
    factors: list[KLFactor], units: list[EntryUnit], added: list[Added]
) -> list[KLFactor]:
    """Return the factors, those of measured posteriors as their entries in ``losses`` tell them.

    A factor that is another number in each evaluation stays as it was measured. One whose entry is
    not known to be a KL is not known either.

    Parameters
    ----------
    factors
        Of all posteriors.
    units
        What the entries are, from :func:`units_beside`.
    added
        What layers put into ``losses`` in an evaluation of the objective.
    """
    measured = [_is_told_by_entries(f.posterior) or is_unknown(f) for f in factors]
    pairs = zip(factors, measured, strict=True)
    return [_by_entries(f, units, added) if is_measured else f for f, is_measured in pairs]


def is_unknown(factor: KLFactor) -> bool:
    """Whether no slope along log σ was found, as where the weights are exp of a Gaussian."""
    return not np.isfinite(factor.value) and factor.posterior.make is not None


def _is_told_by_entries(posterior: Posterior) -> bool:
    """Whether a posterior was found by its draws, or has a scale that is a constant."""
    if isinstance(posterior, MeasuredPosterior):
        return True
    return posterior.is_random and posterior.make is not None and has_fixed_scale(posterior)


def _by_entries(factor: KLFactor, units: list[EntryUnit], added: list[Added]) -> KLFactor:
    of_layer = [unit for unit in units if unit.layer is factor.posterior.layer]
    own = [item.value for item in added if item.layer is factor.posterior.layer]
    is_zero = not any(float(tf.reduce_sum(value)) for value in own)  # a weight of 0 is known
    unknown = replace(factor, value=float("nan"), higher=float("nan"))
    if factor.by_call or factor.elsewhere:
        return factor
    if len(of_layer) != len(factor.shares):  # it adds something else when it trains
        is_felt = any(factor.shares) and not is_zero
        return unknown if is_felt and not factor.in_entries else factor
    about = [
        (share, unit)
        for share, unit in zip(factor.shares, of_layer, strict=True)
        if any(_is_same(p, factor.posterior) for p in unit.posteriors)
    ]
    if not about:
        if factor.in_entries and any(unit.kind == "unknown" for unit in of_layer):
            return unknown  # its slope in σ is that of a KL, and more is not known
        is_clear = is_zero or bool(factor.in_entries) or not any(factor.shares)
        return factor if is_clear or _are_penalties(of_layer) else unknown
    if any(unit.kind != "kl" for _, unit in about):
        return factor if is_zero else unknown
    in_entries = float(sum(share * unit.factor for share, unit in about))
    # What comes by other ways is felt through the same scales, so that it is the same multiple.
    value = in_entries * (factor.value / factor.in_entries if factor.in_entries else 1.0)
    growth = 0.5 if all(unit.per_row for _, unit in about) else 1.0
    return replace(
        factor,
        value=value,
        value_twice=growth * value,
        error=0.0,
        higher=value,
        error_higher=0.0,
        in_entries=in_entries,
    )


def _is_same(one: Posterior, other: Posterior) -> bool:
    """Whether two are the posterior of the same weights, found in two looks at the network."""
    return one.variables[0] is other.variables[0] and one.part == other.part


def _are_penalties(units: list[EntryUnit]) -> bool:
    return all(unit.kind == "regulariser" for unit in units)


def rescaled(
    found: dict[int, WeightVariable], before: list[KLFactor], after: list[KLFactor]
) -> dict[int, WeightVariable]:
    """Return the variables of weights, their slopes as the factors are now."""
    ratios = {
        id(one.posterior): other.value / one.value if one.value else float("nan")
        for one, other in zip(before, after, strict=True)
    }
    return {
        key: replace(variable, slope=variable.slope * ratios.get(key, 1.0))
        for key, variable in found.items()
    }
