"""From what a reader passes to the batches of a training, and what is minimised on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ..model.checks import check_finite_rows, check_number, check_whole, is_whole
from ..model.heads import arrange_targets, head_names, weights_of_heads
from ..model.inputs import (
    Examples,
    Stream,
    as_tensors,
    first_examples,
    is_stream,
    read_arrays,
    tensor_type,
    warn_of_bytes,
)
from ..model.likelihood import flatten_heads, has_heads
from ..model.network_call import call_network
from ..model.targets import check_targets
from .batches import BatchOrder
from .data import ArrayBatches, Batches
from .example_weights import check_weights, times_class_weight
from .negative_elbo import NegativeElbo, Understood, one_or_all, understand_network
from .stream_batches import StreamBatches

BATCH_SIZE = 128
FIRST = 64  # examples on which a network is tried
FEW_HELD_OUT = 3  # held-out examples on which it is tried


@dataclass(frozen=True)
class DataOptions:
    """How a reader's data are to be read.

    Attributes
    ----------
    likelihood
        What the reader says of the outputs, or ``None``.
    sample_weight
        A weight for each example, or a dict or list of them for each output, or ``None``.
    class_weight
        Class number ↦ weight, or ``None``.
    num_examples
        N, where it is another number than that of the rows.
    """

    likelihood: Any = None
    sample_weight: Any = None
    class_weight: Mapping[int, float] | None = None
    num_examples: int | None = None


@dataclass(frozen=True)
class TrainingData:
    """The batches of a training, N, what is minimised on them, and a few examples, as tensors."""

    batches: Batches
    num_examples: int
    objective: NegativeElbo
    understood: Understood
    few: Examples


def read_training_data(
    neural_net: tf_keras.Model,
    inputs: Any,
    targets: Any,
    options: DataOptions,
    *,
    batch_size: int | None,
    num_epochs: int,
    seed: int,
    kl_weight: float | None,
) -> TrainingData:
    """Read data of any form, after trying the network on the first of them.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says.
    """
    _check_numbers(options, kl_weight)
    reader = _Reader(neural_net, options, num_epochs, seed)
    batches: Batches
    if is_stream(inputs):
        batches = reader.stream(inputs, targets, batch_size)
    else:
        batches = reader.arrays(inputs, targets, batch_size)
    number = options.num_examples or batches.order.num_examples
    weight = 1.0 / number if kl_weight is None else float(kl_weight)
    understood = reader.understood
    objective = understood.negative_elbo(weight)
    return TrainingData(batches, number, objective, understood, reader.as_tensors(reader.few))


def read_validation_data(neural_net: tf_keras.Model, data: Any, training: TrainingData) -> Batches:
    """Read held-out data, which are weighed as they say and predicted as in training.

    Parameters
    ----------
    neural_net
        The network that is trained.
    data
        (inputs, targets[, weights]), or a dataset or sequence.
    training
        What was found out from the data of the training.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says.
    """
    order = training.batches.order
    is_several = isinstance(data, (tuple, list)) and len(data) in (2, 3)
    if not is_stream(data) and not is_several:
        raise ValueError(
            "validation_data must be (inputs, targets), (inputs, targets, weights) or a dataset."
        )
    if is_stream(data):
        reader = _Reader(neural_net, DataOptions(), order.num_epochs, order.seed)
        reader.understood, reader.is_to_try = training.understood, True
        return reader.read_stream(data)
    inputs, targets, *weights = data
    options = DataOptions(sample_weight=weights[0] if weights else None)
    reader = _Reader(neural_net, options, order.num_epochs, order.seed)
    reader.understood = training.understood
    examples = read_arrays(inputs, targets, options.sample_weight)
    _check_runs(neural_net, examples)
    return reader.in_batches(examples, min(order.batch_size, examples.num_examples))


def _check_runs(neural_net: tf_keras.Model, held_out: Examples) -> None:
    """Raise if the network does not take the inputs of held-out examples.

    Raises
    ------
    ValueError
        What is wrong with them.
    """
    try:
        call_network(neural_net, held_out.rows(slice(0, FEW_HELD_OUT)).inputs)
    except ValueError as error:
        raise ValueError(f"validation_data: {error}") from error


def _check_numbers(options: DataOptions, kl_weight: float | None) -> None:
    """Raise for numbers that no training can have."""
    if kl_weight is not None:
        check_number("kl_weight", kl_weight, 0, np.inf, "a number of at least 0; None means 1/N")
    if options.num_examples is not None:
        check_whole("num_examples", options.num_examples, 1, "N")


class _Reader:
    """Reads the data of one training."""

    def __init__(
        self, neural_net: tf_keras.Model, options: DataOptions, num_epochs: int, seed: int
    ) -> None:
        self.neural_net, self.options = neural_net, options
        self.num_epochs, self.seed = num_epochs, seed
        self.is_to_try = False  # on the first batch of a stream of held-out data
        self.understood: Understood
        self.few: Examples

    def arrays(self, inputs: Any, targets: Any, batch_size: int | None) -> ArrayBatches:
        """Read data in memory."""
        examples = read_arrays(inputs, targets, self.options.sample_weight)
        number = examples.num_examples
        size = min(BATCH_SIZE, number) if batch_size is None else batch_size
        if not (is_whole(size) and 1 <= size <= number):
            raise ValueError(
                f"batch_size is {size!r}, but there are {number} training examples: choose a batch "
                f"size from 1 to {number}."
            )
        self._try(examples.rows(slice(0, FIRST)))
        return self.in_batches(examples, int(size))

    def in_batches(self, examples: Examples, size: int) -> ArrayBatches:
        """Return examples in memory as batches, once the network was understood."""
        examples = self._checked(self._arranged(examples))
        weights = tf.nest.flatten(examples.weights) if examples.weights is not None else []
        types = [
            *self.understood.input_types,
            *self._target_types(examples.targets),
            *map(tensor_type, weights),
        ]
        order = BatchOrder(examples.num_examples, size, self.num_epochs, self.seed)
        return ArrayBatches(examples, types, order)

    def stream(self, source: Any, targets: Any, batch_size: int | None) -> StreamBatches:
        """Read a dataset or a sequence."""
        if targets is not None or self.options.sample_weight is not None or batch_size is not None:
            raise ValueError(
                "A dataset brings its own targets, weights and batches: leave targets, "
                "sample_weight and batch_size out."
            )
        self._try(first_examples(source, most=FIRST))
        return self.read_stream(source)

    def read_stream(self, source: Any) -> StreamBatches:
        """Return the batches of a dataset or a sequence, once the network was understood."""
        stream, epochs = Stream(source), self.num_epochs
        return StreamBatches(stream, self.as_tensors, self._check_batch, epochs, self.seed)

    def _try(self, few: Examples) -> None:
        with self.neural_net.distribute_strategy.scope():
            self.understood = understand_network(self.neural_net, few, self.options.likelihood)
        self.few = few
        warn_of_bytes(self.neural_net, few.inputs)

    def _arranged(self, examples: Examples) -> Examples:
        """Return the examples with the targets in the order of the heads, and weighted."""
        targets = arrange_targets(self.neural_net, examples.targets, self.understood.outputs)
        return Examples(examples.inputs, one_or_all(targets), self._weights(examples, targets))

    def _weights(self, examples: Examples, targets: list[Any]) -> Any:
        """Return the weights of the examples: for all heads, for each in a list, or ``None``."""
        weights, classes = examples.weights, self.options.class_weight
        if weights is not None:
            names = head_names(self.neural_net, self.understood.outputs)
            every = weights_of_heads(weights, names)
            for part, place in zip(every, self.understood.places, strict=True):
                check_weights(part, place)
            weights = every if has_heads(weights) and len(every) > 1 else every[0]
        if classes is None:
            return weights
        return times_class_weight(weights, targets, classes, self.understood)

    def _checked(self, examples: Examples) -> Examples:
        targets = tf.nest.flatten(examples.targets)
        check_targets(self.understood.likelihood, targets, self.understood.outputs)
        return examples

    def as_tensors(self, batch: Examples) -> Examples:
        """Return a batch as the network takes it, with the targets in the order of the heads."""
        if batch.targets is None:
            raise ValueError("The dataset has no targets: let it yield (inputs, targets).")
        batch = self._arranged(batch)
        return Examples(
            as_tensors(batch.inputs, self.understood.input_types),
            as_tensors(batch.targets, self._target_types(batch.targets)),
            None if batch.weights is None else as_tensors(batch.weights),
        )

    def _target_types(self, targets: Any) -> list[tf.DType]:
        """Return the types of the targets: ``floatx``, but as fine as an output of float64."""
        leaves = tf.nest.flatten(targets)
        outputs = flatten_heads(self.understood.outputs)
        return [
            tf.float64 if output.dtype == leaf.dtype == np.float64 else tensor_type(leaf)
            for output, leaf in zip(outputs, leaves, strict=True)
        ]

    def _check_batch(self, batch: Examples) -> None:
        if self.is_to_try:
            _check_runs(self.neural_net, batch)
            self.is_to_try = False
        for name, part in batch._asdict().items():
            for leaf in [] if part is None else tf.nest.flatten(part):
                check_finite_rows(leaf.numpy(), name)
        self._checked(batch)
