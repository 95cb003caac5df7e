"""Random numbers that belong to a draw of the weights and, where they do, to an image.

Each is a pure function of (seed, number of the draw, number of the image). So predictions can be
computed in pieces of any size, in any order, and stay the same.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from helpers.noise import Draw, is_coin, numbers_from_bits

IMAGES_PER_WORD = 32  # a block: its images share the words from which they take their coins
_WORDS_PER_COUNT = 4  # the generator gives so many words at each step of its counter
_PHILOX = 1


def image_axis(draw: Draw, num_images: int) -> int | None:
    """Return the axis of a draw for ``num_images`` images that counts them, if there is one.

    It is the first whose length is a multiple of ``num_images``, which should therefore be a number
    that no other length of the network is a multiple of.
    """
    axes = (axis for axis, size in enumerate(draw.shape) if size and size % num_images == 0)
    return next(axes, None)


def noise_of_draws(
    draws: Sequence[Draw], seed: tf.Tensor, first: tf.Tensor, num_draws: int
) -> list[tf.Tensor]:
    """Return what all images share, for the draws from ``first`` on: [num_draws, …] of each.

    Parameters
    ----------
    draws
        What to draw.
    seed, first
        int64 scalars.
    num_draws
        S, how many draws of the weights.
    """
    if not draws:
        return []
    words = [math.prod(draw.shape) for draw in draws]
    row = _padded(sum(words))
    start = tf.stack([first * (row // _WORDS_PER_COUNT), tf.zeros_like(first)])
    parts = tf.split(_bits([num_draws, row], seed, 0, start), [*words, row - sum(words)], axis=1)
    noise = []
    for draw, part in zip(draws, parts[:-1], strict=True):
        if is_coin(draw):  # one word to a coin: these are few
            part = tf.bitwise.bitwise_and(tf.bitwise.right_shift(part, 31), 1)
            part = tf.cast(part, draw.dtype) + tf.cast(draw.low, draw.dtype)
            noise.append(tf.reshape(part, [num_draws, *draw.shape]))
        else:
            noise.append(numbers_from_bits(_repeated(draw, num_draws), part))
    return noise


def noise_of_images(
    draws: Sequence[Draw],
    num_images: int,
    seed: tf.Tensor,
    first: tf.Tensor,
    num_draws: int,
    first_block: tf.Tensor,
) -> list[tf.Tensor]:
    """Return what each image has of its own, for some draws and some blocks of images.

    Parameters
    ----------
    draws
        What to draw for ``num_images`` images; each has an :func:`image_axis`.
    num_images
        A multiple of ``IMAGES_PER_WORD``.
    seed, first, num_draws
        As in :func:`noise_of_draws`.
    first_block
        int64 scalar: the number of the first image divided by ``IMAGES_PER_WORD``.
    """
    if not draws:
        return []
    num_blocks, words = num_images // IMAGES_PER_WORD, [_words(it, num_images) for it in draws]
    row = _padded(sum(words))
    start = first_block * (row // _WORDS_PER_COUNT)
    bits = tf.stack(
        [_bits([num_blocks, row], seed, 1, tf.stack([start, first + k])) for k in range(num_draws)]
    )
    parts = tf.split(bits, [*words, row - sum(words)], axis=2)
    return [_by_image(it, num_images, part) for it, part in zip(draws, parts[:-1], strict=True)]


def _by_image(draw: Draw, num_images: int, bits: tf.Tensor) -> tf.Tensor:
    """Turn the words of the blocks, [draws, blocks, words], into the draw, [draws, …]."""
    axis, num_draws = image_axis(draw, num_images), bits.shape[0]
    inner = [*draw.shape[:axis], draw.shape[axis] // num_images, *draw.shape[axis + 1 :]]
    flat = draw._replace(shape=(num_draws, num_images, *inner))
    if is_coin(draw):  # bit k of a word belongs to image k of its block
        images = tf.range(IMAGES_PER_WORD)[:, None]
        bits = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits[:, :, None, :], images), 1)
        numbers = tf.cast(bits, draw.dtype) + tf.cast(draw.low, draw.dtype)
        numbers = tf.reshape(numbers, flat.shape)
    else:
        numbers = numbers_from_bits(flat, tf.reshape(bits, [-1]))
    order = [0, *range(2, 2 + axis), 1, *range(2 + axis, 2 + len(draw.shape))]
    if math.prod(draw.shape[:axis]) > 1:
        numbers = tf.transpose(numbers, order)
    return tf.reshape(numbers, [num_draws, *draw.shape])


def _bits(shape: list[int], seed: tf.Tensor, stream: int, counter: tf.Tensor) -> tf.Tensor:
    """Return random int32 words, in the order of the counter that starts at ``counter``."""
    seeds = tf.stack([seed, tf.constant(stream, tf.int64)])
    key, _ = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seeds)
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, key=key, counter=tf.cast(counter, tf.uint64), alg=_PHILOX, dtype=tf.int32
    )


def _words(draw: Draw, num_images: int) -> int:
    """Return how many words a block of images uses."""
    per_image = math.prod(draw.shape) // num_images
    return per_image if is_coin(draw) else per_image * IMAGES_PER_WORD


def _padded(num_words: int) -> int:
    return -(-num_words // _WORDS_PER_COUNT) * _WORDS_PER_COUNT


def _repeated(draw: Draw, num_draws: int) -> Draw:
    return draw._replace(shape=(num_draws, *draw.shape))
