"""Logits behind a softmax or sigmoid: Keras' losses undo it, whatever ``from_logits`` says."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD
from scipy.special import log_softmax

from helpers.checkup import checkup
from helpers.model.kept_logits import kept_logits, operations_noted, squash_of
from helpers.prediction.predict import predict_by_draws
from helpers.training.elbo_monitor import ElboMonitor
from helpers.training.train import train_by_elbo

pytestmark = THIRD

N, CLASSES = 35, 3
RNG = np.random.default_rng(4)
INPUTS = RNG.normal(size=(N, 4)).astype("float32")
LABELS = RNG.integers(0, CLASSES, N)
YES = (LABELS > 0).astype("float32")[:, None]
POINTS = RNG.normal(size=(4, CLASSES)).astype("float32") * 40  # probabilities far below 1e-7
CLASSES_OF = {"softmax": (CLASSES, LABELS), "sigmoid": (1, YES)}


def nll(squash, logits):
    """The mean negative log-likelihood in nats, float64."""
    logits = np.asarray(logits, float)
    if squash == "softmax":
        return -log_softmax(logits, -1)[np.arange(N), LABELS].mean()
    return (np.logaddexp(0, logits) - YES * logits).mean()


def compiled(squash, activation, *, from_logits, run_eagerly=False):
    """A network of almost certain weights; its loss, its targets."""
    width, targets = CLASSES_OF[squash]
    layer = tfp.layers.DenseReparameterization(
        width, activation=activation, kernel_divergence_fn=lambda q, p, _: q.kl_divergence(p) / N
    )
    network = tf_keras.Sequential([layer])
    network(INPUTS[:2])
    layer.set_weights(
        [POINTS[:, :width], np.full([4, width], -20, "float32"), np.zeros(width, "float32")]
    )
    losses = {
        "softmax": tf_keras.losses.SparseCategoricalCrossentropy,
        "sigmoid": tf_keras.losses.BinaryCrossentropy,
    }
    network.compile("sgd", losses[squash](from_logits=from_logits), run_eagerly=run_eagerly)
    return network, targets


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("of", ["keras", "tf.nn"])
@pytest.mark.parametrize("squash", CLASSES_OF)
def test_all_tools_take_the_logits_as_fit_does(squash, of, from_logits):
    activation = squash if of == "keras" else getattr(tf.nn, squash)
    network, targets = compiled(squash, activation, from_logits=from_logits)
    right = nll(squash, INPUTS @ POINTS[:, : CLASSES_OF[squash][0]])
    assert right > 5  # cut off at 1e-7 it would be another number

    report = checkup(network, INPUTS, targets, num_examples=N)
    assert not report.alarms
    assert "likelihood" in [finding.kind for finding in report.confirmed]
    prediction = predict_by_draws(network, INPUTS, 2)
    lpd = prediction.log_predictive_density(targets)
    np.testing.assert_allclose(-lpd.mean(), right, rtol=1e-4)
    history = train_by_elbo(network, INPUTS, targets, num_epochs=1, batch_size=N, progress=False)
    np.testing.assert_allclose(history.negative_log_likelihood[0], right, rtol=1e-4)

    network, targets = compiled(squash, activation, from_logits=from_logits)
    monitor = ElboMonitor(num_examples=N)
    logs = network.fit(INPUTS, targets, batch_size=N, verbose=0, callbacks=[monitor]).history
    np.testing.assert_allclose(logs["nll"][0], right, rtol=1e-4)
    np.testing.assert_allclose(logs["nll"][0] + logs["kl"][0] / N, logs["loss"][0], rtol=1e-4)


def test_in_an_eager_fit_tf_nn_is_squashed_twice(capsys):
    network, targets = compiled("softmax", tf.nn.softmax, from_logits=True, run_eagerly=True)
    report = checkup(network, INPUTS, targets, num_examples=N)
    assert "no-likelihood" in [alarm.kind for alarm in report.alarms]
    assert "from_logits=True" in str(report.alarms[0].cure)
    monitor = ElboMonitor(num_examples=N)
    logs = network.fit(INPUTS, targets, verbose=0, callbacks=[monitor]).history
    assert "nll" not in logs
    assert "would apply softmax once more" in capsys.readouterr().out


def test_sigmoids_are_no_logits_of_classes():
    network, _ = compiled("softmax", "sigmoid", from_logits=True)
    with pytest.raises(ValueError, match="end in a sigmoid, column by column"):
        train_by_elbo(network, INPUTS, LABELS, num_epochs=1, batch_size=N)
    assert not checkup(network, INPUTS, LABELS, num_examples=N).ok


def test_what_is_noted_ends_with_the_block():
    logits = tf.constant(POINTS)
    with operations_noted():
        noted = tf.nn.softmax(logits), tf.nn.sigmoid(logits), tf.exp(logits)
    assert [squash_of(outputs) for outputs in noted] == ["softmax", "sigmoid", None]
    assert kept_logits(tf.nn.softmax(logits)) is None
    assert squash_of(tf_keras.activations.softmax(logits)) == "softmax"


@pytest.mark.parametrize("op", [tf.nn.softmax, tf.nn.sigmoid])
def test_in_a_graph_the_operation_tells(op):
    @tf.function
    def logits_again(x):
        return kept_logits(op(x))

    np.testing.assert_array_equal(logits_again(POINTS), POINTS)
