"""Several draws inside of a network, whose layers are called several times or on repeated rows.

No call of one layer holds them all there. So each layer gives again what it returned for one of
the draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import tensorflow as tf

from ...model.several_draws import draws_in_one_call
from ...model.watch import KERAS_LAYER, Watch
from .draws_in_rows import DrawsInAxis, DrawsInRows, draws_in_rows
from .outputs_again import are_same


@dataclass
class LayerSlots:
    """The draws of all layers together.

    Attributes
    ----------
    drawing
        The ``id`` of the layers that draw weights.
    draws
        How many draws there are.
    within
        Where the draws of a call stand; ``None`` where each draw is a call of every layer.
    outputs
        What each layer returned, call by call, by its ``id``.
    """

    drawing: set[int]
    draws: int
    within: DrawsInRows | DrawsInAxis | None
    outputs: dict[int, list[Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many draws there are."""
        return self.draws

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note what the layers return."""

        def note(layer: Any, _call: int, run: Any) -> Any:
            """Return what a layer returns, and note it if it is one tensor."""
            made = run()
            if tf.is_tensor(made):
                self.outputs.setdefault(id(layer), []).append(made)
            return made

        with self._patched(note):
            yield

    @contextlib.contextmanager
    def filled(self, contents: Sequence[int], *, running: bool) -> Iterator[None]:
        """Let each layer return for draw number s what it returned for contents[s]."""

        def give(layer: Any, call: int, run: Any) -> Any:
            """Return what was noted for the draw that a call stands for."""
            made = self.outputs.get(id(layer), [])
            chosen = self._chosen(made, call, contents) if call < len(made) else None
            computed = run() if running or chosen is None else None
            return computed if chosen is None else chosen

        with self._patched(give):
            yield

    def _chosen(self, made: list[Any], call: int, contents: Sequence[int]) -> Any:
        """Return what stands in the place of a call's outputs; None if they are of no draw."""
        if self.within is not None:
            own = made[call]
            return self.within.filled(own, contents) if self.within.hold(own) else None
        each, rest = divmod(len(made), self.draws)
        if rest:
            return None
        draw, place = divmod(call, each)
        return made[contents[draw] * each + place]

    @contextlib.contextmanager
    def _patched(self, instead: Any) -> Iterator[None]:
        """Have the outermost layers that draw, and those without layers inside, called instead."""
        original = KERAS_LAYER.__dict__["__call__"]
        calls: dict[int, int] = {}
        inside = False

        def __call__(layer: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            nonlocal inside
            if inside or not (id(layer) in self.drawing or _is_single(layer)):
                return original(layer, *args, **kwargs)
            call = calls.setdefault(id(layer), 0)
            calls[id(layer)] += 1
            inside = True
            try:
                return instead(layer, call, lambda: original(layer, *args, **kwargs))
            finally:
                inside = False

        with mock.patch.object(KERAS_LAYER, "__call__", __call__):
            yield


def draws_of_layers(watch: Watch, drawing: set[int], rows: int) -> LayerSlots | None:
    """Return the draws that stand inside of a network, nothing noted yet; None if there are none.

    Parameters
    ----------
    watch
        What happened in one evaluation.
    drawing
        The ``id`` of the layers that draw weights.
    rows
        Of the batch.
    """
    pairs = zip(watch.inputs, watch.called, strict=True)
    calls: dict[int, list[tuple[Any, Any]]] = {}
    for (layer, arguments), (_, outputs) in pairs:
        if id(layer) in drawing:
            calls.setdefault(id(layer), []).append((arguments, outputs))
    if set(calls) != drawing or not calls:
        return None
    first = next(iter(calls.values()))
    if len(first) > 1:
        same = all(are_same(first[0][0], arguments) for arguments, _ in first[1:])
        alike = all(len(made) % len(first) == 0 for made in calls.values())
        return LayerSlots(drawing, len(first), None) if same and alike else None
    every = [out for made in calls.values() for _, out in made]
    layers = {id(layer): layer for layer, _ in watch.called}
    draws = draws_in_one_call(layers[next(iter(calls))])
    if draws > 1:
        found: DrawsInRows | DrawsInAxis | None = DrawsInAxis(draws, rows)
        size = draws
    else:
        found = draws_in_rows(*first[0], rows)
        size = found.draws * rows if found is not None else 0
    if found is None or not all(tf.is_tensor(out) and out.shape[0] == size for out in every):
        return None
    return LayerSlots(drawing, found.draws, found)


def _is_single(layer: Any) -> bool:
    """Whether a layer holds no other layers."""
    return sum(1 for _ in layer._flatten_layers()) == 1
