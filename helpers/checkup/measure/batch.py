"""The batch on which a network is checked, and the same batch with its rows moved about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ...model.inputs import (
    Examples,
    as_tensors,
    check_finite,
    first_examples,
    is_stream,
    read_arrays,
    read_element,
    spread_rows,
)

MOST_ROWS = 64
LARGEST_BATCH = 1_000_000


class Batch(NamedTuple):
    """Inputs [batch, …], targets [batch, …] and weights, each a tensor or a structure of them."""

    inputs: Any
    targets: Any = None
    weights: Any = None

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(tf.nest.flatten(self.inputs)[0].shape[0])

    def twice(self) -> "Batch":
        """Return every row twice: a mean over the batch stays, a sum doubles."""
        return _mapped(lambda array: tf.concat([array, array], axis=0), self)

    def with_rows(self, rows: int) -> "Batch":
        """Return that many rows, repeated if there are fewer."""
        return self.at([place % self.size for place in range(rows)])

    def led_by(self, rows: "Batch") -> "Batch":
        """Return as many rows, the first of them in place of its own."""
        own = self.at(range(min(rows.size, self.size), self.size))
        pairs = zip(rows, own, strict=True)
        return Batch(*[None if a is None else _joined(a, b) for a, b in pairs])

    def at(self, places: Sequence[int]) -> "Batch":
        """Return the rows at these places."""
        return _mapped(lambda array: tf.gather(array, places), self)

    def with_inputs_at(self, places: Sequence[int]) -> "Batch":
        """Return the inputs of other rows beside the same targets."""
        inputs = tf.nest.map_structure(lambda array: tf.gather(array, places), self.inputs)
        return self._replace(inputs=inputs)

    def with_targets_at(self, places: Sequence[int], leaf: int | None = None) -> "Batch":
        """Return the same inputs beside the targets of other rows: of one leaf, or of all."""
        leaves = [
            tf.gather(array, places) if leaf in (None, index) else array
            for index, array in enumerate(tf.nest.flatten(self.targets))
        ]
        return self._replace(targets=tf.nest.pack_sequence_as(self.targets, leaves))


@dataclass(frozen=True)
class Data:
    """The reader's data, as far as they are looked at.

    Attributes
    ----------
    batch
        At most 64 rows, all of them finite where there are any.
    num_rows
        How many examples the data hold.
    batch_size
        Rows of a batch where a dataset or a sequence says so, else ``None``.
    not_finite
        What is to be said of NaN and infinite values, "" if there are none.
    targets
        All of them; of a stream those of the first batch.
    extremes
        The rows with the smallest and the largest targets; ``None`` of a stream, and without any.
    inputs
        All of them; ``None`` of a stream.
    """

    batch: Batch
    num_rows: int
    batch_size: int | None
    not_finite: str
    targets: Any
    extremes: Batch | None = None
    inputs: Any = None


def read_data(inputs: Any, targets: Any, num_examples: int | None, batch_size: int | None) -> Data:
    """Return what is looked at of data in any form: evenly spaced rows, of a stream the first.

    Types become what ``fit`` makes of them: floating numbers ``floatx``, the others stay.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.model.inputs.read_arrays`; if nothing says how many examples there are.
    """
    most = min(batch_size or MOST_ROWS, MOST_ROWS)
    extremes = None
    if is_stream(inputs):
        every = first_examples(inputs, targets, most=LARGEST_BATCH)
        examples, rows = every.rows(slice(0, most)), every.num_examples
        num_rows = _count(inputs, rows, num_examples)
    else:
        every, rows = read_arrays(inputs, targets, finite=False), None
        places = _finite_rows(every)
        finite = every.rows(places) if len(places) > 0 else every
        examples, extremes = spread_rows(finite, most), _extremes(finite, most)
        num_rows = every.num_examples
    tensors = [None if part is None else as_tensors(part) for part in examples]
    inputs = None if is_stream(inputs) else every.inputs
    return Data(Batch(*tensors), num_rows, rows, _word_on(every), every.targets, extremes, inputs)


def _count(stream: Any, rows: int, num_examples: int | None) -> int:
    """Return the number of examples of a stream with so many rows in its first batch.

    The last batch of a dataset may be smaller; that of a sequence is looked at.
    """
    if not isinstance(stream, tf.data.Dataset):
        last = read_element(stream[len(stream) - 1]).num_examples
        return rows * (len(stream) - 1) + last
    batches = int(stream.cardinality())
    if batches >= 0:
        examples = _before_batches(stream)
        return batches * rows if examples is None else min(examples, batches * rows)
    if num_examples is None:
        raise ValueError(
            "How many examples the dataset holds is not known: pass num_examples=N, the number of "
            "training examples."
        )
    return num_examples


def _before_batches(dataset: tf.data.Dataset) -> int | None:
    """Return how many examples a dataset had before it was batched; None if it does not say.

    Its last batch may be a smaller one.
    """
    batches = int(dataset.cardinality())
    while len(sources := dataset._inputs()) == 1:
        (source,) = sources
        if "BatchDataset" in type(dataset).__name__:
            examples = int(source.cardinality())
            return examples if examples >= 0 else None
        if int(source.cardinality()) != batches:  # repeated, or only a part of it is taken
            return None
        dataset = source
    return None


def _extremes(examples: Examples, most: int) -> Batch | None:
    """Return the examples with the smallest and the largest targets; ``None`` if there are none.

    What a likelihood cannot give, a 0 under a LogNormal or a class too many, is among these.
    """
    places = [
        place
        for leaf in map(np.asarray, tf.nest.flatten(examples.targets))
        if leaf.dtype.kind in "iuf"
        for place in (
            int(leaf.reshape(len(leaf), -1).min(axis=1).argmin()),
            int(leaf.reshape(len(leaf), -1).max(axis=1).argmax()),
        )
    ]
    if not places:
        return None
    found = examples.rows(np.unique(places)[:most])
    return Batch(*[None if part is None else as_tensors(part) for part in found])


def _finite_rows(examples: Examples) -> Any:
    """Return the places of the rows without NaN and infinite values."""
    fine = np.ones(examples.num_examples, bool)
    for leaf in map(np.asarray, examples.leaves()):
        if leaf.dtype.kind == "f":
            fine &= np.isfinite(leaf).reshape(len(leaf), -1).all(axis=1)
    return np.flatnonzero(fine)


def _word_on(examples: Examples) -> str:
    try:
        check_finite(examples)
    except ValueError as error:
        return str(error)
    return ""


def _joined(first: Any, second: Any) -> Any:
    return tf.nest.map_structure(lambda a, b: tf.concat([a, b], axis=0), first, second)


def _mapped(change: Any, batch: Batch) -> Batch:
    return Batch(*[None if x is None else tf.nest.map_structure(change, x) for x in batch])
