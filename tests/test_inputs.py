"""One reader of data: every form gives the same numbers, or one sentence."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from random_networks import OwnDense, OwnModel

from helpers.checkup import checkup
from helpers.losses.by_layer import losses_by_layer
from helpers.model.inputs import (
    Stream,
    as_tensors,
    check_eager,
    first_examples,
    read_arrays,
    warn_of_bytes,
)
from helpers.model.network_call import call_network
from helpers.prediction.predict import predict_by_draws
from helpers.training.train import train_by_elbo

tfpl = tfp.layers
L = tf_keras.layers
X = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
Y = np.arange(7) % 3
W = np.linspace(0.5, 2.0, 7)


class Batches(tf_keras.utils.Sequence):
    """Batches of 3, 3 and 1."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays, self.passes = arrays, 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(array[3 * index : 3 * index + 3] for array in self.arrays)

    def on_epoch_end(self):
        self.passes += 1


ARRAYS = {
    "array": X,
    "nested list": X.tolist(),
    "nested tuple": tuple(map(tuple, X.tolist())),
    "float64": X.astype(np.float64),
    "frame": pd.DataFrame(X),
    "nullable frame": pd.DataFrame(X.astype(float)).convert_dtypes(convert_integer=False),
    "objects": X.astype(object),
    "tensor": tf.constant(X),
    "variable": tf.Variable(X),
}


@pytest.mark.parametrize("form", ARRAYS)
def test_one_array_of_any_form_is_the_same_numbers(form):
    examples = read_arrays(ARRAYS[form], Y)
    assert examples.num_examples == 7
    np.testing.assert_allclose(np.asarray(as_tensors(examples.inputs)), X, rtol=1e-6)
    assert as_tensors(examples.inputs).dtype == tf.float32
    np.testing.assert_array_equal(examples.targets, Y)
    chosen = examples.rows(np.array([4, 0]))
    np.testing.assert_allclose(np.asarray(chosen.inputs, np.float32), X[[4, 0]], rtol=1e-6)
    np.testing.assert_array_equal(chosen.targets, Y[[4, 0]])


@pytest.mark.parametrize("targets", [Y, Y.tolist(), pd.Series(Y), pd.Series(Y, dtype="Int64")])
def test_targets_of_any_form_are_one_axis(targets):
    np.testing.assert_array_equal(read_arrays(X, targets).targets, Y)


STRUCTURES = {
    "list": [X, Y],
    "tuple": (X, Y),
    "dict": {"b": X, "a": Y},
    "dict of a frame": dict(pd.DataFrame({"age": W, "town": list("abcabca")})),
    "nested": {"numbers": [X, W[:, None]], "kind": Y},
}


@pytest.mark.parametrize("form", STRUCTURES)
def test_structures_keep_their_shape_and_every_row(form):
    examples = read_arrays(STRUCTURES[form], Y, W)
    assert examples.num_examples == 7
    for leaf, chosen in zip(examples.leaves(), examples.rows(slice(2, 6)).leaves(), strict=True):
        np.testing.assert_array_equal(chosen, leaf[2:6])
    assert isinstance(examples.inputs, dict) == isinstance(STRUCTURES[form], dict)


STREAMS = {
    "inputs": (X,),
    "inputs and targets": (X, Y),
    "weights, too": (X, Y, W),
}


@pytest.mark.parametrize("kind", ["dataset", "sequence"])
@pytest.mark.parametrize("parts", STREAMS)
def test_streams_give_all_examples_once_and_in_order(kind, parts):
    arrays = STREAMS[parts]
    if kind == "dataset":
        stream = tf.data.Dataset.from_tensor_slices(arrays).batch(3).prefetch(2)
    else:
        stream = Batches(*arrays)
    batches = list(Stream(stream).begin_pass())
    assert [batch.num_examples for batch in batches] == [3, 3, 1]
    for place, array in enumerate(arrays):
        joined = np.concatenate([np.asarray(batch[place]) for batch in batches])
        np.testing.assert_array_equal(joined, array)
    assert all(batch[place] is None for batch in batches for place in range(len(arrays), 3))
    if kind == "sequence":
        assert stream.passes == 1
    first = first_examples(stream, most=2)
    np.testing.assert_array_equal(np.asarray(first.inputs), X[:2])


def test_the_first_examples_of_an_array_are_spread_over_all_of_it():
    first = first_examples(X, Y, most=3)
    np.testing.assert_array_equal(first.inputs, X[[0, 3, 6]])
    np.testing.assert_array_equal(first.targets, Y[[0, 3, 6]])


def endless():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(3).repeat()


NAN = np.where(np.eye(7, 5) > 0, np.nan, X)
REFUSED = {
    "SciPy": (scipy.sparse.csr_matrix(X), None, TypeError, r"inputs is sparse.*toarray\(\)"),
    "sparse": (tf.sparse.from_dense(X), None, TypeError, r"inputs is sparse.*tf.sparse.to_dense"),
    "ragged": (tf.ragged.constant([[1.0], [2.0, 3.0]]), None, TypeError, "unequal length: pad"),
    "ragged list": ([[1.0], [2.0, 3.0]], None, ValueError, "inputs have rows of unequal length"),
    "generator": ((row for row in X), None, TypeError, "generator.*from_generator"),
    "NaN": (NAN, None, ValueError, "5 of 7 examples of inputs hold NaN or infinite.*first at inde"),
    "NaN in targets": (X, W * np.inf, ValueError, "7 of 7 examples of targets hold NaN or inf"),
    "NaN in a dict": ({"a": X, "b": NAN}, None, ValueError, "5 of 7 examples of inputs hold NaN"),
    "unequal": (X, Y[:6], ValueError, r"\[6, 7\] rows: pass the same number of both"),
    "unequal inputs": ([X, X[:5]], None, ValueError, r"\[5, 7\] rows"),
    "none": (X[:0], None, ValueError, "at least one"),
    "a number": (3.0, None, ValueError, "not a single number"),
    "words": ("abc", None, TypeError, "inputs is a str"),
    "nothing": (None, None, TypeError, "inputs is a NoneType"),
    "dates": (np.array(["2020-01-01"] * 7, "datetime64[D]"), None, TypeError, "pass numbers or w"),
    "mixed frame": (
        pd.DataFrame({"age": W, "town": list("abcabca")}),
        None,
        TypeError,
        r"columns of different kinds.*pass dict\(frame\)",
    ),
    "dataset beside targets": (endless(), Y, TypeError, "pass it alone"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence(case):
    inputs, targets, error, sentence = REFUSED[case]
    with pytest.raises(error) as raised:
        read_arrays(inputs, targets)
    assert re.search(sentence, str(raised.value)), str(raised.value)


STREAMS_REFUSED = {
    "endless": (endless(), ValueError, r"never ends.*\.take\(batches\)"),
    "one by one": (tf.data.Dataset.from_tensor_slices((X, Y)), ValueError, "not batched.*batch"),
    "empty": (tf.data.Dataset.from_tensor_slices((X, Y)).batch(3).take(0), ValueError, "empty"),
    "four": (tf.data.Dataset.from_tensor_slices((X, X, X, X)).batch(3), ValueError, "holds 4"),
    "sparse": (
        tf.data.Dataset.from_tensors((tf.sparse.from_dense(X), Y)),
        TypeError,
        "The dataset is sparse",
    ),
}


@pytest.mark.parametrize("case", STREAMS_REFUSED)
def test_a_stream_that_cannot_be_read_is_refused_in_one_sentence(case):
    stream, error, sentence = STREAMS_REFUSED[case]
    with pytest.raises(error) as raised:
        first_examples(stream)
    assert re.search(sentence, str(raised.value)), str(raised.value)


def test_targets_beside_a_dataset_are_refused():
    stream = tf.data.Dataset.from_tensor_slices((X, Y)).batch(3)
    with pytest.raises(ValueError, match="brings its own targets"):
        first_examples(stream, Y)


def test_eager_execution_switched_off_is_said():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Eager execution is off"):
        check_eager()
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Eager execution is off"):
        read_arrays(X, Y)
    check_eager()


def test_whole_numbers_reach_what_takes_them_and_are_cast_for_what_does_not():
    places = np.arange(14).reshape(7, 2)
    numbers = tf_keras.Input([2], dtype="int64")
    declared = tf_keras.Model(numbers, L.Flatten()(L.Embedding(14, 3)(numbers)))
    undeclared = tf_keras.Sequential([L.Embedding(14, 3), L.Flatten()])  # Keras says float32
    for network, kind in ((declared, tf.int64), (undeclared, tf.float32)):
        outputs, types = call_network(network, places)
        assert types == [kind]
        table = network.get_weights()[0]
        np.testing.assert_array_equal(outputs, table[places].reshape(7, 6))
    dense = tf_keras.Sequential([tfpl.DenseFlipout(3)])
    outputs, types = call_network(dense, places.astype(np.uint8))
    assert types == [tf.float32]
    assert outputs.shape == (7, 3)


def test_words_reach_a_look_up_layer():
    towns = np.array([["a"], ["b"], ["a"]])
    look = L.StringLookup(output_mode="one_hot", vocabulary=["a", "b"])
    words = tf_keras.Input([1], dtype=tf.string)
    outputs, types = call_network(tf_keras.Model(words, look(words)), read_arrays(towns).inputs)
    assert types == [tf.string]
    np.testing.assert_array_equal(np.argmax(outputs, -1), [1, 2, 1])


def test_grey_values_get_a_word_unless_something_scales_them():
    grey = np.full((7, 4, 4), 200, np.uint8)
    plain = tf_keras.Sequential([L.Flatten(), tfpl.DenseFlipout(3)])
    with pytest.warns(UserWarning, match=r"from 200 to 200, as bytes do.*inputs / 255"):
        warn_of_bytes(plain, grey)
    scaled = tf_keras.Sequential([L.Rescaling(1 / 255), L.Flatten(), tfpl.DenseFlipout(3)])
    warn_of_bytes(scaled, grey)  # pytest is told to make errors of warnings
    warn_of_bytes(plain, grey / 255)


# A list of one array beside a model of one's own: Keras hands the list on

LIST_OF_ONE = "list or tuple of one array.*Pass the array itself"


def _after(first):
    return OwnModel([first, tfpl.DenseFlipout(1)])


def _own_model(kind):
    if kind == "a layer that fails":
        return _after(tfpl.DenseFlipout(4))
    if kind == "an axis of length 1":
        return _after(L.Lambda(lambda x: 2.0 * tf.convert_to_tensor(x)))
    return _after(OwnDense(4, "tanh", 21.0))


FORMS_OF_ONE = {
    "tuple": lambda x, y: ((x,), y),
    "list": lambda x, y: ([x], y),
    "dataset": lambda x, y: (tf.data.Dataset.from_tensor_slices(((x,), y)).batch(7), None),
}


@pytest.mark.parametrize("form", FORMS_OF_ONE)
@pytest.mark.parametrize("kind", ["a layer that fails", "an axis of length 1", "own layer"])
def test_a_list_of_one_array_beside_a_call_of_ones_own_is_a_sentence(kind, form):
    inputs, targets = FORMS_OF_ONE[form](X, X[:, :1])
    network = _own_model(kind)
    network.compile("sgd", "mse")
    for tool in (
        lambda: losses_by_layer(network, inputs),
        lambda: train_by_elbo(network, inputs, targets, num_epochs=1, progress=False),
        lambda: predict_by_draws(network, inputs, 2),
    ):
        with pytest.raises(ValueError, match=LIST_OF_ONE):
            tool()
    (finding,) = checkup(network, inputs, targets).findings
    assert finding.kind == "cannot-run"
    assert "list or tuple of one array" in finding.cure


def test_a_list_of_one_array_is_taken_by_those_that_take_it():
    class Unpacks(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = tfpl.DenseFlipout(1)

        def call(self, inputs):
            (x,) = inputs
            return self.layer(x)

    declared = tf_keras.Sequential([L.Input([5]), tfpl.DenseFlipout(1)])
    for network in (Unpacks(), declared):
        outputs, _ = call_network(network, (X,))
        assert outputs.shape == (7, 1)
