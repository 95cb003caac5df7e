"""A traced function put together again, with the random numbers coming in from outside.

TensorFlow draws inside the layers, from generators whose state nobody can save. Here a function is
traced once, and its operations are created a second time, all but the random ones: their place
takes what the caller drew. The result depends on its inputs alone. So a run can be resumed draw for
draw, split over devices without a change, and its noise drawn by whatever is fastest.

Introduced in chapters/19-step-cost.md, "Operations in a training step".
"""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import tensorflow as tf

from .noise import Draw, Shape
from .xla_substitutes import Substitute, Value

Traced = Any  # a ConcreteFunction of TensorFlow, which ships no types
# A tensor for each random operation, or (its number, what it draws) ↦ the tensor
Noise = Sequence[tf.Tensor] | Callable[[int, Draw], tf.Tensor]

_KINDS: dict[str, Literal["normal", "uniform", "integer"]] = {
    "RandomStandardNormal": "normal",
    "StatelessRandomNormalV2": "normal",
    "RandomUniform": "uniform",
    "StatelessRandomUniformV2": "uniform",
    "RandomUniformInt": "integer",
    "StatelessRandomUniformIntV2": "integer",
}


def trace(function: Callable[..., Any], *specs: tf.TensorSpec) -> Traced:
    """Return ``function`` as a graph for inputs of these shapes and types."""
    return tf.function(function).get_concrete_function(*specs)


def random_operations(traced: Traced) -> list[tf.Operation]:
    """Return the operations whose draws :func:`replay` takes from outside, in order.

    Left out are those that only feed the seed of another, and those whose seed is a constant of the
    program, which draw the same numbers at every call.
    """
    return [operation for operation in _needed(traced) if _is_replaceable(operation)]


def unrepeatable_operations(traced: Traced) -> list[str]:
    """Return the names of the random operations that :func:`replay` cannot take from outside.

    They draw from TensorFlow's own state (a gamma distribution, a draw inside a loop of the graph),
    so that no run with them can be repeated draw for draw.
    """
    library = traced.graph.as_graph_def().library.function
    bodies = {function.signature.name: function.node_def for function in library}

    @functools.cache
    def draws(name: str) -> bool:
        """Whether a function of the graph draws, or one that it calls."""
        nodes = bodies.get(name, ())
        return any(_draws_by_state(node.op) or any(map(draws, _called(node))) for node in nodes)

    return [
        operation.name
        for operation in _needed(traced)
        if (_draws_by_state(operation.type) and operation.type not in _KINDS)
        or any(map(draws, _called(operation.node_def)))
    ]


def has_loop(traced: Traced) -> bool:
    """Whether the graph holds a loop, as that of a recurrent layer, or a function of it does."""
    definition = traced.graph.as_graph_def()
    graphs = [definition.node, *(function.node_def for function in definition.library.function)]
    return any(node.op in ("While", "StatelessWhile") for nodes in graphs for node in nodes)


def describe_draw(operation: tf.Operation, shape: Shape = None) -> Draw:
    """Return what a random operation draws.

    Parameters
    ----------
    operation
        One of :func:`random_operations`.
    shape
        Of its draw, where that is not known before the call.

    Raises
    ------
    ValueError
        If its shape or its range is not known before the call.
    """
    known, kind = operation.outputs[0].shape, _KINDS[operation.type]
    if shape is None and not known.is_fully_defined():
        raise ValueError(
            f"The draw {operation.name} has the shape {known}, which is not known before the call. "
            "Give the layer inputs of a fixed shape."
        )
    bounds = operation.inputs[-2:] if kind == "integer" else []
    values = [tf.get_static_value(bound) for bound in bounds]
    if any(value is None for value in values):
        raise ValueError(
            f"The draw {operation.name} has a range that is not known before the call. Give it "
            "constant bounds (minval, maxval)."
        )
    shape = tuple(known) if shape is None else shape
    return Draw(kind, shape, operation.outputs[0].dtype, *map(int, values))


def replay(
    traced: Traced,
    inputs: Sequence[tf.Tensor],
    noise: Noise,
    substitutes: Mapping[str, Substitute] = MappingProxyType({}),
    keep: Collection[str] = (),
) -> list[tf.Tensor]:
    """Create the operations of ``traced`` in the graph that is being built now.

    Parameters
    ----------
    traced
        What :func:`trace` returned.
    inputs
        One tensor for each of its inputs.
    noise
        One tensor for each of its :func:`random_operations`, or a function that makes them, of
        shapes that may depend on the inputs.
    substitutes
        By the type of an operation, a function that may take its place.
    keep
        Types of operations whose results are returned too.

    Returns
    -------
    list of tf.Tensor
        Its outputs, flat, and after them the results of the operations of these types.

    Raises
    ------
    ValueError
        If there are more or fewer tensors of noise than random operations.
    """
    graph = tf.compat.v1.get_default_graph()
    _copy_functions(traced)
    outside = [*inputs, *(captured for captured, _ in traced.graph.captures)]
    values = {old.ref(): new for old, new in zip(traced.inputs, outside, strict=True)}

    def value_of(tensor: tf.Tensor) -> tf.Tensor:
        """Return the new tensor that stands for one of the traced graph."""
        return values[tensor.ref()]

    random = {operation: number for number, operation in enumerate(random_operations(traced))}
    if not callable(noise) and len(noise) != len(random):
        raise ValueError(f"The function draws {len(random)} times, but {len(noise)} were given.")
    for operation in _needed(traced):
        if operation.type == "Placeholder":
            continue
        if operation in random:
            instead = _drawn(operation, random[operation], noise, value_of)
        else:
            substitute = substitutes.get(operation.type)
            instead = substitute(operation, value_of) if substitute else None
        if instead is not None:
            outputs = [instead]
        else:
            outputs = _copy(operation, map(value_of, operation.inputs), graph).outputs
        values |= {old.ref(): new for old, new in zip(operation.outputs, outputs, strict=True)}
    kept = [operation.outputs[0] for operation in _needed(traced) if operation.type in keep]
    return [value_of(tensor) for tensor in (*traced.outputs, *kept)]


def _drawn(operation: tf.Operation, number: int, noise: Noise, value_of: Value) -> tf.Tensor:
    """Return what the caller drew in place of a random operation."""
    if not callable(noise):
        return noise[number]
    is_known = operation.outputs[0].shape.is_fully_defined()
    shape = None if is_known else value_of(operation.inputs[0])  # of TensorFlow's random operations
    return noise(number, describe_draw(operation, shape))


def _copy(operation: tf.Operation, inputs: Iterable[tf.Tensor], graph: tf.Graph) -> tf.Operation:
    """Create one operation again, on other inputs."""
    attributes = dict(operation.node_def.attr)
    attributes.pop("_class", None)  # would tie it to an operation of the old graph
    types = [output.dtype for output in operation.outputs]
    return graph.create_op(
        operation.type, list(inputs), types, name=operation.name, attrs=attributes
    )


def _copy_functions(traced: Traced) -> None:
    """Make the functions that ``traced`` calls known to the graph that is being built."""
    library = traced.graph.as_graph_def().library
    if library.function:
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef(library=library))


def _called(node: Any) -> list[str]:
    """Return the names of the functions that a node calls."""
    values = node.attr.values()
    return [it.name for value in values for it in (value.func, *value.list.func) if it.name]


def _needed(traced: Traced) -> list[tf.Operation]:
    """Return the operations that outputs and side effects need, in order.

    What only the seed of a replaceable draw needs is not among them, as the state of a generator;
    what its shape needs is, unless the shape is known.
    """
    effects = [it for it in traced.graph.control_outputs if it.type != "RngReadAndSkip"]
    todo = [*(tensor.op for tensor in traced.outputs), *effects]
    found: set[tf.Operation] = set()
    while todo:
        operation = todo.pop()
        if operation not in found:
            found.add(operation)
            todo += _inputs(operation)
    todo = [it for it in traced.graph.get_operations() if it in found][::-1]
    ordered: dict[tf.Operation, None] = {}
    while todo:  # what a loop keeps for its gradient is made after the loop, and is its input
        missing = [it for it in _inputs(todo[-1]) if it not in ordered]
        if not missing:
            ordered[todo[-1]] = None
            todo.pop()
        todo += missing
    return list(ordered)


def _inputs(operation: tf.Operation) -> list[tf.Operation]:
    """Return the operations on whose results this one depends; of a draw, those of its shape."""
    inputs = list(operation.inputs)
    if _is_replaceable(operation):  # the shape is the first input
        inputs = [] if operation.outputs[0].shape.is_fully_defined() else inputs[:1]
    return [tensor.op for tensor in inputs]


def _is_replaceable(operation: tf.Operation) -> bool:
    """Whether it draws from a state, its own or that of the operation that seeds it."""
    if operation.type not in _KINDS:
        return False
    todo, seen = [operation], set()
    while todo:
        ancestor = todo.pop()
        if _draws_by_state(ancestor.type):
            return True
        if ancestor not in seen:
            seen.add(ancestor)
            todo += [tensor.op for tensor in ancestor.inputs]
    return False


def _draws_by_state(operation_type: str) -> bool:
    """Whether operations of this type draw from a state that TensorFlow keeps."""
    stateful = {"Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal", "RngReadAndSkip"}
    prefixes = ("Random", "StatefulRandom", "StatefulUniform", "StatefulStandardNormal")
    return operation_type in stateful or operation_type.startswith(prefixes)
