"""Noise by draw and image: pure functions of both, with the right distribution."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from helpers.draws.indexed_noise import image_axis, noise_of_draws, noise_of_images
from helpers.draws.noise import Draw

SIGNS = Draw("integer", (96, 5), tf.int64)
NORMAL = Draw("normal", (2, 96, 7), tf.float32)
DRAWS = [SIGNS, NORMAL]


def number(value):
    return tf.constant(value, tf.int64)


def of_images(num_images, first, num_draws, block, seed=3):
    draws = [
        draw._replace(shape=tuple(num_images if size == 96 else size for size in draw.shape))
        for draw in DRAWS
    ]
    made = noise_of_images(draws, num_images, number(seed), number(first), num_draws, number(block))
    return [it.numpy() for it in made]


def test_the_axis_of_the_images_is_found():
    assert image_axis(SIGNS, 96) == 0
    assert image_axis(NORMAL, 96) == 1
    assert image_axis(Draw("normal", (4, 192), tf.float32), 96) == 1
    assert image_axis(Draw("normal", (4, 5), tf.float32), 96) is None


def test_a_piece_holds_what_the_whole_holds_there():
    signs, normal = of_images(96, first=0, num_draws=4, block=0)
    assert signs.shape == (4, 96, 5)
    assert normal.shape == (4, 2, 96, 7)
    part_signs, part_normal = of_images(32, first=2, num_draws=2, block=1)
    np.testing.assert_array_equal(part_signs, signs[2:, 32:64])
    np.testing.assert_array_equal(part_normal, normal[2:, :, 32:64])


def test_other_draws_images_seeds_and_arrays_have_other_numbers():
    normal = of_images(96, first=0, num_draws=4, block=0)[1]
    assert len(np.unique(normal)) > 0.99 * normal.size
    assert not np.isin(of_images(96, 0, 4, 0, seed=4)[1], normal).mean() > 0.01


def test_the_numbers_are_normal_and_the_coins_fair():
    signs, normal = of_images(96, first=0, num_draws=50, block=5)
    assert set(np.unique(signs)) == {0, 1}
    assert abs(signs.mean() - 0.5) < 4 * 0.5 / np.sqrt(signs.size)
    flat = signs.reshape(-1, 5) - 0.5
    assert np.abs(flat.T @ flat / len(flat) * 4 - np.eye(5)).max() < 4 / np.sqrt(len(flat))
    images = (signs - 0.5).transpose(0, 2, 1).reshape(-1, 96)
    assert np.abs(images.T @ images / len(images) * 4 - np.eye(96)).max() < 5 / np.sqrt(len(images))
    assert scipy.stats.kstest(normal.ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["normal", "uniform", "integer"])
def test_what_images_share_depends_on_the_number_of_the_draw(kind):
    draws = [Draw(kind, (3, 5), tf.float32 if kind != "integer" else tf.int32, 0, 2)]
    whole = noise_of_draws(draws, number(1), number(0), 6)[0].numpy()
    part = noise_of_draws(draws, number(1), number(4), 2)[0].numpy()
    assert whole.shape == (6, 3, 5)
    np.testing.assert_array_equal(part, whole[4:])
    assert len({it.tobytes() for it in whole}) == 6


def test_without_a_draw_there_is_no_noise():
    assert noise_of_draws([], number(0), number(0), 3) == []
    assert noise_of_images([], 32, number(0), number(0), 3, number(0)) == []
