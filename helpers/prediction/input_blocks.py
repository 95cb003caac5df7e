"""Inputs block by block: all at once where they lie in memory, some thousands of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..draws.indexed_noise import IMAGES_PER_WORD
from ..model.checks import check_finite_rows
from ..model.inputs import Examples, Stream, is_stream, read_arrays

MOST_OF_A_STREAM = 2**13  # examples of a block, and
BYTES_OF_A_STREAM = 2**27

Array = npt.NDArray[Any]


class Block(NamedTuple):
    """Consecutive examples: the number of the first, and arrays [examples, …]."""

    first: int
    examples: Examples

    @property
    def leaves(self) -> list[Array]:
        """The arrays of the inputs."""
        return tf.nest.flatten(self.examples.inputs)


class InputBlocks:
    """Reads inputs of any form once, block by block; ``head`` is the first, known at once.

    Parameters
    ----------
    inputs
        What :func:`~helpers.model.inputs.read_arrays` takes, or a dataset or sequence.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.model.inputs.read_arrays`.
    """

    def __init__(self, inputs: Any) -> None:
        self._rest: Iterator[Block] = iter(())
        self.is_stream = is_stream(inputs)
        if self.is_stream:
            self._rest = _blocks_of(Stream(inputs))
            first = next(self._rest, None)
            if first is None:
                raise ValueError("The dataset is empty.")
            self.head = first
        else:
            self.head = Block(0, _in_memory(read_arrays(inputs)))

    def __iter__(self) -> Iterator[Block]:
        """Yield all blocks; those of a stream can be had once."""
        yield self.head
        yield from self._rest


def _blocks_of(stream: Stream) -> Iterator[Block]:
    """Yield blocks of one size, whatever the batches; only the last one may be smaller."""
    waiting: list[Examples] = []
    first, size = 0, 0
    for batch in stream.begin_pass():
        for leaf in tf.nest.flatten(batch.inputs):
            check_finite_rows(np.asarray(leaf), "the dataset")
        waiting.append(_in_memory(batch))
        size = size or _block_size(batch)
        while sum(part.num_examples for part in waiting) >= size:
            together = _together(waiting)
            yield Block(first, together.rows(slice(0, size)))
            first, rest = first + size, together.rows(slice(size, None))
            waiting = [rest] if rest.num_examples else []
    if waiting:
        yield Block(first, _together(waiting))


def _block_size(batch: Examples) -> int:
    """Return how many examples a block holds, a multiple of ``IMAGES_PER_WORD``."""
    leaves = [np.asarray(leaf) for leaf in batch.leaves()]
    bytes_of_one = sum(leaf.nbytes for leaf in leaves) / batch.num_examples
    fitting = min(MOST_OF_A_STREAM, int(BYTES_OF_A_STREAM / max(1.0, bytes_of_one)))
    return max(IMAGES_PER_WORD, fitting // IMAGES_PER_WORD * IMAGES_PER_WORD)


def _together(parts: list[Examples]) -> Examples:
    shapes = {tuple(leaf.shape[1:] for leaf in part.leaves()) for part in parts}
    if len(shapes) > 1:
        raise ValueError(
            "The batches of the dataset have different shapes: pad all to one length, for instance "
            "padded_batch(..., padded_shapes=...)."
        )
    columns = zip(*(part.leaves() for part in parts), strict=True)
    return parts[0].like([np.concatenate(column) for column in columns])


def _in_memory(examples: Examples) -> Examples:
    return examples.like([np.asarray(leaf) for leaf in examples.leaves()])
