"""Masks of padded steps that end in a layer which hands none on.

``Embedding(mask_zero=True)`` and ``Masking`` mark steps that only fill up an array, and Keras'
losses leave those out. TFP's layers, and layers of one's own, hand no mask on unless
``supports_masking`` is set: padded steps then count as data.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from .likelihood import Likelihood, flatten_heads
from .untouched import untouched
from .watch import Watch, watching


@dataclass(frozen=True)
class LostMasks:
    """Masks that do not reach the outputs of a network.

    Attributes
    ----------
    layers
        Those in which a mask ends although their steps go on.
    of_outputs
        For each output the mask [batch, steps] that it would have if these layers handed theirs on,
        ``None`` where it has one already, or would have none.
    """

    layers: tuple[Any, ...]
    of_outputs: tuple[Any, ...]

    @property
    def names(self) -> str:
        """Of the layers, in a row."""
        return ", ".join(dict.fromkeys(layer.name for layer in self.layers))

    @property
    def cure(self) -> str:
        """What to write where padded steps shall not count, and where they shall."""
        if any(map(_makes_distribution, self.layers)):
            return (
                "A distribution takes no mask: pass sample_weight= [examples, steps], 0 where a "
                "step is padding. If padded steps are data, take mask_zero=True, or Masking, away."
            )
        return (
            f"Write layer.supports_masking = True for {self.names}, which then hands the mask on, "
            "and Keras leaves padded steps out. If they are data, take mask_zero=True, or Masking, "
            "away."
        )


def lost_masks(network: Any, inputs: Any) -> LostMasks | None:
    """Return the masks that do not reach the outputs of a network, ``None`` if there are none.

    Parameters
    ----------
    network
        A ``tf_keras`` model; built.
    inputs
        A few of its inputs, as tensors.
    """
    if not any(_makes_masks(layer) for layer in network._flatten_layers()):
        return None
    with untouched(network):
        dropped, outputs = _called(network, inputs)
        if not dropped:
            return None
        with _handing_masks_on([layer for layer, _, _ in dropped]):
            behind, handed_on = _called(network, inputs)
    makers = [(layer, mask) for layer, mask, _ in [*dropped, *behind] if _makes_distribution(layer)]
    masks = (
        None if _mask(before) is not None else _mask_of(after, [mask for _, mask in makers])
        for before, after in zip(outputs, handed_on, strict=True)
    )
    layers = [layer for layer, _, _ in dropped] + [layer for layer, _ in makers]
    return LostMasks(tuple(dict.fromkeys(layers)), tuple(masks))


def _called(network: Any, inputs: Any) -> tuple[list[tuple[Any, Any, Any]], list[Any]]:
    """Return the masks that end in a call of a network, and what it puts out."""
    with tf.GradientTape() as tape, watching(tape) as watch:
        outputs = flatten_heads(network(inputs))
    return dropped_masks(watch), outputs


def _makes_distribution(layer: Any) -> bool:
    """Whether a layer makes a distribution, which no mask is handed on to."""
    return isinstance(layer, tfp.layers.DistributionLambda)


def _mask_of(output: Any, reaching: list[Any]) -> Any:
    """Return the mask of an output; of a distribution, one that reaches what makes it."""
    if _mask(output) is not None or not isinstance(output, tfp.distributions.Distribution):
        return _mask(output)
    return next((mask for mask in reaching if _has_steps(output, mask)), None)


def dropped_masks(watch: Watch) -> list[tuple[Any, Any, Any]]:
    """Return each layer in which a mask ended, that mask [batch, steps], and what it returned.

    Of a layer that returns a distribution, what it was made of stands in place of that. Only those
    whose steps go on count: an LSTM that returns its last state has used the mask up.
    """
    found = []
    for (layer, (arguments, _)), (_, outputs) in zip(watch.inputs, watch.called, strict=True):
        masks = [mask for mask in map(_mask, tf.nest.flatten(arguments)) if mask is not None]
        parts = flatten_heads(outputs)
        hands_on = layer.supports_masking and not _makes_distribution(layer)
        if not masks or hands_on or getattr(layer, "layers", None):
            continue
        if all(_mask(part) is None and _has_steps(part, masks[0]) for part in parts):
            given = next(x for x in tf.nest.flatten(arguments) if _mask(x) is not None)
            found.append((layer, masks[0], outputs if tf.is_tensor(outputs) else given))
    return found


def check_padding(
    lost: LostMasks | None, index: int, head: Likelihood, targets: Any, outputs: Any, weights: Any
) -> None:
    """Raise if padded steps, whose mask is lost, add to the log-likelihood of some examples.

    Parameters
    ----------
    lost
        Of the network on these examples, as :func:`lost_masks` returns it.
    index, head
        Which output of the network it is, and its likelihood. One that gives a number for each
        example has its own way.
    targets, outputs
        Of the examples.
    weights
        Sample weights, ``None`` for none: steps of weight 0 do not count.

    Raises
    ------
    ValueError
        If they do: what to write.
    """
    mask = None if lost is None else lost.of_outputs[index]
    if lost is None or mask is None:
        return
    whole = head.of_examples(targets, outputs, weights)
    outputs._keras_mask = mask
    known = head.of_examples(targets, outputs, weights)
    del outputs._keras_mask
    if not np.allclose(whole, known, rtol=1e-6):
        raise ValueError(
            f"The mask of padded steps ends in {lost.names}, which hands none on, so that "
            f"padding counts as data here, in fit too. {lost.cure}"
        )


def _makes_masks(layer: Any) -> bool:
    return bool(getattr(layer, "mask_zero", False)) or isinstance(layer, tf_keras.layers.Masking)


def _mask(tensor: Any) -> Any:
    return getattr(tensor, "_keras_mask", None)


def _has_steps(output: Any, mask: Any) -> bool:
    """Whether an output has the axes [batch, steps] of a mask."""
    shape = getattr(output, "shape", None)
    if hasattr(output, "batch_shape"):
        shape = output.batch_shape.concatenate(output.event_shape)
    if shape is None or len(shape) < len(mask.shape):
        return False
    return tuple(shape)[: len(mask.shape)] == tuple(mask.shape)


@contextlib.contextmanager
def _handing_masks_on(layers: list[Any]) -> Iterator[None]:
    """Let layers hand their masks on, within the block."""
    before = [layer.supports_masking for layer in layers]
    for layer in layers:
        layer.supports_masking = True
    try:
        yield
    finally:
        for layer, supports in zip(layers, before, strict=True):
            layer.supports_masking = supports
