"""Predictions in pieces that fit into memory: some draws of the weights on some of the examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..draws.indexed_noise import IMAGES_PER_WORD, image_axis, noise_of_draws, noise_of_images
from ..draws.noise import Draw
from ..draws.replay import (
    Traced,
    describe_draw,
    has_loop,
    random_operations,
    replay,
    trace,
    unrepeatable_operations,
)
from ..draws.xla_lowering import check_xla_takes
from ..draws.xla_substitutes import SUBSTITUTES
from ..model.inputs import as_tensor
from ..model.untouched import quiet, variables_of
from .output_leaves import LeafNetwork

Array = npt.NDArray[Any]
Leaves = list[Array]

# More draws or examples at a time bring nothing: the matrix products are large enough.
MOST_DRAWS, MOST_TOGETHER = 16, 8192  # the latter: draws times examples
ENOUGH_DRAWS = 6  # what the draws share is then computed seldom enough


class PieceSize(NamedTuple):
    """How many draws and how many examples are computed at a time."""

    num_draws: int
    num_examples: int


class Pieces(NamedTuple):
    """The network traced for the examples of one piece, the size of a piece, and all its work.

    ``bytes_of_all`` are those of the results of all operations, for all draws and examples.
    """

    traced: Traced
    size: PieceSize
    bytes_of_all: float

    @property
    def counts(self) -> list[bool]:
        """For each output, whether its first axis counts the examples."""
        shapes = (leaf.shape for leaf in self.traced.outputs)
        return [bool(it.rank) and it[0] == self.size.num_examples for it in shapes]

    @property
    def has_noise(self) -> bool:
        """Whether one draw differs from another."""
        return bool(random_operations(self.traced))


def fit_pieces(
    network: LeafNetwork, num_examples: int, num_draws: int, max_memory: float
) -> Pieces | None:
    """Choose pieces that stay below ``max_memory`` bytes.

    Returns
    -------
    Pieces or None
        ``None`` if the network has a draw that cannot be taken from outside.

    Raises
    ------
    ValueError
        If the smallest piece does not fit.
    """
    for size_of_piece in numbers_of_examples(network, num_examples, num_draws):
        traced = trace(network.__call__, *network.specs(size_of_piece))
        if not _is_repeatable(traced):
            return None
        peak, total = bytes_of_a_draw(traced)
        fitting = int(max_memory // peak)
        if fitting >= min(num_draws, ENOUGH_DRAWS):
            break
    if fitting < 1:
        raise ValueError(
            f"max_memory is {max_memory:,.0f} bytes, but one draw of {size_of_piece} examples, the "
            f"smallest piece, needs {peak:,.0f}: allow at least so much."
        )
    most = min(num_draws, MOST_DRAWS, fitting) if random_operations(traced) else 1
    rounds = math.ceil(num_draws / most)
    size = PieceSize(math.ceil(num_draws / rounds), size_of_piece)
    return Pieces(traced, size, total * num_draws * math.ceil(num_examples / size_of_piece))


def numbers_of_examples(network: LeafNetwork, num_examples: int, num_draws: int) -> list[int]:
    """Return numbers of examples to compute at a time, the largest first.

    They are whole blocks, and no length of a weight or an example is a multiple of one, so that the
    lengths of a draw tell whether it counts examples.
    """
    lengths = {length for spec in network.specs(None) for length in spec.shape[1:]}
    for variable in variables_of(network.network):
        lengths |= {*variable.shape, math.prod(variable.shape)}
    num_pieces = math.ceil(num_examples * min(num_draws, MOST_DRAWS) / MOST_TOGETHER)
    target, numbers = math.ceil(num_examples / num_pieces), []
    while target:
        number = math.ceil(target / IMAGES_PER_WORD) * IMAGES_PER_WORD
        while any(length and length % number == 0 for length in lengths):
            number += IMAGES_PER_WORD
        numbers.append(number)
        target //= 2
    return sorted(set(numbers), reverse=True)


def bytes_of_a_draw(traced: Traced) -> tuple[float, float]:
    """Return what one draw of one piece needs at its peak, and what all its results take together.

    An operation's result is counted until its last reader is done; the noise, from the start.
    """
    operations = _ancestors(traced.outputs)
    random = set(random_operations(traced))
    last = {it.ref(): number for number, op in enumerate(operations) for it in op.inputs}
    noise = sum(_bytes(op.outputs) for op in random)
    live, peak, total = noise, 3 * noise, noise  # 3: making it takes arrays of its size
    for number, operation in enumerate(operations):
        made = 0 if operation in random else _bytes(operation.outputs)
        live, total = live + made, total + made
        peak = max(peak, live)
        read = {it.ref(): it for it in operation.inputs}
        live -= sum(_bytes([it]) for ref, it in read.items() if last[ref] == number)
    return peak, total


def compile_pieces(
    pieces: Pieces, num_draws: int, jit_compile: bool
) -> Callable[[Leaves, int, int], Leaves]:
    """Return (inputs, number of the first example, seed) ↦ outputs, computed by pieces.

    Each output is [draws, examples, …], or [draws, …] if the examples share it; of a network
    without noise there is one draw.

    Raises
    ------
    XlaRefusalError
        If XLA is to compile, and does not take the network.
    """
    shared_of, outputs_of = _compile(pieces, jit_compile)
    num_drawn = num_draws if pieces.has_noise else 1

    def predict(inputs: Leaves, first_example: int, seed: int) -> Leaves:
        """Return each output as [draws, examples, …], or [draws, …] if the examples share it."""
        batches = _batches(inputs, pieces)
        results = _empty(pieces, num_drawn, len(inputs[0]))
        for start in range(0, num_drawn, pieces.size.num_draws):
            # XLA reads 32 bits of a seed.
            which = tf.constant(seed % 2**32, tf.int64), tf.constant(start, tf.int64)
            shared = shared_of(*which)
            for first, batch in batches:
                block = tf.constant((first_example + first) // IMAGES_PER_WORD, tf.int64)
                parts = outputs_of(*batch, *which, block, *shared)
                for result, part, counts in zip(results, parts, pieces.counts, strict=True):
                    _put(result, part.numpy(), start, first if counts else None)
        return results

    return predict


def _empty(pieces: Pieces, num_draws: int, num_examples: int) -> Leaves:
    """Return room for the outputs of all draws and examples."""
    room = []
    for leaf, counts in zip(pieces.traced.outputs, pieces.counts, strict=True):
        shape = (num_examples, *leaf.shape[1:]) if counts else tuple(leaf.shape)
        room.append(np.empty((num_draws, *shape), leaf.dtype.as_numpy_dtype))
    return room


def _put(result: Array, part: Array, start: int, first: int | None) -> None:
    """Put the outputs of a piece into their place, without what filled it up."""
    place = result[start : start + len(part)]
    if first is None:
        place[:] = part[: len(place)]
    else:
        place = place[:, first : first + part.shape[1]]
        place[:] = part[: place.shape[0], : place.shape[1]]


def _batches(inputs: Leaves, pieces: Pieces) -> list[tuple[int, list[tf.Tensor]]]:
    """Return the number of the first example and the inputs of each piece, the last filled up."""
    size, total = pieces.size.num_examples, len(inputs[0])
    kinds = [spec.dtype for spec in pieces.traced.structured_input_signature[0]]
    found = []
    for start in range(0, total, size):
        rows = np.minimum(np.arange(start, start + size), total - 1)
        leaves = zip(inputs, kinds, strict=True)
        found.append((start, [as_tensor(leaf[rows], kind) for leaf, kind in leaves]))
    return found


def _compile(pieces: Pieces, jit_compile: bool) -> tuple[Any, Any]:
    """Return (seed, first draw) ↦ shared noise, and (inputs, …) ↦ outputs of a piece.

    Where an operation cannot be vectorised over the draws, they are computed one after another.
    """
    traced, (num_draws, num_examples), _ = pieces
    own, shared_draws, own_draws = _draws_by_owner(traced, num_examples)
    specs = traced.structured_input_signature[0]

    def shared_of(seed: tf.Tensor, first: tf.Tensor) -> list[tf.Tensor]:
        """Return the noise that all examples share, one tensor [draws, …] for each operation."""
        return noise_of_draws(shared_draws, seed, first, num_draws, one_by_one=jit_compile)

    def outputs_of(*inputs: tf.Tensor) -> list[tf.Tensor]:
        """Return the outputs of a piece, each [draws, …], the noise of its examples drawn here."""
        batch, (seed, first, block, *shared) = inputs[: len(specs)], inputs[len(specs) :]
        given = iter(shared)
        own_numbers = num_examples, seed, first, num_draws, block
        made = iter(noise_of_images(own_draws, *own_numbers, one_by_one=jit_compile))
        noise = [next(made if is_own else given) for is_own in own]
        return _over_draws(
            traced,
            batch,
            noise,
            dict(SUBSTITUTES) | {"Cast": _signs_as_float} if jit_compile else {},
        )

    number = tf.TensorSpec([], tf.int64)
    noise = [tf.TensorSpec([num_draws, *draw.shape], draw.dtype) for draw in shared_draws]
    return (
        _concrete(shared_of, jit_compile, number, number),
        _concrete(outputs_of, jit_compile, *specs, number, number, number, *noise),
    )


def _draws_by_owner(traced: Traced, num_examples: int) -> tuple[list[bool], list[Draw], list[Draw]]:
    """Return of each draw whether every example has its own; those that are shared; the others."""
    draws = [describe_draw(operation) for operation in random_operations(traced)]
    own = [image_axis(draw, num_examples) is not None for draw in draws]
    shared, others = (
        [draw for draw, it in zip(draws, own, strict=True) if it is kind] for kind in (False, True)
    )
    return own, shared, others


def _concrete(function: Callable[..., Any], jit_compile: bool, *specs: tf.TensorSpec) -> Any:
    """Return the function as one graph: of functions made anew, TensorFlow would warn."""
    compiled = tf.function(function, jit_compile=jit_compile, autograph=False)
    if jit_compile:
        check_xla_takes(compiled, specs)
    return compiled.get_concrete_function(*specs)


def _over_draws(
    traced: Traced, inputs: Sequence[tf.Tensor], noise: list[tf.Tensor], substitutes: Any
) -> list[tf.Tensor]:
    """Return the outputs, each [draws, …], for noise [draws, …]."""

    def one_draw(noise: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Return the outputs for the noise of one draw, without the axis of draws."""
        return replay(traced, inputs, noise, substitutes)

    if not noise or noise[0].shape[0] == 1:
        return [leaf[None] for leaf in one_draw([it[0] for it in noise])]
    if not has_loop(traced):  # of a loop that is replayed TensorFlow has no vectorised form
        try:
            # What depends on no draw is computed once, as the first product with the means. Where
            # TensorFlow cannot, it logs 80 lines of it, and the next line does without.
            with quiet():
                return tf.vectorized_map(one_draw, noise, fallback_to_while_loop=False)
        except (ValueError, NotImplementedError):  # an operation without a vectorised form
            pass
    kinds = [leaf.dtype for leaf in traced.outputs]
    return tf.map_fn(one_draw, noise, fn_output_signature=kinds)


def _signs_as_float(operation: tf.Operation, value: Any) -> tf.Tensor | None:
    """Compute 2 · coin − 1, the signs of Flipout, in the type to which they are cast.

    Whole numbers of 64 bits, in which TFP computes them, take a vector unit three times as long.
    """
    if not operation.outputs[0].dtype.is_floating:
        return None
    minus = operation.inputs[0].op
    times = minus.inputs[0].op if minus.type == "Sub" else None
    if times is None or times.type != "Mul":
        return None
    terms = [
        tf.cast(value(it), operation.outputs[0].dtype) for it in (*times.inputs, minus.inputs[1])
    ]
    return terms[0] * terms[1] - terms[2]


def _is_repeatable(traced: Traced) -> bool:
    """Whether all draws can be taken from outside, and all shapes are known before the call."""
    draws = [operation.outputs[0] for operation in random_operations(traced)]
    shapes = [tensor.shape for tensor in (*draws, *traced.outputs)]
    return not unrepeatable_operations(traced) and all(it.is_fully_defined() for it in shapes)


def _ancestors(tensors: Sequence[tf.Tensor]) -> list[tf.Operation]:
    """Return the operations that tensors need, in order."""
    todo, found = [tensor.op for tensor in tensors], set()
    while todo:
        operation = todo.pop()
        if operation not in found:
            found.add(operation)
            todo += [tensor.op for tensor in operation.inputs]
    return [it for it in tensors[0].graph.get_operations() if it in found]


def _bytes(tensors: Sequence[tf.Tensor]) -> float:
    """Return the bytes of those tensors that are arrays of a known shape."""
    arrays = [it for it in tensors if it.dtype.size and it.shape.is_fully_defined()]
    return sum(it.dtype.size * math.prod(it.shape) for it in arrays if it.dtype != tf.resource)
