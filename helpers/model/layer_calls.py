"""Calling one layer of a network again, with what it was called with inside the network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from .untouched import use_seed
from .watch import KERAS_LAYER

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerCall:
    """A call of a layer that can be made again.

    Attributes
    ----------
    layer
        The layer.
    arguments, options
        What it was called with.
    generators
        That it may draw from, beside the operations with a seed.
    """

    layer: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    generators: list[Any]

    @classmethod
    def of(
        cls, layer: Any, arguments: tuple[Any, ...], options: dict[str, Any], generators: list[Any]
    ) -> LayerCall:
        """Return the call, as in training where the layer tells training from prediction."""
        return cls(layer, arguments, _as_in_training(layer, arguments, options), generators)

    def outputs(self, seed: int) -> Array:
        """Return all that it puts out at one seed, as one long array."""
        use_seed(seed, repeatable=True)
        for generator in self.generators:
            generator.reset_from_seed(seed)
        made = self.layer(*self.arguments, **self.options)
        parts = [made] if hasattr(made, "log_prob") else tf.nest.flatten(made)
        arrays = [np.asarray(tf.convert_to_tensor(part)) for part in parts]
        return np.concatenate([np.ravel(x).astype(np.float64) for x in arrays])

    def difference(self) -> Array:
        """Return what its outputs at two seeds differ by."""
        return self.outputs(seed=31) - self.outputs(seed=32)

    @property
    def can_repeat(self) -> bool:
        """Whether the layer runs outside of its network at all."""
        try:
            self.outputs(seed=31)
        except Exception:  # noqa: BLE001 (whatever a layer raises there)
            return False
        return True

    @property
    def draws(self) -> bool:
        """Whether the layer puts out other numbers at another seed."""
        return self.drawing() is not None

    def drawing(self) -> LayerCall | None:
        """Return a call that puts out other numbers at another seed, ``None`` if none does.

        Inputs that are 0, as behind dead units, hide what weights are drawn: then it is one with
        other inputs. A layer that runs in its network only counts as one that does not draw.
        """
        for call in (self, self._with_noise()):
            with contextlib.suppress(Exception):  # whatever a layer raises outside of its network
                if np.any(call.difference()):
                    return call
        return None

    def with_inputs_times(self, factor: float) -> LayerCall:
        """Return the call with all floating inputs multiplied by a number."""
        return self._with_inputs(lambda x: factor * x)

    def _with_noise(self) -> LayerCall:
        random = np.random.default_rng(0)
        return self._with_inputs(lambda x: tf.constant(random.normal(size=x.shape), x.dtype))

    def _with_inputs(self, change: Callable[[Any], Any]) -> LayerCall:
        """Return the call with other tensors of floating numbers; all else as it is."""

        def changed(argument: Any) -> Any:
            """Return a changed tensor, or what is none."""
            is_floating = tf.is_tensor(argument) and argument.dtype.is_floating
            return change(argument) if is_floating else argument

        return replace(self, arguments=tf.nest.map_structure(changed, self.arguments))


def layer_calls(
    layers: list[Any], call_network: Callable[[], Any], generators: list[Any]
) -> dict[int, LayerCall]:
    """Return the first call of each layer while a network is called, by the ``id`` of the layer.

    Layers whose calls are only traced, as inside ``tf.function``, are left out. A layer that tells
    training from prediction is called as in training: some draw only then.
    """
    found: dict[int, LayerCall] = {}
    wanted = {id(layer) for layer in layers}
    original = KERAS_LAYER.__call__

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the layer's outputs; note its first call if it is one of those wanted."""
        if id(self) in wanted and id(self) not in found and not _is_traced((args, kwargs)):
            found[id(self)] = LayerCall.of(self, args, kwargs, generators)
        return original(self, *args, **kwargs)

    with mock.patch.object(KERAS_LAYER, "__call__", noting):
        call_network()
    return found


def _as_in_training(layer: Any, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    takes = layer._expects_training_arg
    if not takes or layer._call_spec.arg_was_passed("training", args, {}, inputs_in_args=True):
        return kwargs
    return {**kwargs, "training": True}


def _is_traced(structure: Any) -> bool:
    return any(tf.is_symbolic_tensor(leaf) for leaf in tf.nest.flatten(structure))
