"""The batch on which a network is checked, and the same batch with its rows moved about."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

MOST_ROWS = 64


class Batch(NamedTuple):
    """Inputs [batch, …] and targets [batch, …], each an array or a structure of arrays."""

    inputs: Any
    targets: Any = None

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(tf.nest.flatten(self.inputs)[0].shape[0])

    def twice(self) -> "Batch":
        """Return every row twice: a mean over the batch stays, a sum doubles."""
        return _mapped(lambda array: tf.concat([array, array], axis=0), self)

    def with_rolled_targets(self, steps: int) -> "Batch":
        """Return the same inputs beside the targets of other rows."""
        rolled = _mapped(lambda array: tf.roll(array, steps, axis=0), Batch(self.targets))
        return Batch(self.inputs, rolled.inputs)

    def with_rows(self, rows: int) -> "Batch":
        """Return that many rows, repeated if there are fewer."""
        places = [place % self.size for place in range(rows)]
        return _mapped(lambda array: tf.gather(array, places), self)


def take_batch(inputs: Any, targets: Any, batch_size: int | None) -> Batch:
    """Return at most 64 rows, evenly spaced through the data, as tensors.

    Floating numbers become ``floatx``, as in ``fit``; whole numbers stay what they are.

    Raises
    ------
    ValueError
        If there is no row, or inputs and targets have different numbers of rows.
    """
    data = Batch(_arrays(inputs), None if targets is None else _arrays(targets))
    sizes = {len(array) for array in tf.nest.flatten(data) if array is not None}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            f"inputs and targets have {sorted(sizes)} rows: pass the same number of both, at "
            "least one; examples count along the first axis."
        )
    (size,) = sizes
    rows = np.unique(np.linspace(0, size - 1, min(size, batch_size or size, MOST_ROWS)).astype(int))
    return _mapped(lambda array: _tensor(array[rows]), data)


def count_rows(inputs: Any) -> int:
    """Return the number of examples."""
    return len(tf.nest.flatten(_arrays(inputs))[0])


def _arrays(data: Any) -> Any:
    """Return a structure of arrays; lists of numbers and data frames become arrays."""
    if isinstance(data, dict):
        return {name: _arrays(part) for name, part in data.items()}
    several = isinstance(data, (tuple, list)) and any(hasattr(part, "shape") for part in data)
    if several and not all(np.ndim(part) == 0 for part in data):
        return type(data)(_arrays(part) for part in data)
    return _array(data)


def _array(data: Any) -> Any:
    if isinstance(data, (tf.data.Dataset,)):
        raise TypeError(
            "inputs is a tf.data.Dataset: pass arrays, for instance those of its first batch, "
            "inputs, targets = next(iter(dataset)), and num_examples."
        )
    array = data.numpy() if tf.is_tensor(data) else np.asarray(data)
    if array.ndim == 0:
        raise ValueError("inputs and targets must be arrays with one row for each example.")
    return array


def _tensor(array: Any) -> tf.Tensor:
    if array.dtype.kind == "f":
        return tf.constant(array, tf_keras.backend.floatx())
    return tf.constant(array)


def _mapped(change: Any, batch: Batch) -> Batch:
    return Batch(*[None if x is None else tf.nest.map_structure(change, x) for x in batch])
