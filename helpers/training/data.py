"""The data of a training: batches in an order that can be taken up anywhere, from any source."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..model.inputs import Examples, as_tensor
from .batches import BatchOrder, StreamOrder

BYTES_PER_CALL = 2**25  # of the data for the steps of one call
Position = dict[str, Any]


class Batches(Protocol):
    """What a training asks of its data, whether they lie in memory or come as a stream."""

    @property
    def order(self) -> BatchOrder | StreamOrder:
        """Which batches there are."""

    @property
    def is_repeatable(self) -> bool:
        """Whether another process can be sure to see the same batches."""

    def spec(self, size: int | None) -> Examples:
        """Return shape and type of a batch, ``None`` for any size."""

    def take(self, first: int, most: int) -> list[tf.Tensor]:
        """Return the leaves [steps, batch, …] of up to ``most`` steps from ``first`` on."""

    def check_taken(self) -> None:
        """Raise if what was taken last holds no numbers."""

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells these data from others."""

    def position(self) -> Position:
        """Return what is to be saved of a place in the data."""

    def go_to(self, first: int, position: Position) -> None:
        """Go on from a step, as it was when ``position`` was saved."""


class ArrayBatches:
    """Batches of examples in memory; each epoch has an order of its own, drawn from the seed.

    Parameters
    ----------
    examples
        Arrays [examples, …] in a structure.
    types
        Of each leaf, as the network takes them.
    order
        Which examples each step sees.
    """

    def __init__(self, examples: Examples, types: list[tf.DType], order: BatchOrder) -> None:
        leaves = zip(examples.leaves(), types, strict=True)
        self.examples = examples.like([_as_array(leaf, kind) for leaf, kind in leaves])
        self.types = types
        self.order: BatchOrder = order
        self.is_repeatable = True
        row = self.examples.rows(slice(0, order.batch_size))
        self._bytes = sum(leaf.nbytes for leaf in row.leaves())

    def spec(self, size: int | None) -> Examples:
        """Return shape and type of a batch, ``None`` for any size."""
        leaves = zip(self.examples.leaves(), self.types, strict=True)
        return self.examples.like(
            [tf.TensorSpec([size, *leaf.shape[1:]], kind) for leaf, kind in leaves]
        )

    def take(self, first: int, most: int) -> list[tf.Tensor]:
        """Return the leaves [steps, batch, …] of up to ``most`` steps from ``first`` on.

        Only these are copied, not all data: memory is dearer than the copying.
        """
        limit = max(1, BYTES_PER_CALL // max(1, self._bytes))
        rows = self.order.rows(first, min(most, limit))
        leaves = zip(self.examples.leaves(), self.types, strict=True)
        return [as_tensor(leaf[rows], kind) for leaf, kind in leaves]

    def check_taken(self) -> None:
        """Pass: all examples were looked at before."""

    def fingerprint(self) -> dict[str, Any]:
        """Return shapes and checksums of inputs, targets and weights."""
        return {
            name: [_checksum(leaf) for leaf in tf.nest.flatten(part)]
            for name, part in self.examples._asdict().items()
            if part is not None
        }

    def position(self) -> Position:
        """The number of the step says it all."""
        return {}

    def go_to(self, first: int, position: Position) -> None:
        """Any step can be taken at any time."""


def _as_array(leaf: Any, kind: tf.DType) -> npt.NDArray[Any]:
    """Return a leaf as an array of the network's type; words as Python's."""
    array = leaf.numpy() if tf.is_tensor(leaf) else np.asarray(leaf)
    if kind == tf.string:
        return array.astype(object)
    return np.ascontiguousarray(array, kind.as_numpy_dtype)


def _checksum(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"shape": list(array.shape), "checksum": f"{zlib.crc32(as_bytes(array)):08x}"}


def as_bytes(array: npt.NDArray[Any]) -> bytes | memoryview:
    """Return what a checksum is taken of: the numbers as they lie, or the words one by one."""
    if array.dtype == object:
        return repr(array.tolist()).encode()
    return np.ascontiguousarray(array).data
