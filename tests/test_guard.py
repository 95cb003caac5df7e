"""A training that goes wrong is stopped, told where, and what to try; a good one is left alone."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.dense import bayesian_network
from helpers.networks.posteriors import gaussian_posterior
from helpers.training import train_by_elbo
from helpers.training.guard import check_finite, check_not_diverging

RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(17, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 17).astype(np.int32)
NAMES = ["first", "second"]
GOOD = [1.5, 20.0, 30.0]


@pytest.fixture
def neural_net():
    neural_net = bayesian_network([4, 3], seed=2)
    neural_net(IMAGES[:1])
    return neural_net


def message_of(rows, neural_net):
    with pytest.raises(ValueError, match="stopped being finite") as caught:
        check_finite(np.array(rows), NAMES, neural_net)
    return str(caught.value)


def test_finite_rows_and_none_pass(neural_net):
    check_finite(np.empty((0, 3)), NAMES, neural_net)
    check_finite(np.array([GOOD] * 3), NAMES, neural_net)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_step_and_all_terms_are_told(neural_net, column, bad):
    row = GOOD.copy()
    row[column] = bad
    message = message_of([GOOD, GOOD, row], neural_net)
    assert "at step 3" in message
    assert all(str(term) in message for term in row)


def test_an_infinite_kl_names_its_entry(neural_net):
    message = message_of([GOOD, [1.5, 20.0, np.inf]], neural_net)
    assert "The KL of second is the first" in message
    assert "scale" in message
    assert "The KL of first is the first" in message_of([[1.5, np.nan, np.nan]], neural_net)


def test_an_output_that_overflows_names_the_last_layer(neural_net):
    message = message_of([GOOD, [np.inf, 20.0, 30.0]], neural_net)
    assert "outputs of layer logits overflowed" in message
    assert "inputs scaled" in message


@pytest.mark.parametrize("name", ["hidden_1", "logits"])
def test_weights_that_are_nan_name_their_layer(neural_net, name):
    weight = neural_net.get_layer(name).trainable_weights[0]
    weight.assign(tf.fill(weight.shape, np.nan))
    message = message_of([GOOD, [np.nan, np.nan, 30.0]], neural_net)
    assert f"The gradient of layer {name} was not finite in the step before" in message
    assert "Try a smaller learning rate" in message


def rows_of(losses):
    """A history whose loss is this, with kl_weight 0.1 and entries of 2 and 3 nats."""
    losses = np.asarray(losses, float)
    return np.stack([losses - 0.5, np.full(len(losses), 2.0), np.full(len(losses), 3.0)], axis=1)


GOOD_HISTORIES = {
    "falling": np.geomspace(50, 0.1, 300),
    "too short to tell": np.r_[1, [1e6] * 19],
    "a single jump": np.r_[[5.0] * 40, 5_000, [5.0] * 5],
    "starts by chance near zero": np.r_[1e-6, [0.4] * 40],
    "below zero, as a density may": np.r_[-3.0, [0.4] * 40],
    "twenty times as large": np.r_[5.0, [100.0] * 40],
}


@pytest.mark.parametrize("losses", GOOD_HISTORIES.values(), ids=GOOD_HISTORIES)
def test_a_history_that_a_good_training_can_have_passes(losses):
    check_not_diverging(rows_of(losses), weights=[0.1] * 2)


@pytest.mark.parametrize("start", [-3.0, 1e-6, 1.0, 20.0], ids=str)
def test_a_diverging_loss_is_told_with_step_and_cure(start):
    losses = np.r_[start, np.geomspace(1, 1e6, 60)]
    with pytest.raises(ValueError, match=r"diverges.*last 20 steps, up to step 61") as caught:
        check_not_diverging(rows_of(losses), weights=[0.1] * 2)
    assert "learning rate ten times smaller" in str(caught.value)


def test_the_kl_counts_with_its_weight():
    rows = np.full((40, 3), 1.0)
    rows[10:, 1] = 1e6
    check_not_diverging(rows, weights=[1e-6] * 2)
    with pytest.raises(ValueError, match="diverges"):
        check_not_diverging(rows, weights=[1.0] * 2)


def test_outputs_that_overflow_are_refused_before_the_first_step():
    neural_net = tf_keras.Sequential(
        [
            tf_keras.layers.Lambda(lambda x: tf.exp(tf.exp(x))),
            tfp.layers.DenseFlipout(3, kernel_posterior_fn=gaussian_posterior(1), name="last"),
        ]
    )
    images = 50 * np.abs(IMAGES)
    with pytest.raises(ValueError, match=r"outputs are not finite before .* Scale the inputs"):
        train_by_elbo(neural_net, images, LABELS, num_epochs=2, batch_size=7, progress=False)
    assert all(np.isfinite(weight).all() for weight in neural_net.get_weights())
