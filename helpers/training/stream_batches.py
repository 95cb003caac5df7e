"""Batches from a dataset or a sequence, larger than memory, in the order of their source."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from ..model.inputs import Examples, Stream
from .batches import StreamOrder
from .data import BYTES_PER_CALL, Position, as_bytes

Prepare = Callable[[Examples], Examples]
Check = Callable[[Examples], None]


class StreamBatches:
    """Batches that come one after the other, pass by pass, in the order of their source.

    One pass before the first epoch counts the examples and checks them; each epoch is one more. A
    resumed training begins the passes of the epochs that are over without reading them, reads the
    last one up to its step, and compares what it saw with what was saved.

    Parameters
    ----------
    stream
        The source.
    prepare
        Returns a batch as tensors, as the network takes them.
    check
        Raises if a batch cannot be trained on; asked in the first pass.
    num_epochs, seed
        As in :class:`~helpers.training.batches.StreamOrder`.

    Raises
    ------
    ValueError
        If there is no batch, or a later pass has more or fewer.
    """

    def __init__(
        self, stream: Stream, prepare: Prepare, check: Check, num_epochs: int, seed: int
    ) -> None:
        self.stream, self._prepare, self._check = stream, prepare, check
        sizes, shapes = [], []
        for batch in self._pass():
            check(batch)
            self._structure = batch
            sizes.append(batch.num_examples)
            shapes.append(_shapes(batch))
        if not sizes:
            raise ValueError("The dataset is empty: there is nothing to train on.")
        self._shapes = [_common(several) for several in zip(*shapes, strict=True)]
        self.order = StreamOrder(sum(sizes), tuple(sizes), num_epochs, seed)
        self.is_repeatable = not stream.has_unseeded_shuffle()
        self._next, self._begun, self._checksum = 0, 0, 0
        self._batches: Iterator[Examples] = iter(())
        self._waiting: list[Examples] = []
        self._taken: list[Examples] = []

    def spec(self, size: int | None) -> Examples:
        """Return shape and type of a batch, ``None`` for any size."""
        leaves = zip(self._shapes, self._structure.leaves(), strict=True)
        return self._structure.like(
            [tf.TensorSpec([size, *shape[1:]], leaf.dtype) for shape, leaf in leaves]
        )

    def take(self, first: int, most: int) -> list[tf.Tensor]:
        """Return the leaves [steps, batch, …] of up to ``most`` steps from ``first`` on.

        They end with the epoch, before a batch of another shape, and where they would not fit into
        the memory of a call.
        """
        if first != self._next:
            self.go_to(first, {})
        index = first % self.order.steps_per_epoch
        if index == 0:
            self._begin_pass()
        taken = [self._pull()]
        size = sum(leaf.dtype.size * int(tf.size(leaf)) for leaf in taken[0].leaves())
        most = min(most, max(1, BYTES_PER_CALL // max(1, size)), self.order.steps_per_epoch - index)
        while len(taken) < most:
            batch = self._pull()
            if _shapes(batch) != _shapes(taken[0]):
                self._waiting.append(batch)
                break
            taken.append(batch)
        for batch in taken:
            self._note(batch)
        self._taken = taken
        self._next = first + len(taken)
        if self._next % self.order.steps_per_epoch == 0:
            self._check_end()
        return [tf.stack(leaves) for leaves in zip(*(b.leaves() for b in taken), strict=True)]

    def check_taken(self) -> None:
        """Raise if what was taken last holds NaN, which the first pass did not.

        Raises
        ------
        ValueError
            As in the first pass.
        """
        for batch in self._taken:
            try:
                self._check(batch)
            except ValueError as error:
                raise ValueError(f"In epoch {self._begun - 1} of the dataset: {error}") from None

    def fingerprint(self) -> dict[str, Any]:
        """Return the numbers of batches and examples; their content is compared when resumed."""
        rows = {"batches": self.order.steps_per_epoch, "examples": self.order.num_examples}
        return {"inputs": [rows]}

    def position(self) -> Position:
        """Return the checksum of what was seen of the last pass."""
        return {"checksum": f"{self._checksum:08x}"}

    def go_to(self, first: int, position: Position) -> None:
        """Go on from a step: begin the passes before it, and read the last up to that step.

        Raises
        ------
        ValueError
            If the source does not yield the batches that it did when the position was saved, or
            the step lies behind.
        """
        epoch, index = divmod(first, self.order.steps_per_epoch)
        passes, last = (epoch, index) if index else (epoch - 1, self.order.steps_per_epoch)
        if first and passes < self._begun:
            raise ValueError("A stream cannot go back: make the dataset anew.")
        while self._begun < passes:
            self.stream.skip_pass()
            self._begun += 1
        if first:
            self._begin_pass()
            for _ in range(last):
                self._note(self._pull())
            if last == self.order.steps_per_epoch:
                self._check_end()  # a sequence moves on when its pass is over
        self._next = first
        if position and position != self.position():
            raise ValueError(
                f"In epoch {passes} the dataset yields other batches than when this training was "
                "saved. Make the dataset anew in this process, as it was, with a seed in every "
                "shuffle and every random map: dataset.shuffle(1000, seed=1)."
            )

    def _pass(self) -> Iterator[Examples]:
        return map(self._prepare, self.stream.begin_pass())

    def _begin_pass(self) -> None:
        self._batches, self._waiting, self._checksum = self._pass(), [], 0
        self._begun += 1

    def _note(self, batch: Examples) -> None:
        for leaf in batch.leaves():
            self._checksum = zlib.crc32(as_bytes(leaf.numpy()), self._checksum)

    def _pull(self) -> Examples:
        if self._waiting:
            return self._waiting.pop()
        batch = next(self._batches, None)
        if batch is None:
            raise ValueError(self._other_number("fewer"))
        return batch

    def _check_end(self) -> None:
        if next(self._batches, None) is not None:
            raise ValueError(self._other_number("more"))

    def _other_number(self, what: str) -> str:
        return (
            f"This pass over the dataset has {what} than the {self.order.steps_per_epoch} batches "
            "of the first one: every pass must have as many."
        )


def _shapes(batch: Examples) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(leaf.shape) for leaf in batch.leaves())


def _common(shapes: tuple[tuple[int, ...], ...]) -> list[int | None]:
    """Return the lengths that all shapes of one leaf share, ``None`` for those that differ."""
    columns = np.array(shapes).T
    return [int(column[0]) if (column == column[0]).all() else None for column in columns]
