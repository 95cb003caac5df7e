"""Watching one evaluation: the layers that run, what they add, what is differentiated."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest import mock

import tensorflow as tf
import tf_keras
from tf_keras.src.engine import base_layer
from tf_keras.src.engine.keras_tensor import KerasTensor

KERAS_LAYER = base_layer.Layer


class Added(NamedTuple):
    """A tensor that a layer put into ``losses``, and the factor it was multiplied by."""

    layer: Any
    value: tf.Tensor
    factor: tf.Tensor
    of_activity: bool = False  # put there by an activity_regularizer


@dataclass
class Watch:
    """What happened during one evaluation.

    Attributes
    ----------
    tape
        The tape that records the evaluation; it watches the factors.
    factor
        Multiplies every tensor that a layer adds to ``losses``.
    called
        The layers in the order of their calls, with what they returned.
    inputs
        The same layers, with the arguments that they were given, by place and by name.
    outermost
        Those calls that stand in no other, with what they returned.
    added
        What they put into ``losses``.
    targets
        What the reader's own tapes were asked to differentiate.
    by
        Of each of these, the ``id`` of the variables by which.
    derivatives
        What these tapes returned where they were asked by no variable: gradients by inputs.
    updated
        Whether an optimizer was told to move the weights (it is kept from doing so).
    regularising
        Whether Keras is adding the penalties of an ``activity_regularizer`` just now.
    """

    tape: tf.GradientTape
    factor: float = 1.0
    called: list[tuple[Any, Any]] = field(default_factory=list)
    inputs: list[tuple[Any, tuple[Any, dict[str, Any]]]] = field(default_factory=list)
    outermost: list[tuple[Any, Any]] = field(default_factory=list)
    added: list[Added] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)
    by: list[set[int]] = field(default_factory=list)
    derivatives: list[Any] = field(default_factory=list)
    updated: bool = False
    regularising: bool = False
    depth: int = 0  # of calls within calls, just now

    @property
    def differentiated(self) -> set[int]:
        """The ``id`` of all variables by which the reader's own tapes were asked."""
        return {variable for by in self.by for variable in by}

    def scaled(self, layer: Any, value: Any) -> Any:
        """Note an added loss and return it times the factor."""
        if not _is_number_tensor(value):
            return value
        factor = tf.constant(self.factor, value.dtype)
        self.tape.watch(factor)
        self.added.append(Added(layer, value, factor, self.regularising))
        return value * factor


@contextlib.contextmanager
def watching(tape: tf.GradientTape, factor: float = 1.0) -> Iterator[Watch]:
    """Watch the calls of Keras layers, of ``add_loss``, of tapes and of optimizers."""
    watch = Watch(tape, factor)
    with contextlib.ExitStack() as stack:
        for owner, name, make in _patches():
            replacement = make(watch, owner.__dict__[name])
            stack.enter_context(mock.patch.object(owner, name, replacement))
        yield watch


def _patches() -> list[tuple[Any, str, Callable[[Watch, Any], Any]]]:
    """Return every (class, method, maker of the replacement)."""
    patches: list[tuple[Any, str, Callable[[Watch, Any], Any]]] = [
        (KERAS_LAYER, "__call__", _noting_calls),
        (KERAS_LAYER, "add_loss", _scaling_losses),
        (KERAS_LAYER, "_handle_activity_regularization", _noting_regularisers),
        (tf.GradientTape, "gradient", _noting_targets),
    ]
    roots = (tf_keras.optimizers.Optimizer, tf_keras.optimizers.legacy.Optimizer)
    for owner in {cls for root in roots for cls in _family(root)}:
        if "apply_gradients" in owner.__dict__:
            patches += [(owner, "apply_gradients", _standing_still)]
    return patches


def _family(cls: Any) -> set[Any]:
    """Return a class, its parents and all that inherit from it."""
    return {*(parent for parent in cls.__mro__ if parent is not object), *with_subclasses(cls)}


def with_subclasses(cls: Any) -> set[Any]:
    """Return a class and all that inherit from it."""
    return {cls, *(c for child in cls.__subclasses__() for c in with_subclasses(child))}


def _noting_calls(watch: Watch, original: Any) -> Any:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        symbolic = any(isinstance(x, KerasTensor) for x in _leaves(args))
        place = len(watch.called)
        if not symbolic:
            watch.called.append((self, None))
            watch.inputs.append((self, (args, kwargs)))
        watch.depth += 1
        try:
            outputs = original(self, *args, **kwargs)
        finally:
            watch.depth -= 1
        if not symbolic:
            watch.called[place] = (self, outputs)
            if not watch.depth:
                watch.outermost.append((self, outputs))
        return outputs

    return __call__


def _leaves(structure: Any) -> list[Any]:
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in _leaves(part)]
    if isinstance(structure, dict):
        return [leaf for part in structure.values() for leaf in _leaves(part)]
    return [structure]


def _scaling_losses(watch: Watch, original: Any) -> Any:
    def add_loss(self: Any, losses: Any, **kwargs: Any) -> Any:
        """Add the entries as ever, each times the factor that the watch has for it."""
        entries = losses if isinstance(losses, (list, tuple)) else [losses]
        return original(self, [watch.scaled(self, entry) for entry in entries], **kwargs)

    return add_loss


def _noting_regularisers(watch: Watch, original: Any) -> Any:
    def _handle_activity_regularization(self: Any, *args: Any) -> Any:
        watch.regularising = True
        try:
            return original(self, *args)
        finally:
            watch.regularising = False

    return _handle_activity_regularization


def _noting_targets(watch: Watch, original: Any) -> Any:
    def gradient(self: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the gradient as ever; note what is differentiated."""
        watch.targets.append(target)
        variables = [x for x in tf.nest.flatten(sources) if isinstance(x, tf.Variable)]
        watch.by.append({id(variable) for variable in variables})
        made = original(self, target, sources, *args, **kwargs)
        if not variables:
            watch.derivatives += [x for x in tf.nest.flatten(made) if tf.is_tensor(x)]
        return made

    return gradient


def _standing_still(watch: Watch, _original: Any) -> Any:
    def apply_gradients(self: Any, *_args: Any, **_kwargs: Any) -> Any:
        """Change no variable and note that one was to change; return the count of steps."""
        watch.updated = True
        return getattr(self, "iterations", None)

    return apply_gradients


def _is_number_tensor(value: Any) -> bool:
    if not tf.is_tensor(value) or tf.is_symbolic_tensor(value):
        return False
    return hasattr(value, "numpy") and value.dtype.is_floating
