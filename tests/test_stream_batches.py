"""Batches from datasets and sequences: their order, their bounds, and taking them up again."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import helpers.training.stream_batches
from helpers.model.inputs import Examples, Stream, as_tensors
from helpers.page.fresh_process import run_programs
from helpers.training.stream_batches import StreamBatches

ROWS = np.arange(17 * 2, dtype=np.float32).reshape(17, 2)
LABELS = np.arange(17)


def tensors(batch):
    return Examples(as_tensors(batch.inputs), as_tensors(batch.targets))


def batches(source, num_epochs=3):
    return StreamBatches(Stream(source), tensors, lambda _: None, num_epochs, seed=0)


def shuffled(seed=5):
    return tf.data.Dataset.from_tensor_slices((ROWS, LABELS)).shuffle(17, seed=seed).batch(7)


class Shifting(tf_keras.utils.Sequence):
    """Three batches that move on by one after each epoch."""

    def __init__(self):
        self.shift = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.roll(ROWS, self.shift, axis=0)[index * 7 : index * 7 + 7], LABELS[
            index * 7 : index * 7 + 7
        ]

    def on_epoch_end(self):
        self.shift += 1


def labels_of_steps(stream, first=0):
    """The inputs of each step from ``first`` on, one step at a time."""
    found = []
    while first < stream.order.num_steps:
        leaves = stream.take(first, most=2)
        found += [leaf.numpy() for leaf in leaves[0]]
        first += int(leaves[0].shape[0])
    return found


@pytest.mark.parametrize("make", [shuffled, Shifting])
def test_each_epoch_is_one_pass_and_holds_every_example_once(make):
    stream = batches(make())
    assert (stream.order.num_examples, stream.order.steps_per_epoch) == (17, 3)
    steps = labels_of_steps(stream)
    assert [len(step) for step in steps] == [7, 7, 3] * 3
    for epoch in range(3):
        seen = np.concatenate(steps[3 * epoch : 3 * epoch + 3])
        np.testing.assert_array_equal(np.sort(seen[:, 0]), ROWS[:, 0])
    assert not np.array_equal(np.concatenate(steps[:3]), np.concatenate(steps[3:6]))


@pytest.mark.parametrize("make", [shuffled, Shifting])
@pytest.mark.parametrize("step", range(9))
def test_taken_up_at_any_step_the_rest_is_the_same(make, step):
    whole = batches(make())
    steps, positions, first = [], {0: whole.position()}, 0
    while first < 9:
        leaves = whole.take(first, most=1)
        steps.append(leaves[0][0].numpy())
        first += 1
        positions[first] = whole.position()
    again = batches(make())
    again.go_to(step, positions[step] if step else {})
    rest = labels_of_steps(again, step)
    assert [x.tobytes() for x in rest] == [x.tobytes() for x in steps[step:]]


@pytest.mark.parametrize("step", [2, 3, 5, 6])
def test_other_batches_than_were_saved_are_refused(step):
    whole = batches(shuffled(5))
    for first in range(step):
        whole.take(first, most=1)
    with pytest.raises(ValueError, match="yields other batches than when this training was saved"):
        batches(shuffled(6)).go_to(step, whole.position())


def test_a_call_stays_below_its_memory(monkeypatch):
    monkeypatch.setattr(helpers.training.stream_batches, "BYTES_PER_CALL", 1)
    stream = batches(shuffled())
    assert stream.take(0, most=9)[0].shape == (1, 7, 2)
    assert stream.take(1, most=9)[0].shape == (1, 7, 2)


def test_rows_of_other_lengths_make_batches_of_their_own():
    def generate():
        for length in (4, 4, 6):
            yield np.ones((2, length), np.float32), np.zeros(2, np.int64)

    spec = (tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int64))
    stream = batches(tf.data.Dataset.from_generator(generate, output_signature=spec), 1)
    assert stream.spec(None).inputs.shape.as_list() == [None, None]
    assert [tuple(stream.take(step, most=9)[0].shape) for step in (0, 2)] == [(2, 2, 4), (1, 2, 6)]


class Shrinking(Shifting):
    """Has fewer batches after the first pass."""

    def __len__(self):
        return 3 if self.shift == 0 else 2


class Growing(Shifting):
    """Has more batches after the first pass."""

    def __len__(self):
        return 2 if self.shift == 0 else 3


@pytest.mark.parametrize(("make", "what"), [(Shrinking, "fewer"), (Growing, "more")])
def test_a_pass_of_another_length_is_refused(make, what):
    stream = batches(make())
    with pytest.raises(ValueError, match=f"has {what} than the .* batches of the first one"):
        labels_of_steps(stream)


IN_A_NEW_PROCESS = """
import tensorflow as tf
from helpers.page.fresh_process import run_programs
from helpers.model.inputs import Stream
plain = tf.data.Dataset.range(6)
for dataset in (plain.shuffle(6), plain.shuffle(6, seed=1), plain):
    print(Stream(dataset.batch(2).prefetch(1)).has_unseeded_shuffle())
"""


def test_a_shuffle_without_a_seed_is_known():
    """In a process of its own, where nobody has set a global seed, which would give it one."""
    result = run_programs({"seeds": IN_A_NEW_PROCESS})["seeds"]
    assert result.output.split() == ["True", "False", "False"], result
