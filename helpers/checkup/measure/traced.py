"""What ``fit`` has compiled, beside what the same code says now."""

from typing import Any

import tensorflow as tf

from .batch import Batch


def traced_loss(network: Any, batch: Batch) -> float | None:
    """Return the loss of one step as ``fit`` compiled it, None if it has compiled nothing.

    The step moves the weights: run it where they are put back.
    """
    concrete = _compiled_steps(network)
    if not concrete:
        return None
    function = network.train_tf_function
    spec = concrete[0].structured_input_signature[0][0]._element_spec
    elements = _elements(spec, batch)
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    try:
        network.reset_metrics()
        make = tf.data.Dataset.from_generator
        logs = function(iter(make(lambda: iter([elements]), output_signature=spec).repeat()))
    finally:
        tf.config.run_functions_eagerly(eagerly)
    return float(tf.reduce_sum(logs["loss"]))


def rows_of_step(network: Any) -> int | None:
    """Return the rows of the batch for which ``fit`` compiled a step, None if any number will do.

    A loss that is a sum over the batch is another number beside other rows.
    """
    [signature] = [it.structured_input_signature for it in _compiled_steps(network)][:1]
    leaves = tf.nest.flatten(signature[0][0]._element_spec)
    rows = [leaf.shape[0] for leaf in leaves if leaf.shape.rank]
    return rows[0] if rows else None


def has_traced_step(network: Any) -> bool:
    """Whether ``fit`` has compiled a step of the network."""
    return bool(_compiled_steps(network))


def _compiled_steps(network: Any) -> list[Any]:
    function = getattr(network, "train_tf_function", None)
    if function is None or not is_compiled_function(function) or network._run_eagerly:
        return []
    return list(function._list_all_concrete_functions())


def traced_rows(function: Any) -> int | None:
    """Return the rows of the batch for which a tf.function was traced, 0 if any number will do.

    None if it is no tf.function, or was never called.
    """
    if not is_compiled_function(function):
        return None
    concrete = function._list_all_concrete_functions()
    if not concrete:
        return None
    leaves = tf.nest.flatten(concrete[0].structured_input_signature[0])
    shapes = [leaf.shape for leaf in leaves if isinstance(leaf, tf.TensorSpec)]
    rows = [shape[0] for shape in shapes if shape.rank]
    return (rows[0] or 0) if rows else None


def is_compiled_function(function: Any) -> bool:
    """Whether something is a ``tf.function``."""
    return hasattr(function, "_list_all_concrete_functions")


def _elements(spec: Any, batch: Batch) -> Any:
    """Return inputs and targets in the structure, types and number of rows of the signature."""
    given = tf.nest.flatten(batch.inputs) + tf.nest.flatten(batch.targets)
    flat = tf.nest.flatten(spec)
    fitted = []
    for wanted, array in zip(flat, given, strict=True):
        rows = wanted.shape[0] or batch.size
        taken = tf.gather(array, [i % batch.size for i in range(rows)])
        shape = [rows, *[a or b for a, b in zip(wanted.shape[1:], taken.shape[1:], strict=False)]]
        fitted.append(tf.reshape(tf.cast(taken, wanted.dtype), shape[: wanted.shape.rank]))
    return tf.nest.pack_sequence_as(spec, fitted)
