"""Draws beside those of the weights whose posterior was found: codes, scales, a noise with one.

With all known scales tiny, and Keras' own noise left out, two calls of a network at two seeds give
the same, unless something else in it is drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ...model.layer_calls import LayerCall
from ...model.likelihood import flatten_heads
from ...model.noise_layers import without_noise
from ...model.small_scales import SmallScale, enlarged, small_scales
from ...model.untouched import use_seed
from .case import Case

Array = npt.NDArray[np.float64]
MOST = 2e-4  # of the outputs; what they change by from seed to seed where nothing is drawn
PART = 0.05  # of that change at the scales as they are, which tiny scales may leave
LITTLE = 0.01  # a standard deviation that moves outputs along straight lines
ALIKE = 0.5  # a cosine; what the same draws change, at a floor and above it, is nearly parallel
TINY = 1e-4  # a standard deviation that hardly moves an output


def draws_beside_weights(case: Case) -> list[str]:
    """Return the names of what draws beside the known posteriors; nothing if that is not known.

    Named are the innermost layers that draw, or the network where its own call does.
    """
    random = [posterior for posterior in case.posteriors if posterior.is_random]
    watch = case.evaluations[0].watch
    calls = [arguments for layer, arguments in watch.inputs if layer is case.network]
    if not calls or case.batch.targets is None:
        return []
    try:
        with without_noise(case.network):
            now, size = _change(case, calls[0]), _size(case, calls[0])
            with small_scales(random) as small:
                left = _change(case, calls[0])
                if not np.linalg.norm(left, np.inf) > MOST * size:  # or NaN: no log p
                    return []
                # Below a floor, the draws of these weights themselves are left.
                unsure = [one.posterior.layer for one in small if not _is_tiny(one)]
                is_much = np.linalg.norm(left, np.inf) > PART * np.linalg.norm(now, np.inf)
                names = _innermost(case, {id(layer) for layer in unsure}) if is_much else []
                for one in small:
                    enlarged(one, LITTLE)
                more = _change(case, calls[0]) - left
            if names or (is_much and not unsure):
                return names or [case.network.name]
            is_other = unsure and _cosine(left, more) < ALIKE
            return list(dict.fromkeys(layer.name for layer in unsure)) if is_other else []
    except Exception:  # noqa: BLE001 (a network that runs within its objective only)
        return []


def _is_tiny(small: SmallScale) -> bool:
    """Whether all standard deviations of a posterior are known to be tiny."""
    if not small.works or small.posterior.make is None:
        return False
    return bool(float(tf.reduce_max(small.posterior.make().stddev())) < TINY)


def _change(case: Case, arguments: tuple[Any, dict[str, Any]]) -> Array:
    """Return by how much the outputs change from one seed to another."""
    one, other = (_outputs(case, arguments, seed) for seed in (1, 2))
    return one - other


def _size(case: Case, arguments: tuple[Any, dict[str, Any]]) -> float:
    return max(float(np.abs(_outputs(case, arguments, seed=1)).max(initial=0.0)), 1e-12)


def _cosine(one: Array, other: Array) -> float:
    """Return the cosine of two changes: near 1 where the same draws make both, as at a floor."""
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length > 0 else 1.0


def _outputs(case: Case, arguments: tuple[Any, dict[str, Any]], seed: int) -> Array:
    """Return what the network puts out, as one array; of a distribution log p of the targets."""
    use_seed(seed, repeatable=True)
    args, kwargs = arguments
    leaves = flatten_heads(case.network(*args, **kwargs))
    targets = tf.nest.flatten(case.batch.targets)
    if len(targets) != len(leaves):
        targets = [None] * len(leaves)
    found = [_numbers(leaf, target) for leaf, target in zip(leaves, targets, strict=True)]
    return np.concatenate([np.ravel(x).astype(np.float64) for x in found])


def _numbers(output: Any, target: Any) -> Any:
    if not hasattr(output, "log_prob"):
        return np.asarray(output)
    plain = getattr(output, "tensor_distribution", output)
    if target is None:
        return np.asarray(plain.mean())
    shape = plain.batch_shape.concatenate(plain.event_shape)
    aligned = target[:, tf.newaxis] if target.shape.rank == 1 and shape.rank == 2 else target
    return np.asarray(plain.log_prob(tf.cast(aligned, plain.dtype)))


def _innermost(case: Case, unsure: set[int]) -> list[str]:
    """Return the names of the layers that draw and hold none that does, nor one of ``unsure``."""
    watch, drawing = case.evaluations[0].watch, {}
    for (layer, (arguments, options)), (_, made) in zip(watch.inputs, watch.called, strict=True):
        is_distribution = any(hasattr(leaf, "log_prob") for leaf in flatten_heads(made))
        if any(id(part) in unsure for part in layer._flatten_layers()):
            continue
        if layer is not case.network and not is_distribution and id(layer) not in drawing:
            call = LayerCall.of(layer, arguments, options, [])
            drawing[id(layer)] = layer if _draws(call) else None
    found = [layer for layer in drawing.values() if layer is not None]
    drawn = {id(layer) for layer in found}
    holds = [any(id(x) in drawn - {id(it)} for x in it._flatten_layers()) for it in found]
    return [it.name for it, is_outer in zip(found, holds, strict=True) if not is_outer]


def _draws(call: LayerCall) -> bool:
    """Whether the outputs of a call change by more than tiny scales of its weights do."""
    try:
        one, other = call.outputs(seed=31), call.outputs(seed=32)
    except Exception:  # noqa: BLE001 (a layer that runs inside of its network only)
        return False
    size = max(float(np.abs(one).max(initial=0.0)), 1e-12)
    return bool(np.abs(one - other).max(initial=0.0) > MOST * size)
