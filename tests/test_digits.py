"""The data: complete, stratified, repeatable, and turned the right way round."""

import numpy as np
import pytest
import sklearn.datasets

from helpers.data.digits import load_digits_split, rotate_digits

TRAIN, TEST = load_digits_split()


def pairs(images, labels):
    """Image and label of each example as something that sorts."""
    return sorted(
        (np.round(image * 16).astype(int).tolist(), int(label))
        for image, label in zip(images, labels, strict=True)
    )


def test_both_parts_together_are_scikit_learn_s_digits_with_their_labels():
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    together = pairs(*(np.concatenate(part) for part in zip(TRAIN, TEST, strict=True)))
    assert together == pairs(images / 16, labels)


def test_sizes_types_and_range():
    assert (TRAIN.images.shape, TRAIN.labels.shape) == ((1437, 64), (1437,))
    assert (TEST.images.shape, TEST.labels.shape) == ((360, 64), (360,))
    for part in (TRAIN, TEST):
        assert (part.images.dtype, part.labels.dtype) == (np.float32, np.int32)
        assert (part.images.min(), part.images.max()) == (0.0, 1.0)
        assert set(part.labels) == set(range(10))


def test_each_class_has_the_same_share_in_both_parts():
    shares = np.bincount(TEST.labels) / np.bincount(np.concatenate([TRAIN.labels, TEST.labels]))
    np.testing.assert_allclose(shares, 0.2, atol=0.01)


def test_the_seed_fixes_the_split():
    again, other = load_digits_split(seed=0)[1], load_digits_split(seed=1)[1]
    np.testing.assert_array_equal(again.images, TEST.images)
    np.testing.assert_array_equal(again.labels, TEST.labels)
    assert not np.array_equal(other.images, TEST.images)


def test_the_test_fraction_is_the_share_held_out():
    train, test = load_digits_split(test_fraction=0.5)
    assert (len(train.labels), len(test.labels)) == (898, 899)


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3), (0, 0)])
def test_quarter_turns_go_counter_clockwise(degrees, quarters):
    turned = rotate_digits(TEST.images[:7], degrees).reshape(7, 8, 8)
    expected = [np.rot90(image.reshape(8, 8), quarters) for image in TEST.images[:7]]
    np.testing.assert_allclose(turned, expected, atol=1e-6)


def test_other_angles_keep_shape_type_range_and_input():
    before = TEST.images[:7].copy()
    turned = rotate_digits(TEST.images[:7], 30)
    assert (turned.shape, turned.dtype) == ((7, 64), np.float32)
    assert turned.min() >= 0
    assert turned.max() <= 1
    assert np.abs(turned - before).max() > 0.3
    np.testing.assert_array_equal(TEST.images[:7], before)


def test_what_enters_the_frame_is_background():
    corners = rotate_digits(np.ones((1, 64), np.float32), 45).reshape(8, 8)[
        [0, 0, 7, 7], [0, 7, 0, 7]
    ]
    np.testing.assert_array_equal(corners, np.zeros(4))


def test_images_of_a_batch_do_not_mix():
    together = rotate_digits(TEST.images[:7], 20)
    alone = np.concatenate([rotate_digits(TEST.images[i : i + 1], 20) for i in range(7)])
    np.testing.assert_array_equal(together, alone)
