"""Latent codes, as in an autoencoder: distributions of which a draw is used, and what holds them.

A draw that is used is a path from the objective to the parameters of its distribution. If no path
is left once draws are taken for constants, nothing but the draws is felt: no KL, no entropy.
"""

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tf_keras.src.engine import base_layer

from ...model.watch import Watch, with_subclasses
from ...model.weight_posteriors import unwrap
from .case import Case
from .final_outputs import outputs_beside_targets
from .objective import evaluate

tfd = tfp.distributions


class Held(enum.Enum):
    """What keeps a code near its prior."""

    NOT = "nothing"
    SOMEHOW = "something that depends on its distribution, not on draws alone"


@dataclass(frozen=True, kw_only=True)
class Code:
    """The distribution that one layer puts out, of which a draw is used.

    Attributes
    ----------
    name
        Of the layer.
    held
        What keeps it near its prior.
    weight
        How much the mean over the batch of its KL from N(0, 1) weighs in the objective, if a KL in
        closed form from that prior is what is felt; NaN if not.
    idle
        Names of layers that would add its KL, but are never called.
    """

    name: str
    held: Held
    weight: float
    idle: tuple[str, ...]


class _Drawn(NamedTuple):
    """A distribution from which something was drawn, and the layer that was being called."""

    layer: Any
    distribution: Any


def latent_codes(case: Case) -> list[Code]:
    """Return the codes of a network, each with what holds it."""
    found: list[Code] = case.once("latent_codes", lambda: _found(case))
    return found


def _found(case: Case) -> list[Code]:
    drawn, slopes = _slopes(case, constant=False)
    if not drawn:
        return []
    again, held = _slopes(case, constant=True)
    if len(again) != len(drawn):
        return []
    found: dict[int, Code] = {}
    for item, slope, other in zip(again, slopes, held, strict=True):
        if id(item.distribution) in found or _same(_joined(slope), _joined(other)):
            continue  # noted already, or no draw of it is used
        total = _joined(other)
        free = total is None or not np.any(total)
        found[id(item.distribution)] = Code(
            name=str(item.layer.name),
            held=Held.NOT if free else Held.SOMEHOW,
            weight=float("nan") if free else _weight(item.distribution, other, case.batch.size),
            idle=tuple(_idle(case)) if free else (),
        )
    return list({code.name: code for code in found.values()}.values())


def _weight(distribution: Any, slopes: list[Any], rows: int) -> float:
    """Return c if the gradient is that of c times the mean KL of a Gaussian from N(0, 1), else NaN.

    The gradient of such a KL is c μ by the means and c (σ - 1/σ) by the standard deviations.
    """
    known = [
        (np.asarray(tensor, float), np.asarray(slope, float))
        for tensor, slope in zip(_tensors(distribution), slopes, strict=True)
        if slope is not None
    ]
    mean, sigma = (np.asarray(x, float) for x in (distribution.mean(), distribution.stddev()))
    factors = []
    for tensor, slope in known:
        for value, wanted in ((mean, mean), (sigma, sigma - 1 / sigma)):
            if tensor.shape == value.shape and np.allclose(tensor, value, rtol=1e-6):
                factor = float((slope * wanted).sum() / (wanted**2).sum())
                misfit = np.abs(slope - factor * wanted).max()
                factors.append(factor if misfit < 1e-3 * np.abs(slope).max() else float("nan"))
    if len(factors) != 2 or not np.isclose(factors[0], factors[1], rtol=1e-2):
        return float("nan")
    return float(np.mean(factors)) * rows


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=1e-4, atol=1e-7 * np.max(np.abs(one))))


def _idle(case: Case) -> Iterator[str]:
    """Yield the names of the layers that add a KL of outputs, but are never called."""
    called = {id(layer) for layer, _ in case.called}
    for layer in case.network._flatten_layers():
        if isinstance(layer, tfp.layers.KLDivergenceAddLoss) and id(layer) not in called:
            yield layer.name


def _slopes(case: Case, *, constant: bool) -> tuple[list[_Drawn], list[list[Any]]]:
    """Return what was drawn from, and the objective's gradients by the parameters of each."""
    drawn: list[_Drawn] = []

    def parameters(_watch: Watch) -> list[Any]:
        """Return the parameter tensors of each code drawn from; forget the other draws."""
        drawn[:] = [item for item in drawn if _is_code(item, case)]
        return [_tensors(item.distribution) for item in drawn]

    with _noting_draws(drawn, constant=constant):
        run = evaluate(case.objective, case.batch, repeatable=True, sources=parameters)
    return drawn, run.of_sources


def _is_code(item: _Drawn, case: Case) -> bool:
    """Whether a distribution has a row for each example and is not of weights nor the output."""
    if item.layer is None or id(item.layer) in _weight_layers(case):
        return False
    shape = item.distribution.batch_shape
    if not shape.rank or shape[0] != case.batch.size:
        return False
    return item.layer not in _last_layers(case)


def _last_layers(case: Case) -> list[Any]:
    """Return the layers whose outputs are those of the network."""
    watch = case.evaluations[0].watch
    ends = [out for layer, out in watch.called if layer is case.network]
    ends.append(outputs_beside_targets(case.network, watch, of_last_call=True))
    outputs = {id(unwrap(part)) for end in ends for part in _parts(end)}
    return [
        layer
        for layer, out in case.called
        if layer is not case.network and any(id(unwrap(part)) in outputs for part in _parts(out))
    ]


def _parts(outputs: Any) -> list[Any]:
    if isinstance(outputs, dict):
        return list(outputs.values())
    parts = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    return [getattr(part, "_tfp_distribution", part) for part in parts]


def _weight_layers(case: Case) -> set[int]:
    """Return the layers with a posterior of their weights, and all inside them."""
    owners = [posterior.layer for posterior in case.posteriors]
    return {id(part) for owner in owners for part in owner._flatten_layers()}


@contextlib.contextmanager
def _noting_draws(drawn: list[_Drawn], *, constant: bool) -> Iterator[None]:
    """Note every distribution that is drawn from; take the draws for constants if asked to."""
    calling: list[Any] = []
    depth = [0]

    def noting(sample: Any) -> Any:
        """Return a method that draws as ``sample`` does, and notes from which distribution."""

        def _call_sample_n(self: Any, *arguments: Any, **options: Any) -> Any:
            if depth[0] == 0:
                drawn.append(_Drawn(_owner(calling), self))
            depth[0] += 1
            try:
                draws = sample(self, *arguments, **options)
            finally:
                depth[0] -= 1
            return tf.nest.map_structure(tf.stop_gradient, draws) if constant else draws

        return _call_sample_n

    def calls(call: Any) -> Any:
        """Return a method that calls a layer as ``call`` does, and says which one is running."""

        def __call__(self: Any, *arguments: Any, **options: Any) -> Any:  # noqa: N807
            calling.append(self)
            try:
                return call(self, *arguments, **options)
            finally:
                calling.pop()

        return __call__

    with contextlib.ExitStack() as stack:
        for owner in with_subclasses(tfd.Distribution):
            if "_call_sample_n" in owner.__dict__:
                replacement = noting(owner.__dict__["_call_sample_n"])
                stack.enter_context(mock.patch.object(owner, "_call_sample_n", replacement))
        owner = base_layer.Layer
        stack.enter_context(mock.patch.object(owner, "__call__", calls(owner.__call__)))
        yield


def _owner(calling: list[Any]) -> Any:
    """Return whose draw it is: the innermost layer, or that of which it makes a component.

    The layers of mixtures call a layer of their own for the distributions that they mix.
    """
    mixing = [layer for layer in calling if isinstance(layer, tfp.layers.DistributionLambda)]
    return next(iter([*mixing, *calling[-1:]]), None)


def _tensors(item: Any) -> list[Any]:
    """Return the tensors that a distribution was made of, those of its parts included."""
    if tf.is_tensor(item):
        return [item] if item.dtype.is_floating else []
    parameters = getattr(item, "parameters", None)
    if not isinstance(parameters, dict):
        return []
    return [tensor for value in parameters.values() for tensor in _tensors(value)]


def _joined(gradients: list[Any]) -> Any:
    """Return gradients end to end, None where no path leads to any of them."""
    known = [np.ravel(gradient) for gradient in gradients if gradient is not None]
    return np.concatenate(known) if known else None
