"""Verdicts on the spread: where it started, whether it can move, and cures that fit the rest."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from checkup_zoo import (
    CROSS_ENTROPY,
    INPUTS,
    LABELS,
    RESPONSES,
    N,
    bayesian,
    classifier,
    compiled,
    minus_log_prob,
    standard_prior,
    tutorial_posterior,
    tutorial_prior,
)
from sampling import NIGHTLY, THIRD

from helpers.checkup import checkup

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
NARROW = float(np.log(np.expm1(1e-5)))


def double_constant(kernel_size, bias_size=0, dtype=None):
    """A posterior to whose scale the same constant is added twice."""
    n = kernel_size + bias_size
    normal = tf_keras.initializers.TruncatedNormal(0.0, 0.05, seed=1)
    sizes = [normal, tf_keras.initializers.Constant(NARROW)]
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(
                2 * n, dtype=dtype, initializer=tfpl.BlockwiseInitializer(sizes, [n, n])
            ),
            tfpl.DistributionLambda(
                lambda t: tfd.Independent(
                    tfd.Normal(t[..., :n], 1e-5 + tf.nn.softplus(NARROW + t[..., n:])), 1
                )
            ),
        ]
    )


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_scale_that_cannot_move_is_not_said_to_have_shrunk(epochs):
    layer = tfpl.DenseVariational(3, double_constant, standard_prior, kl_weight=1 / N, name="first")
    network = compiled(tf_keras.Sequential([layer]))
    if epochs:
        network.fit(INPUTS, LABELS, epochs=epochs, verbose=0)
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    (alarm,) = report.alarms
    assert alarm.kind == "scale-stuck"
    assert "cannot move" in alarm.message
    assert "since their start" in alarm.message
    assert "1/N" not in alarm.cure  # the weight of the KL is right, as the same report says
    assert "kl-weight" in {finding.kind for finding in report.confirmed}


def with_scale(rho, **options):
    posterior = tfpl.default_mean_field_normal_fn(
        loc_initializer=tf_keras.initializers.RandomNormal(stddev=0.1, seed=3),
        untransformed_scale_initializer=tf_keras.initializers.Constant(rho),
    )
    layer = bayesian(3, "first", kernel_posterior_fn=posterior, **options)
    return compiled(tf_keras.Sequential([layer]))


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_narrow_start_is_no_alarm(epochs):
    network = with_scale(-9.0)
    if epochs:
        network.fit(INPUTS, LABELS, epochs=epochs, verbose=0)
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    assert not report.alarms, str(report)
    assert "narrow-start" in report.kinds()


def test_what_shrank_for_want_of_a_kl_is_cured_by_the_kl():
    network = with_scale(-3.0, kernel_divergence_fn=None)
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    network.layers[0].trainable_variables[1].assign(tf.fill((6, 3), -12.0))
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    found = {finding.kind: finding for finding in report.alarms}
    assert set(found) == {"kl-missing", "scale-shrunk"}
    assert "kl-missing" in found["scale-shrunk"].cure


def mixture(dtype, shape, *_):
    parts = tfd.Normal([0.0, 0.0], [1.0, 0.05])
    return tfd.Sample(tfd.MixtureSameFamily(tfd.Categorical(probs=[0.5, 0.5]), parts), shape)


def laplace(dtype, shape, *_):
    return tfd.Independent(tfd.Laplace(tf.zeros(shape), 1.0), len(shape))


def sample_of_student(dtype, shape, *_):
    return tfd.Sample(tfd.StudentT(3.0, 0.0, 1.0), shape)


@pytest.mark.parametrize("prior", [mixture, laplace, sample_of_student])
def test_a_spread_is_judged_under_priors_without_a_closed_form(prior):
    def drawn(q, p, _):
        weights = q.sample()
        return (q.log_prob(weights) - p.log_prob(weights)) / N

    network = with_scale(-3.0, kernel_prior_fn=prior, kernel_divergence_fn=drawn)
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    assert not checkup(network, INPUTS, LABELS, num_examples=N).alarms
    network.layers[0].trainable_variables[1].assign(tf.fill((6, 3), -12.0))
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    assert {finding.kind for finding in report.alarms} == {"scale-shrunk"}, str(report)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("prior", [standard_prior, tutorial_prior])
@pytest.mark.parametrize("learned", [False, True])
def test_the_regression_tutorial_gives_no_alarm_at_any_epoch(prior, learned):
    """Posterior and prior start as one distribution, so that after a step they still nearly are."""

    def output(t):
        noise = 1e-3 + tf.nn.softplus(0.05 * t[..., 1:]) if learned else 1.0
        return tfd.Normal(t[..., :1], noise)

    rng = np.random.default_rng(5)
    x = rng.uniform(-20, 60, (150, 1)).astype("float32")
    y = (0.125 * x * (1 + np.sin(x) / 10) + 5 + rng.normal(size=x.shape)).astype("float32")
    layer = tfpl.DenseVariational(1 + learned, tutorial_posterior, prior, kl_weight=1 / 150)
    network = tf_keras.Sequential([layer, tfpl.DistributionLambda(output)])
    network.compile(tf_keras.optimizers.Adam(0.01), minus_log_prob)
    network(x[:2])
    for epochs in (0, 1, 99):
        if epochs:
            network.fit(x, y, epochs=epochs, verbose=0)
        report = checkup(network, x, y, num_examples=150)
        assert not report.alarms, str(report)
        assert "kl-weight" in {finding.kind for finding in report.confirmed}


def full_covariance(kernel_size, bias_size=0, dtype=None):
    n = kernel_size + bias_size
    parameters = tfpl.VariableLayer(tfpl.MultivariateNormalTriL.params_size(n), dtype=dtype)
    return tf_keras.Sequential([parameters, tfpl.MultivariateNormalTriL(n)])


def unit_diagonal(kernel_size, bias_size=0, dtype=None):
    n = kernel_size + bias_size
    return lambda _: tfd.MultivariateNormalDiag(tf.zeros(n), tf.ones(n))


@pytest.mark.parametrize(
    "epochs", [pytest.param(0, marks=NIGHTLY), 1, pytest.param(100, marks=NIGHTLY)]
)
def test_the_wine_network_gives_no_alarm_at_any_epoch(epochs):
    rng = np.random.default_rng(6)
    x = (rng.normal(size=(N, 11)) * np.linspace(0.1, 45, 11) + 3).astype("float32")
    y = (6 + 0.02 * x[:, -1:] + rng.normal(size=(N, 1))).astype("float32")
    inputs = tf_keras.Input((11,))
    hidden = tf_keras.layers.BatchNormalization()(inputs)
    for _ in range(2):
        hidden = tfpl.DenseVariational(
            8, full_covariance, unit_diagonal, kl_weight=1 / N, activation="sigmoid"
        )(hidden)
    outputs = tfpl.IndependentNormal(1)(tf_keras.layers.Dense(2)(hidden))
    network = tf_keras.Model(inputs, outputs)
    network.compile(tf_keras.optimizers.RMSprop(0.001), minus_log_prob)
    if epochs:
        network.fit(x, y, epochs=epochs, batch_size=256, verbose=0)
    report = checkup(network, x, y, num_examples=N)
    assert not report.alarms, str(report)


def test_no_collapse_is_foretold_where_the_noise_decides():
    def report_of(noise):
        output = tfpl.DistributionLambda(lambda t: tfd.MultivariateNormalDiag(t, [noise]))
        layers = [bayesian(5, "first", by=1, activation="tanh"), bayesian(1, "second", by=1)]
        network = tf_keras.Sequential([*layers, output])
        (alarm,) = checkup(compiled(network, minus_log_prob), INPUTS, RESPONSES, N).alarms
        assert alarm.kind == "kl-not-scaled"
        return alarm.message

    assert "will collapse" in report_of(1.0)
    assert "will collapse" not in report_of(1e-4)


def test_a_collapse_under_too_heavy_a_kl_points_to_it():
    network = compiled(classifier(by=1), CROSS_ENTROPY)
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    for layer in network.layers:
        loc, rho = layer.trainable_variables[:2]
        loc.assign(tf.zeros_like(loc))
        rho.assign(tf.fill(rho.shape, float(np.log(np.expm1(1.0)))))
    found = {f.kind: f for f in checkup(network, INPUTS, LABELS, N).alarms}
    assert set(found) == {"kl-not-scaled", "collapsed-onto-prior"}
    assert "kl-not-scaled" in found["collapsed-onto-prior"].cure
