"""One reader of data for all tools: arrays, lists, dicts, frames, datasets and sequences.

Types become what Keras' own ``fit`` makes of them: floating numbers ``floatx``, whole numbers and
words stay. A network that takes no whole numbers gets them as floating ones.

Introduced in chapters/19-step-cost.md, "Operations in a training step".
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse
import tensorflow as tf
import tf_keras

from .checks import check_finite_rows

Array = npt.NDArray[Any]

DENSE = (
    "is sparse, and TFP's layers need dense numbers: pass inputs.toarray() (SciPy) or "
    "tf.sparse.to_dense(inputs)."
)


PASS = (
    "pass arrays with one row for each example, a tf.data.Dataset (of a generator: "
    "tf.data.Dataset.from_generator, with .take(batches) if it never ends) or a Keras Sequence."
)
MOST_BATCHES = 100_000  # of a dataset that does not say its length; more are taken for no end
SECONDS_UNSAID = 10.0  # of a pass over it, after which a word is said
ENDLESS = (
    "If it never ends, as a generator with while True, say dataset.take(batches); if it does, say "
    "its length, dataset.apply(tf.data.experimental.assert_cardinality(batches))."
)


class Examples(NamedTuple):
    """Some examples: inputs, targets and weights, each an array or a structure of arrays.

    The first axis of every array counts the examples; targets and weights may be ``None``.
    """

    inputs: Any
    targets: Any = None
    weights: Any = None

    @property
    def num_examples(self) -> int:
        """How many there are."""
        return int(self.leaves()[0].shape[0])

    def leaves(self) -> list[Any]:
        """Return all arrays, in the order of ``tf.nest``."""
        return [leaf for leaf in tf.nest.flatten(self) if leaf is not None]

    def like(self, leaves: list[Any]) -> Examples:
        """Return other leaves in the same structure."""
        rest = iter(leaves)
        filled = [None if leaf is None else next(rest) for leaf in tf.nest.flatten(self)]
        packed: Examples = tf.nest.pack_sequence_as(self, filled)
        return packed

    def rows(self, places: Any) -> Examples:
        """Return the examples at these places."""
        return self.like([_rows(leaf, places) for leaf in self.leaves()])


def read_arrays(
    inputs: Any, targets: Any = None, weights: Any = None, *, finite: bool = True
) -> Examples:
    """Return data in memory as arrays, one row for each example.

    Parameters
    ----------
    inputs, targets, weights
        An array, a list of numbers, a pandas frame or series, or a list, tuple or dict of these.
    finite
        Whether to refuse NaN and infinite values.

    Raises
    ------
    TypeError
        If something is sparse, ragged, a generator, or of no type that a network takes.
    ValueError
        If lengths differ, there is no example, or a value is NaN or infinite.
    """
    check_eager()
    examples = Examples(
        _structure(inputs, "inputs"),
        None if targets is None else _structure(targets, "targets"),
        None if weights is None else _structure(weights, "sample_weight"),
    )
    _check_lengths(examples)
    if finite:
        check_finite(examples)
    return examples


def check_finite(examples: Examples) -> None:
    """Raise if an example holds NaN or an infinite value.

    Raises
    ------
    ValueError
        With the number of such examples, and the first.
    """
    names = ("inputs", "targets", "sample_weight")
    for name, part in zip(names, examples, strict=True):
        for array in [] if part is None else tf.nest.flatten(part):
            check_finite_rows(array, name)


def is_stream(inputs: Any) -> bool:
    """Whether data come batch by batch: a ``tf.data.Dataset`` or a Keras ``Sequence``."""
    if isinstance(inputs, (tf.data.Dataset, tf_keras.utils.Sequence)):
        return True
    names = {cls.__name__ for cls in type(inputs).__mro__}
    return bool(names & {"Sequence", "PyDataset"}) and hasattr(inputs, "__getitem__")


class Stream:
    """Passes over a dataset or a sequence, batch by batch.

    Parameters
    ----------
    source
        A ``tf.data.Dataset`` or a Keras ``Sequence``.

    Raises
    ------
    TypeError, ValueError
        If a dataset is not batched, not dense, or never ends.
    """

    def __init__(self, source: Any) -> None:
        check_eager()
        if isinstance(source, tf.data.Dataset):
            check_dataset(source)
        self.source = source

    def begin_pass(self) -> Iterator[Examples]:
        """Begin one more pass; yield its batches as arrays or tensors."""
        if isinstance(self.source, tf.data.Dataset):
            return map(read_element, _ending(self.source))
        return self._sequence()

    def skip_pass(self) -> None:
        """Go on to the order of the next pass, without reading."""
        if isinstance(self.source, tf.data.Dataset):
            iter(self.source)  # a shuffle draws the order of its next pass when that begins
        elif hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def has_unseeded_shuffle(self) -> bool:
        """Whether a dataset shuffles without a seed, so that no other process sees its order."""
        todo, seen = [self.source], set()
        while todo:
            dataset = todo.pop()
            if id(dataset) in seen or not isinstance(dataset, tf.data.Dataset):
                continue
            seen.add(id(dataset))
            seeds = getattr(dataset, "_seed", None), getattr(dataset, "_seed2", None)
            if "Shuffle" in type(dataset).__name__ and all(x is None or int(x) == 0 for x in seeds):
                return True
            todo += dataset._inputs()
        return False

    def _sequence(self) -> Iterator[Examples]:
        for index in range(len(self.source)):
            yield read_element(self.source[index])
        self.skip_pass()


def read_element(element: Any) -> Examples:
    """Return one batch of a dataset or a sequence: inputs, or (inputs, targets[, weights])."""
    parts = tuple(element) if isinstance(element, (tuple, list)) else (element,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(
            f"A batch holds {len(parts)} things: give (inputs, targets) or (inputs, targets, "
            "weights); several inputs belong into a tuple or a dict of their own."
        )
    inputs, *rest = parts
    names = ("targets", "sample_weight")
    read = [None if x is None else _structure(x, n) for x, n in zip(rest, names, strict=False)]
    examples = Examples(_structure(inputs, "inputs"), *read)
    _check_lengths(examples)
    return examples


def check_dataset(dataset: tf.data.Dataset) -> None:
    """Raise unless a dataset is batched, dense, and ends.

    Raises
    ------
    TypeError
        If its elements are sparse or ragged.
    ValueError
        If it is not batched, or repeats without an end.
    """
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise ValueError("The dataset never ends: leave out .repeat(), or say .take(batches).")
    if int(dataset.cardinality()) < 0 and _repeats(dataset):
        raise ValueError(f"The dataset holds a .repeat() without a number. {ENDLESS}")
    specs = tf.nest.flatten(dataset.element_spec)
    for spec in specs:
        if isinstance(spec, tf.SparseTensorSpec):
            raise TypeError(f"The dataset {DENSE}")
        if isinstance(spec, tf.RaggedTensorSpec):
            raise TypeError(f"The dataset {_ragged()}")
    if any(spec.shape.rank == 0 for spec in specs):
        raise ValueError("The dataset is not batched: say dataset.batch(128).")


def _repeats(dataset: tf.data.Dataset) -> bool:
    """Whether a dataset is made, step by step, of one that has no end, and takes no part of it."""
    while "Take" not in type(dataset).__name__:
        if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
            return True
        sources = dataset._inputs()
        if len(sources) != 1:  # of several, the shortest may be what counts
            return False
        (dataset,) = sources
    return False


def _ending(dataset: tf.data.Dataset) -> Iterator[Any]:
    """Yield the elements of a dataset; one that does not say its length must end some day.

    Raises
    ------
    ValueError
        If it does not within a great number of batches.
    """
    if int(dataset.cardinality()) >= 0:
        yield from dataset
        return
    start, is_said = time.monotonic(), False
    for number, element in enumerate(dataset):
        if number >= MOST_BATCHES:
            raise ValueError(f"The dataset has not ended after {number:,} batches. {ENDLESS}")
        if not is_said and time.monotonic() - start > SECONDS_UNSAID:
            warnings.warn(
                f"Passing over a dataset that does not say its length: {number:,} batches in "
                f"{SECONDS_UNSAID:.0f} s, and it goes on. {ENDLESS}",
                stacklevel=2,
            )
            is_said = True
        yield element


def first_examples(
    inputs: Any, targets: Any = None, weights: Any = None, most: int = 64
) -> Examples:
    """Return at most so many examples of any data: evenly spaced, of a stream the first ones.

    Raises
    ------
    TypeError, ValueError
        As :func:`read_arrays`.
    """
    if is_stream(inputs):
        if targets is not None:
            raise ValueError("A dataset brings its own targets: leave targets out.")
        batch = next(Stream(inputs).begin_pass(), None)
        if batch is None:
            raise ValueError("The dataset is empty.")
        return batch.rows(slice(0, most))
    return spread_rows(read_arrays(inputs, targets, weights), most)


def spread_rows(examples: Examples, most: int) -> Examples:
    """Return at most so many examples, evenly spaced."""
    size = examples.num_examples
    return examples.rows(np.unique(np.linspace(0, size - 1, min(size, most)).astype(int)))


def as_tensors(part: Any, types: list[tf.DType] | None = None) -> Any:
    """Return a structure of arrays as tensors, floating numbers as ``floatx``.

    Parameters
    ----------
    part
        Inputs, targets or weights.
    types
        Of each leaf, as :func:`.network_call.call_network` found them; ``None`` to leave them.
    """
    leaves = tf.nest.flatten(part)
    wanted = types or [tensor_type(leaf) for leaf in leaves]
    made = [as_tensor(leaf, kind) for leaf, kind in zip(leaves, wanted, strict=True)]
    return tf.nest.pack_sequence_as(part, made)


def as_tensor(array: Any, kind: tf.DType) -> tf.Tensor:
    """Return one array as a tensor of a type."""
    tensor = array if tf.is_tensor(array) else tf.constant(_plain(array))
    return tensor if tensor.dtype == kind else tf.cast(tensor, kind)


def tensor_type(array: Any) -> tf.DType:
    """Return the type that Keras' ``fit`` gives an array."""
    if not tf.is_tensor(array) and array.dtype.kind in "OUS":
        return tf.string
    kind = tf.as_dtype(array.dtype)
    return tf.as_dtype(tf_keras.backend.floatx()) if kind.is_floating else kind


def warn_of_bytes(network: Any, inputs: Any) -> None:
    """Say a word if inputs are grey values from 0 to 255 that nothing in the network scales."""
    if said := word_on_bytes(network, inputs):
        warnings.warn(said, stacklevel=4)


def word_on_bytes(network: Any, inputs: Any) -> str:
    """Return what to say of grey values from 0 to 255 that nothing in the network scales, or ""."""
    scalers = {"Rescaling", "Normalization", "BatchNormalization", "Embedding", "Lambda"}
    if any(type(layer).__name__ in scalers for layer in network._flatten_layers()):
        return ""
    for array in tf.nest.flatten(inputs):
        if _holds_bytes(np.asarray(array)):
            return (
                f"The inputs run from {np.min(array):g} to {np.max(array):g}, as bytes do. Scale "
                "them, inputs / 255, or training will be slow and may diverge."
            )
    return ""


def check_eager() -> None:
    """Raise if eager execution is switched off.

    Raises
    ------
    ValueError
        If it is: nothing can be measured then.
    """
    if not tf.executing_eagerly():
        raise ValueError(
            "Eager execution is off. Call this outside of tf.function, and leave out "
            "tf.compat.v1.disable_eager_execution() and disable_v2_behavior()."
        )


def _structure(data: Any, name: str) -> Any:
    """Return a structure of arrays; lists become tuples, as in Keras."""
    if isinstance(data, dict):
        return {key: _structure(part, name) for key, part in data.items()}
    if isinstance(data, (list, tuple)) and any(_is_array(part) for part in data):
        return tuple(_structure(part, name) for part in data)
    return _array(data, name)


def _is_array(part: Any) -> bool:
    """Whether an item of a list is an array of its own, or holds some, rather than a number."""
    if isinstance(part, (list, tuple)):
        return any(_is_array(inner) for inner in part)
    return isinstance(part, dict) or scipy.sparse.issparse(part) or np.ndim(part) > 0


def _array(data: Any, name: str) -> Any:
    """Return one array; tensors stay tensors."""
    _check_type(data, name)
    if tf.is_tensor(data):
        return data if data.shape.rank else _no_rows(name)
    if isinstance(data, pd.Series):
        column = _of_frame(data.to_frame(), name)
        return column if name == "inputs" else column[:, 0]
    if isinstance(data, pd.DataFrame):
        return _of_frame(data, name)
    try:
        array = np.asarray(data)
    except ValueError:
        raise ValueError(f"{name} {_ragged()}") from None
    if array.dtype == object and array.ndim == 0:
        raise TypeError(f"{name} is a {type(data).__name__}: {PASS}")
    if array.dtype == object and not all(isinstance(x, (str, bytes)) for x in array.ravel()):
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{name} {_ragged()}") from None
    if array.dtype.kind not in "biufOUS":
        raise TypeError(f"{name} are of type {array.dtype}: pass numbers or words.")
    return array if array.ndim else _no_rows(name)


def _check_type(data: Any, name: str) -> None:
    if scipy.sparse.issparse(data) or isinstance(data, tf.SparseTensor):
        raise TypeError(f"{name} {DENSE}")
    if isinstance(data, tf.RaggedTensor):
        raise TypeError(f"{name} {_ragged()}")
    if np.ma.is_masked(data):
        raise ValueError(
            f"{name} is a masked array, and TensorFlow takes what lies under its mask: fill the "
            "gaps with array.filled(value), or leave those rows out."
        )
    if is_stream(data):
        raise TypeError(f"{name} hold a dataset inside a list or beside targets: pass it alone.")
    if data is None or isinstance(data, (str, bytes, Iterator)) or callable(data):
        raise TypeError(f"{name} is a {type(data).__name__}: {PASS}")


def _of_frame(frame: pd.DataFrame, name: str) -> Array:
    """Return the columns of a frame side by side [examples, columns]."""
    frame = frame.astype(dict.fromkeys(frame.select_dtypes("category"), object)).infer_objects()
    kinds = {str(column): str(kind) for column, kind in frame.dtypes.items()}
    numbers = all(pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes)
    if numbers:
        plain = [kind for kind in frame.dtypes if isinstance(kind, np.dtype)]
        array = frame.to_numpy(None if len(plain) == len(frame.dtypes) else np.float64)
        return frame.to_numpy(np.float64) if array.dtype == object else array  # of yes and numbers
    if all(isinstance(x, str) for x in frame.to_numpy().ravel()):
        return frame.to_numpy().astype(str)
    raise TypeError(
        f"{name} is a frame with columns of different kinds ({kinds}): pass dict(frame) to a "
        "network with an input for each column, or the columns that are numbers."
    )


def _rows(leaf: Any, places: Any) -> Any:
    """Return some rows of an array, or of a tensor, which takes no array of places."""
    is_slice = isinstance(places, slice) or not tf.is_tensor(leaf)
    return leaf[places] if is_slice else tf.gather(leaf, places)


def _plain(array: Any) -> Any:
    """Return an array as TensorFlow takes it: words as Python's."""
    return array.astype(object) if array.dtype.kind in "US" else array


def _no_rows(name: str) -> Any:
    raise ValueError(f"{name} must be arrays with one row for each example, not a single number.")


def _ragged() -> str:
    return (
        "have rows of unequal length: pad them to one length "
        "(tf_keras.utils.pad_sequences, or ragged.to_tensor())."
    )


def _check_lengths(examples: Examples) -> None:
    sizes = sorted({int(leaf.shape[0]) for leaf in examples.leaves()})
    if len(sizes) != 1 or sizes == [0]:
        raise ValueError(
            f"inputs and targets have {sizes} rows: pass the same number of both, at least one; "
            "examples count along the first axis."
        )


def _holds_bytes(array: Array) -> bool:
    if array.dtype.kind not in "uif" or array.ndim < 2 or not array.size:
        return False
    sample = array.reshape(-1)[:100_000]
    whole = array.dtype.kind in "ui" or bool(np.all(sample == np.floor(sample)))
    return whole and sample.min() >= 0 and 128 <= sample.max() <= 255
