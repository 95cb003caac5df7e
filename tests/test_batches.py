"""The order of the batches: every example once an epoch, from any step on, fixed by the seed."""

import numpy as np
import pytest

from helpers.training.batches import BatchOrder

SIZES = [(17, 7, [7, 7, 3]), (14, 7, [7, 7]), (5, 5, [5]), (5, 1, [1] * 5), (6, 5, [5, 1])]


def batches_of(order):
    """The examples of each step, one step at a time."""
    return [order.rows(step, most=1)[0] for step in range(order.num_steps)]


@pytest.mark.parametrize(("num_examples", "batch_size", "sizes"), SIZES, ids=str)
def test_sizes_and_numbers_of_the_batches(num_examples, batch_size, sizes):
    order = BatchOrder(num_examples, batch_size, num_epochs=3, seed=0)
    assert order.steps_per_epoch == len(sizes)
    assert order.num_steps == 3 * len(sizes)
    assert order.batch_sizes == set(sizes)
    assert [len(batch) for batch in batches_of(order)] == 3 * sizes


def test_each_epoch_passes_over_every_example_once_in_an_order_of_its_own():
    orders = [batches_of(BatchOrder(17, 7, 2, seed)) for seed in (3, 3, 8)]
    for batches in orders:
        for epoch in (batches[:3], batches[3:]):
            assert sorted(np.concatenate(epoch)) == list(range(17))
    flat = [np.concatenate(batches).tolist() for batches in orders]
    assert flat[0] == flat[1]
    assert flat[0] != flat[2]
    assert flat[0][:17] != flat[0][17:]
    assert flat[0][:17] != sorted(flat[0][:17])


@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize(("num_examples", "batch_size", "sizes"), SIZES, ids=str)
def test_it_can_be_taken_up_anywhere_in_portions_of_any_size(num_examples, batch_size, sizes, most):
    order = BatchOrder(num_examples, batch_size, num_epochs=2, seed=3)
    wanted = batches_of(order)
    for start in range(order.num_steps):
        portion = order.rows(start, most)
        assert portion.dtype == np.int32
        assert 1 <= len(portion) <= most
        for step, row in enumerate(portion, start):
            np.testing.assert_array_equal(row, wanted[step])


def test_all_the_full_batches_of_an_epoch_come_in_one_portion():
    assert BatchOrder(17, 5, num_epochs=1, seed=0).rows(0, most=1000).shape == (3, 5)


def test_more_epochs_begin_with_the_same_batches():
    short, long = (batches_of(BatchOrder(17, 7, num_epochs, 3)) for num_epochs in (1, 4))
    for one, other in zip(short, long[:3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_epochs_and_seeds_do_not_repeat_each_other():
    """As they would, were the order drawn from seed + epoch."""
    epochs = {
        np.concatenate(batches_of(BatchOrder(17, 7, 3, seed))[3 * epoch : 3 * epoch + 3]).tobytes()
        for seed in (0, 1, 2)
        for epoch in (0, 1, 2)
    }
    assert len(epochs) == 9


def test_every_example_comes_to_every_place_equally_often():
    firsts = [BatchOrder(5, 2, 1, seed).rows(0, 1)[0] for seed in range(4000)]
    counts = np.stack([np.bincount(column, minlength=5) for column in np.transpose(firsts)])
    assert np.abs(counts - 800).max() < 4 * np.sqrt(4000 * 0.2 * 0.8)
