"""Random numbers that belong to a draw of the weights and, where they do, to an image.

Each is a pure function of (seed, number of the draw, number of the image). So predictions can be
computed in pieces of any size, in any order, and stay the same.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from .noise import Draw, is_coin, numbers_from_bits

IMAGES_PER_WORD = 32  # a block: its images share the words from which they take their coins
_WORDS_PER_COUNT = 4  # the generator gives so many words at each step of its counter
_PHILOX = 1
_IMAGE_STREAMS = 2**16  # apart from the streams of what images share
_BIT_OF_IMAGE = np.arange(IMAGES_PER_WORD, dtype=np.int32)[:, None]


def image_axis(draw: Draw, num_images: int) -> int | None:
    """Return the axis of a draw for ``num_images`` images that counts them, if there is one.

    It is the first whose length is a multiple of ``num_images``, which should therefore be a number
    that no other length of the network is a multiple of.
    """
    axes = (axis for axis, size in enumerate(draw.shape) if size and size % num_images == 0)
    return next(axes, None)


def noise_of_draws(
    draws: Sequence[Draw],
    seed: tf.Tensor,
    first: tf.Tensor,
    num_draws: int,
    *,
    one_by_one: bool = False,
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
    one_by_one
        Whether to make the draws one after another, which is faster under XLA, and slower to build.
        The numbers are the same.
    """
    noise = []
    for stream, draw in enumerate(draws):
        bits = _bits([math.prod(draw.shape)], (seed, stream), 0 * first, first, num_draws)
        if is_coin(draw):  # a coin takes a word of its own here: these are few
            bits = [_coins(draw, tf.bitwise.right_shift(it, 31)) for it in bits]
            noise.append(tf.stack([tf.reshape(it, draw.shape) for it in bits]))
        else:
            noise.append(_numbers(draw, bits, one_by_one))
    return noise


def noise_of_images(
    draws: Sequence[Draw],
    num_images: int,
    seed: tf.Tensor,
    first: tf.Tensor,
    num_draws: int,
    first_block: tf.Tensor,
    *,
    one_by_one: bool = False,
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
    num_blocks, noise = num_images // IMAGES_PER_WORD, []
    for stream, draw in enumerate(draws, start=_IMAGE_STREAMS):
        words = _words(draw, num_images)
        start = first_block * (words // _WORDS_PER_COUNT)
        bits = _bits([num_blocks, words], (seed, stream), start, first, num_draws)
        noise.append(_by_image(draw, num_images, bits, one_by_one))
    return noise


def _by_image(draw: Draw, num_images: int, bits: list[tf.Tensor], one_by_one: bool) -> tf.Tensor:
    """Turn the words of the blocks, [blocks, words] for each draw, into the draws, [draws, …]."""
    axis = image_axis(draw, num_images) or 0
    inner = [*draw.shape[:axis], draw.shape[axis] // num_images, *draw.shape[axis + 1 :]]
    one = draw._replace(shape=(num_images, *inner))
    if is_coin(draw):  # bit k of a word belongs to image k of its block
        words = tf.stack(bits)[:, :, None, : math.prod(inner)]  # few words: coins are made late
        numbers = _coins(draw, tf.bitwise.right_shift(words, _BIT_OF_IMAGE))
    else:
        numbers = _numbers(one, bits, one_by_one)
    numbers = tf.reshape(numbers, [len(bits), *one.shape])
    if math.prod(draw.shape[:axis]) > 1:  # put the images into their place
        before, after = range(2, axis + 2), range(axis + 2, len(one.shape) + 1)
        numbers = tf.transpose(numbers, [0, *before, 1, *after])
    return tf.reshape(numbers, [len(bits), *draw.shape])


def _numbers(draw: Draw, bits: list[tf.Tensor], one_by_one: bool) -> tf.Tensor:
    """Turn words for each draw into numbers, [draws, …]."""
    if one_by_one:
        return tf.stack([numbers_from_bits(draw, tf.reshape(it, [-1])) for it in bits])
    together = draw._replace(shape=(len(bits), *draw.shape))
    return numbers_from_bits(together, tf.reshape(tf.stack(bits), [-1]))


def _coins(draw: Draw, bits: tf.Tensor) -> tf.Tensor:
    """Turn the lowest bit of each word into one of the two outcomes."""
    return tf.cast(tf.bitwise.bitwise_and(bits, 1), draw.dtype) + tf.cast(draw.low, draw.dtype)


def _bits(
    shape: list[int], key: tuple[tf.Tensor, int], start: tf.Tensor, first: tf.Tensor, num_draws: int
) -> list[tf.Tensor]:
    """Return random int32 words for each draw.

    The key is (seed, number of the stream); the generator counts the words of a draw from
    ``start``, and beside them the draws, from ``first``. Each array has a stream of its own: XLA
    vectorises it so, and not when it is cut out of a longer one.
    """
    seeds = tf.stack([key[0], tf.constant(key[1], tf.int64)])
    mixed, _ = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seeds)
    numbers = first + tf.range(num_draws, dtype=tf.int64)
    counters = tf.unstack(tf.cast(tf.stack([start + 0 * numbers, numbers], 1), tf.uint64))
    options = {"shape": shape, "key": mixed, "alg": _PHILOX, "dtype": tf.int32}
    return [tf.raw_ops.StatelessRandomUniformFullIntV2(counter=it, **options) for it in counters]


def _words(draw: Draw, num_images: int) -> int:
    """Return how many words a block of images uses, whole steps of the generator's counter."""
    per_image = math.prod(draw.shape) // num_images
    words = per_image if is_coin(draw) else per_image * IMAGES_PER_WORD
    return math.ceil(words / _WORDS_PER_COUNT) * _WORDS_PER_COUNT
