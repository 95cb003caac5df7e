"""Predictions in pieces that fit into memory: some draws of the weights on some of the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..draws.indexed_noise import IMAGES_PER_WORD, image_axis, noise_of_draws, noise_of_images
from ..draws.noise import Draw
from ..draws.replay import (
    Traced,
    describe_draw,
    random_operations,
    replay,
    trace,
    unrepeatable_operations,
)
from ..draws.xla_substitutes import SUBSTITUTES

Array = npt.NDArray[np.float64]

# More draws or images at a time bring nothing: the matrix products are large enough.
MOST_DRAWS, MOST_TOGETHER = 16, 8192  # the latter: draws times images
ENOUGH_DRAWS = 6  # what the draws share is then computed seldom enough


class PieceSize(NamedTuple):
    """How many draws and how many images are computed at a time."""

    num_draws: int
    num_images: int


class Pieces(NamedTuple):
    """The network traced for the images of one piece, the size of a piece, and all its work.

    ``bytes_of_all`` are those of the results of all operations, for all draws and images.
    """

    traced: Traced
    size: PieceSize
    bytes_of_all: float


def fit_pieces(
    neural_net: tf_keras.Model, shape: tuple[int, ...], num_draws: int, max_memory: float
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
    for num_images in numbers_of_images(neural_net, shape, num_draws):
        spec = tf.TensorSpec([num_images, *shape[1:]], tf.float32)
        traced = trace(lambda images: tf.convert_to_tensor(neural_net(images)), spec)
        if not _is_repeatable(traced):
            return None
        peak, total = bytes_of_a_draw(traced)
        fitting = int(max_memory // peak)
        if fitting >= min(num_draws, ENOUGH_DRAWS):
            break
    if fitting < 1:
        raise ValueError(
            f"max_memory is {max_memory:,.0f} bytes, but one draw of {num_images} images, the "
            f"smallest piece, needs {peak:,.0f}: allow at least so much."
        )
    most = min(num_draws, MOST_DRAWS, fitting) if random_operations(traced) else 1
    rounds = math.ceil(num_draws / most)
    size = PieceSize(math.ceil(num_draws / rounds), num_images)
    return Pieces(traced, size, total * num_draws * math.ceil(shape[0] / num_images))


def numbers_of_images(
    neural_net: tf_keras.Model, shape: tuple[int, ...], num_draws: int
) -> list[int]:
    """Return numbers of images to compute at a time, the largest first.

    They are whole blocks, and no length of a weight or an image is a multiple of one, so that the
    lengths of a draw tell whether it counts images.
    """
    lengths = {*shape[1:]}
    for variable in neural_net.variables:
        lengths |= {*variable.shape, math.prod(variable.shape)}
    num_pieces = math.ceil(shape[0] * min(num_draws, MOST_DRAWS) / MOST_TOGETHER)
    target, numbers = math.ceil(shape[0] / num_pieces), []
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
) -> Callable[[npt.NDArray[np.float32], int], Array]:
    """Return (images, seed) ↦ probabilities [draws, examples, classes], computed by pieces."""
    shared_of, logits_of = _compile(pieces, jit_compile)
    has_noise = bool(random_operations(pieces.traced))
    starts = range(0, num_draws, pieces.size.num_draws) if has_noise else [0]

    def predict(images: npt.NDArray[np.float32], seed: int) -> Array:
        batches = _batches(images, pieces.size.num_images)
        num_classes = logits_of.structured_outputs.shape[-1]
        result = np.empty((num_draws, len(images), num_classes))
        for start in starts:
            # XLA reads 32 bits of a seed.
            which = tf.constant(seed % 2**32, tf.int64), tf.constant(start, tf.int64)
            shared = shared_of(*which)
            for first, batch in batches:
                block = tf.constant(first // IMAGES_PER_WORD, tf.int64)
                part = probabilities(logits_of(batch, *which, block, *shared))
                place = result[start : start + len(part), first : first + len(batch)]
                place[:] = part[: place.shape[0], : place.shape[1]]
        if not has_noise:
            result[1:] = result[0]
        return result

    return predict


def probabilities(logits: tf.Tensor) -> Array:
    """Return the softmax in float64."""
    return tf.nn.softmax(tf.cast(logits, tf.float64)).numpy()


def _batches(images: npt.NDArray[np.float32], size: int) -> list[tuple[int, tf.Tensor]]:
    """Return the number of the first image and the images of each piece, the last one filled up."""
    starts = range(0, len(images), size)
    rows = [np.minimum(np.arange(start, start + size), len(images) - 1) for start in starts]
    return [(start, tf.constant(images[row])) for start, row in zip(starts, rows, strict=True)]


def _compile(pieces: Pieces, jit_compile: bool) -> tuple[Any, Any]:
    """Return (seed, first draw) ↦ shared noise, and (images, …) ↦ logits of a piece.

    Where an operation cannot be vectorised over the draws, they are computed one after another.
    """
    traced, (num_draws, num_images), _ = pieces
    own, shared_draws, own_draws = _draws_by_owner(traced, num_images)

    def shared_of(seed: tf.Tensor, first: tf.Tensor) -> list[tf.Tensor]:
        return noise_of_draws(shared_draws, seed, first, num_draws, one_by_one=jit_compile)

    def logits_of(images: tf.Tensor, seed: Any, first: Any, block: Any, *shared: Any) -> tf.Tensor:
        given = iter(shared)
        own_numbers = num_images, seed, first, num_draws, block
        made = iter(noise_of_images(own_draws, *own_numbers, one_by_one=jit_compile))
        noise = [next(made if is_own else given) for is_own in own]
        return _over_draws(
            traced,
            images,
            noise,
            dict(SUBSTITUTES) | {"Cast": _signs_as_float} if jit_compile else {},
        )

    number = tf.TensorSpec([], tf.int64)
    noise = [tf.TensorSpec([num_draws, *draw.shape], draw.dtype) for draw in shared_draws]
    images = traced.structured_input_signature[0]
    return (
        _concrete(shared_of, jit_compile, number, number),
        _concrete(logits_of, jit_compile, *images, number, number, number, *noise),
    )


def _draws_by_owner(traced: Traced, num_images: int) -> tuple[list[bool], list[Draw], list[Draw]]:
    """Return of each draw whether every image has its own; those that are shared; the others."""
    draws = [describe_draw(operation) for operation in random_operations(traced)]
    own = [image_axis(draw, num_images) is not None for draw in draws]
    shared, others = (
        [draw for draw, it in zip(draws, own, strict=True) if it is kind] for kind in (False, True)
    )
    return own, shared, others


def _concrete(function: Callable[..., Any], jit_compile: bool, *specs: tf.TensorSpec) -> Any:
    """Return the function as one graph: of functions made anew, TensorFlow would warn."""
    compiled = tf.function(function, jit_compile=jit_compile, autograph=False)
    return compiled.get_concrete_function(*specs)


def _over_draws(
    traced: Traced, images: tf.Tensor, noise: list[tf.Tensor], substitutes: Any
) -> tf.Tensor:
    """Return the logits [draws, images, classes] for noise [draws, …]."""

    def one_draw(noise: Sequence[tf.Tensor]) -> tf.Tensor:
        return replay(traced, [images], noise, substitutes)[0]

    if not noise or noise[0].shape[0] == 1:
        return one_draw([it[0] for it in noise])[None]
    try:
        # What depends on no draw is computed once, as the first product with the means.
        return tf.vectorized_map(one_draw, noise, fallback_to_while_loop=False)
    except (ValueError, NotImplementedError):  # an operation without a vectorised form
        return tf.map_fn(one_draw, noise, fn_output_signature=traced.outputs[0].dtype)


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
    """Whether all draws can be taken from outside."""
    shapes = [operation.outputs[0].shape for operation in random_operations(traced)]
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
