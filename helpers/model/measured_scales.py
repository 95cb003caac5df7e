"""Finding the scale variables of a reader's own layer by what they do, whatever they are called.

A variable is a scale if the layer's draws shrink with it: what two draws of the outputs differ by
goes down as softplus, exp, the square root of exp, the variable itself or its square root does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .layer_calls import LayerCall, layer_calls
from .reachable import reachable
from .untouched import snapshot, untouched
from .weight_posteriors import Posterior, find_posteriors, held_distributions, is_floating

Array = npt.NDArray[np.float64]

NONE = -40.0  # a value of the variable at which there is no σ, or none above a floor
# Two values, and a third from which both are counted. σ is so small that activations are straight
# lines: 1e-4 and 2e-5 of softplus and exp. Where a floor, or a factor of σ, hides what is so small,
# 7e-3 and 9e-4, then .05 and 7e-3; the last are counted from 9e-4, where a maximum was taken.
DEPTHS = ((-9.0, -11.0, NONE), (-5.0, -7.0, NONE), (-3.0, -5.0, NONE), (-3.0, -5.0, -7.0))
DIRECT, LESS = 4e-4, 1e-4
EXPONENTS = (1.0, 0.5)  # of σ in exp(ρ), or in the variable itself: σ or σ²
FLAT = 1e-3  # of what draws differ by: a variable that changes less of it is no scale
SMALL = 0.01  # times inputs under which an activation saturates, which hides draws
CLOSE = 0.05  # relative, between a ratio of spreads and that of a known function


@dataclass(frozen=True, eq=False)
class MeasuredPosterior(Posterior):
    """The posterior of weights of which only the variable of the scale is known.

    Attributes
    ----------
    is_direct
        Whether σ is the variable itself to the power in ``exponents``, and not of its exponential.
    means
        Variables of its shape, one of which may hold the means.
    """

    is_direct: bool = False
    means: tuple[Any, ...] = ()

    def entropy_gradients(self) -> tuple[float, list[Any]]:
        """Return the mean of log σ over the weights, and the entropy's gradient by variable."""
        if not self.is_direct:
            return super().entropy_gradients()
        [(variable, power)] = self.exponents
        value = variable.numpy().astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(power * np.mean(np.log(value))), [power / value]


def all_posteriors(layers: list[Any], calls: Iterable[LayerCall]) -> list[Posterior]:
    """Return the posteriors that layers hold, and those measured on the calls of other layers.

    A layer that makes its distributions anew in each call holds none: their scales are tensors that
    no variable moves any more.

    Parameters
    ----------
    layers
        Whose distributions are looked for.
    calls
        Of those among them that may draw weights of their own.
    """
    calls = list(calls)
    anew = {id(call.layer) for call in calls if _makes_anew(call)}
    held = [posterior for posterior in find_posteriors(layers) if id(posterior.layer) not in anew]
    known = {id(posterior.layer) for posterior in held}
    others = [call for call in calls if id(call.layer) not in known]
    return held + [p for call in others for p in measured_posteriors(call)]


def _makes_anew(call: LayerCall) -> bool:
    """Whether a layer keeps other distributions as attributes after each call."""
    before = held_distributions(call.layer)
    if not before:
        return False
    call.outputs(seed=1)
    after = held_distributions(call.layer)
    return any(after.get(name) is not one for name, one in before.items())


def posteriors_of_network(network: Any, inputs: Any) -> list[Posterior]:
    """Return all posteriors of a network, which is left as it was.

    Parameters
    ----------
    network
        A ``tf_keras`` model or layer that was called before.
    inputs
        A few examples, as tensors.
    """
    layers = list({id(x): x for x in network._flatten_layers()}.values())
    own = [layer for layer in layers if has_own_variables(layer)]
    if not own:
        return find_posteriors(layers)
    generators = [x for x in reachable(network) if isinstance(x, tf.random.Generator)]
    with untouched(network):
        calls = layer_calls(own, lambda: network(inputs), generators)
        return all_posteriors(layers, calls.values())


def has_own_variables(layer: Any) -> bool:
    """Whether a layer is of a reader's own class, and has variables beside those of its parts."""
    module = type(layer).__module__
    of_library = module.startswith(("tensorflow_probability", "tf_keras", "keras", "tensorflow"))
    return not of_library and bool(_own_variables(layer))


def _own_variables(layer: Any) -> list[Any]:
    """Return the floating variables of a layer that belong to no layer inside it."""
    inside = [x for x in layer._flatten_layers() if x is not layer]
    theirs = {id(v) for x in inside for v in x.variables}
    return [v for v in layer.variables if is_floating(v) and id(v) not in theirs]


def measured_posteriors(call: LayerCall) -> list[MeasuredPosterior]:
    """Return a posterior for each variable that is the scale of a layer's draws.

    Only variables of the shape of another one, which may hold the means, are taken: of others it is
    not known for how many weights they stand.

    Parameters
    ----------
    call
        Repeats a call of the layer.
    """
    drawing = call.drawing()
    if drawing is None:
        return []
    return _measured(drawing) or _measured(drawing.with_inputs_times(SMALL))


def _measured(call: LayerCall) -> list[MeasuredPosterior]:
    """Return a posterior for each variable that is the scale of the draws of a call."""
    variables = _own_variables(call.layer)
    before = call.difference()
    found = []
    for shape in {tuple(v.shape) for v in variables}:
        same = [v for v in variables if tuple(v.shape) == shape]
        made = _made(same, call, before)
        scales = _scales_of(same, made)
        means = tuple(v for v in same if all(v is not scale for scale in scales))
        for variable in scales if means else []:
            scale = made[id(variable)]
            name = variable.name.split("/")[-1].split(":")[0]
            exponents = ((variable, scale.exponent),)
            found.append(
                MeasuredPosterior(
                    call.layer, name, None, _no_prior, [variable], exponents, scale.is_direct, means
                )
            )
    return found


class _Scale(NamedTuple):
    """How σ follows a variable: its exponential, or itself, to a power; and by how much."""

    exponent: float
    is_direct: bool
    response: float = 0.0


def _scales_of(same: list[Any], made: dict[int, _Scale]) -> list[Any]:
    """Return the scales among variables of one shape.

    Under an activation a mean moves what draws differ by as well, in proportion to itself, as a
    direct scale does, but less: of such variables the half that moves it most are scales.
    """
    told = [v for v in same if id(v) in made]
    exponential = [v for v in told if not made[id(v)].is_direct]
    if exponential:
        return exponential
    ranked = sorted(told, key=lambda v: -made[id(v)].response)
    return ranked[: max(1, len(same) // 2)]


def _made(same: list[Any], call: LayerCall, before: Array) -> dict[int, _Scale]:
    """Return how the draws follow each scale among variables of one shape, by its ``id``.

    Larger values are tried only where small ones tell none: under an activation that saturates, a
    mean looks like a scale there.
    """
    for depths in (DEPTHS[:1], DEPTHS[1:], ()):
        told = {id(v): _told(v, call, before, depths) for v in same}
        if made := {key: scale for key, scale in told.items() if scale is not None}:
            return made
    return {}


def _told(
    variable: Any, call: LayerCall, before: Array, triples: tuple[tuple[float, float, float], ...]
) -> _Scale | None:
    """Return how the draws follow a variable; ``None`` if it is no scale.

    Parameters
    ----------
    variable, call, before
        What may be a scale, a call of its layer, and what draws differ by as it stands.
    triples
        Of ``DEPTHS``, for σ exponential in the variable; none for σ, or σ², that is the variable.
    """
    put_back = snapshot([variable])

    @functools.cache
    def difference(value: float) -> Array:
        """Return what outputs at two seeds differ by when the whole variable has one value."""
        variable.assign(tf.fill(variable.shape, tf.cast(value, variable.dtype)))
        return call.difference()

    try:
        at_none = difference(NONE)
        if not _is_change(at_none, before):
            return None
        for depths in triples:
            one, other, base = map(difference, depths)
            ratio = _ratio(one - base, other - base)
            for exponent in EXPONENTS:
                of_one, of_other, of_base = np.exp(exponent * np.array(depths))
                if abs(ratio * (of_other - of_base) / (of_one - of_base) - 1) < CLOSE:
                    return _Scale(exponent, is_direct=False)
        if triples:
            return None
        at_zero = difference(0.0)
        at_more = difference(DIRECT) - at_zero
        ratio = _ratio(at_more, difference(LESS) - at_zero)
        for power in EXPONENTS:
            if abs(ratio / (DIRECT / LESS) ** power - 1) < CLOSE:
                return _Scale(power, is_direct=True, response=float(np.linalg.norm(at_more)))
    finally:
        put_back()
    return None


def _no_prior() -> None:
    return None


def _is_change(one: Array, other: Array) -> bool:
    if one.shape != other.shape or not np.all(np.isfinite(one)):
        return one.shape == other.shape
    return bool(np.linalg.norm(one - other) > FLAT * np.linalg.norm(other))


def _ratio(one: Array, other: Array) -> float:
    below = float(np.linalg.norm(other))
    return float(np.linalg.norm(one)) / below if below > 0 else float("nan")
