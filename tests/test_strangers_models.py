"""Models as strangers publish them: each tool is right, or says what to write."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.checkup import checkup
from helpers.training import train_by_elbo

tfd, tfpl = tfp.distributions, tfp.layers
ROWS, FEATURES = 7, 4
RNG = np.random.default_rng(23)
INPUTS = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)
COUNTS = np.array([[3], [0], [1], [7], [2], [0], [4]])


def flipout(units, activation=None, count=ROWS, **options):
    """A layer so narrow that every draw is its mean."""
    start = tf_keras.initializers.Constant(-12.0)
    posterior = tfpl.default_mean_field_normal_fn(untransformed_scale_initializer=start)
    options["kernel_divergence_fn"] = lambda q, p, _: tfd.kl_divergence(q, p) / count
    return tfpl.DenseFlipout(units, activation, kernel_posterior_fn=posterior, **options)


def minus_log_prob(y, rv):
    return -rv.log_prob(y)


def counts_network():
    """A negative binomial of counts, whose log_prob takes no whole numbers."""

    def make(t):
        return tfd.NegativeBinomial(tf.math.softplus(t[..., :1]), logits=t[..., 1:])

    network = tf_keras.Sequential([flipout(2), tfpl.DistributionLambda(make)])
    network.compile(tf_keras.optimizers.SGD(1e-9), minus_log_prob)
    return network


@pytest.mark.parametrize("likelihood", [None, minus_log_prob], ids=["compiled", "said"])
def test_whole_counts_beside_a_distribution_of_floats_train(likelihood):
    network = counts_network()
    made = network(INPUTS)
    totals, logits = (np.asarray(x, float) for x in (made.total_count, made.logits))
    nats = -scipy.stats.nbinom.logpmf(COUNTS, totals, 1 - scipy.special.expit(logits))
    options = {"likelihood": likelihood, "batch_size": ROWS, "progress": False}
    history = train_by_elbo(network, INPUTS, COUNTS, num_epochs=1, **options)
    np.testing.assert_allclose(history["negative_log_likelihood"][0], nats.mean(), rtol=1e-4)


@pytest.mark.parametrize("eagerly", [True, False])
def test_whole_counts_are_blamed_and_not_the_inputs(eagerly):
    network = counts_network()
    network.compile("sgd", minus_log_prob, run_eagerly=eagerly)
    (alarm,) = checkup(network, INPUTS, COUNTS, num_examples=ROWS).alarms
    assert alarm.kind == "cannot-run"
    assert alarm.cure == "targets.astype('float32')."
    assert "requested dtype float32 for Tensor with dtype int" in alarm.message
    assert 'File "' not in alarm.message


def test_whole_inputs_are_still_blamed():
    network = tf_keras.Sequential([flipout(2)])
    (alarm,) = checkup(network, (10 * INPUTS).astype(int), COUNTS, num_examples=ROWS).alarms
    assert "inputs.astype('float32')" in alarm.cure
