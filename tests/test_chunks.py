"""Pieces of a prediction: chosen to fit, computed with and without a vectorised form."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from helpers.draws.replay import describe_draw, random_operations
from helpers.networks.dense import bayesian_network, plain_network
from helpers.prediction.chunks import compile_pieces, fit_pieces, numbers_of_examples
from helpers.prediction.output_leaves import LeafNetwork


def leaf_network(neural_net, num_columns):
    inputs = np.zeros((2, num_columns), np.float32)
    return LeafNetwork(neural_net, inputs, [tf.float32], neural_net(inputs))


@pytest.fixture(scope="module")
def neural_net():
    return leaf_network(bayesian_network([64, 3]), 5)


def test_numbers_of_examples_are_blocks_and_no_length_of_the_network_is_a_multiple(neural_net):
    numbers = numbers_of_examples(neural_net, 500, 3)
    assert numbers[0] >= 500
    assert all(number % 32 == 0 for number in numbers)
    lengths = {5, 64, 3, 320, 192}
    assert not any(length % number == 0 for number in numbers for length in lengths)


def test_a_smaller_bound_gives_smaller_pieces(neural_net):
    sizes = [fit_pieces(neural_net, 500, 12, bound).size for bound in (1e9, 4e6, 5e5)]
    areas = [size.num_draws * size.num_examples for size in sizes]
    assert areas[0] > areas[1] > areas[2]
    assert sizes[0].num_draws == 12


def test_the_bytes_of_a_piece_hold_at_least_its_noise_and_its_activations(neural_net):
    pieces = fit_pieces(neural_net, 500, 1, 1e9)
    draws = [describe_draw(it) for it in random_operations(pieces.traced)]
    noise = sum(np.prod(draw.shape) * draw.dtype.size for draw in draws)
    assert pieces.bytes_of_all > noise + 4 * pieces.size.num_examples * (64 + 3)
    with pytest.raises(ValueError, match="the smallest piece, needs"):
        fit_pieces(neural_net, 500, 1, 1000)


class Sorted(tf_keras.layers.Layer):
    """Holds an operation that cannot be vectorised: a Python function."""

    def call(self, inputs):
        noise = tf.random.normal(inputs.shape)
        ordered = tf.numpy_function(lambda x: np.sort(x, axis=-1), [inputs + noise], tf.float32)
        return tf.ensure_shape(ordered, inputs.shape)


def test_what_cannot_be_vectorised_is_computed_draw_by_draw():
    neural_net = leaf_network(tf_keras.Sequential([Sorted()]), 3)
    images = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    pieces = fit_pieces(neural_net, 40, 5, 1e9)
    (draws,) = compile_pieces(pieces, 5, jit_compile=False)([images], 0, seed=0)
    assert draws.shape == (5, 40, 3)
    assert len({draw.tobytes() for draw in draws}) == 5
    assert (np.diff(draws, axis=-1) >= 0).all()


def test_a_network_without_noise_is_computed_once():
    plain = plain_network([4, 3])
    images = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    pieces = fit_pieces(leaf_network(plain, 5), 40, 3, 1e9)
    assert pieces.size.num_draws == 1
    assert not pieces.has_noise
    (draws,) = compile_pieces(pieces, 3, jit_compile=False)([images], 0, seed=0)
    np.testing.assert_allclose(draws, plain(images)[None], rtol=1e-5)
