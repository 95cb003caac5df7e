"""A look at the first batch of ``fit``: taken from its iterator, and put back in front."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


def take_steps(iterator: Any, num_steps: int) -> list[Any]:
    """Return what an iterator of ``fit`` yields next: an element for each of some steps.

    Raises
    ------
    StopIteration
        If it yields nothing at all. If it ends early, the list is shorter.
    """
    elements = [next(iterator)]
    for _ in range(num_steps - 1):
        try:
            elements.append(next(iterator))
        except (StopIteration, tf.errors.OutOfRangeError):
            break
    return elements


def again(elements: list[Any], iterator: Any, strategy: tf.distribute.Strategy) -> Any:
    """Return an iterator over the elements, of the type of the one that they were taken from.

    The types are equal, so that a function traced for the one takes the other, too.

    Parameters
    ----------
    elements
        As :func:`take_steps` returns them.
    iterator
        Of ``fit``: of a dataset, or of a distributed one.
    strategy
        Of the network.
    """
    if isinstance(iterator, tf.data.Iterator):
        return iter(_dataset(elements, iterator.element_spec))
    of_replicas = [part for element in elements for part in by_replica(element, strategy)]
    spec = tf.nest.map_structure(_of_one_replica, iterator.element_spec)
    distributed = strategy.distribute_datasets_from_function(lambda _: _dataset(of_replicas, spec))
    return iter(distributed)


def by_replica(element: Any, strategy: tf.distribute.Strategy) -> list[Any]:
    """Return the part of an element that each replica of this process gets."""
    leaves = [strategy.experimental_local_results(leaf) for leaf in tf.nest.flatten(element)]
    return [
        tf.nest.pack_sequence_as(element, [leaf[replica] for leaf in leaves])
        for replica in range(len(leaves[0]))
    ]


def rows_of(element: Any, most: int) -> tuple[Any, Any]:
    """Return at most so many rows of an element's inputs and targets."""
    inputs, targets, _ = tf_keras.utils.unpack_x_y_sample_weight(element)
    cut = [
        None if part is None else tf.nest.map_structure(lambda leaf: leaf[:most], part)
        for part in (inputs, targets)
    ]
    return cut[0], cut[1]


def _dataset(elements: list[Any], spec: Any) -> tf.data.Dataset:
    """Return a dataset of the elements with a given specification (``None`` for the rows)."""
    dataset = tf.data.Dataset.from_tensors(elements[0])
    for element in elements[1:]:
        dataset = dataset.concatenate(tf.data.Dataset.from_tensors(element))
    variant = tf.data.experimental.to_variant(dataset)
    return tf.data.experimental.from_variant(variant, spec)


def _of_one_replica(spec: Any) -> Any:
    """Return the specification of one replica's part; a single replica has no wrapper."""
    parts = getattr(spec, "_value_specs", None)
    return spec if parts is None else parts[0]
