"""Layers that draw from something else than their posterior."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from checkup_zoo import (
    CLASSES,
    CROSS_ENTROPY,
    INPUTS,
    LABELS,
    N,
    bayesian,
    compiled,
    standard_prior,
)

from helpers.checkup import checkup

tfd, tfpl = tfp.distributions, tfp.layers

# How a weight is made of a distribution, and the standard deviation beside the posterior's.
OTHER = {
    "cold": (lambda d: 0.1 * d.sample() + 0.9 * d.mean(), 0.1),
    "averaged": (lambda d: tf.reduce_mean(d.sample(25), axis=0), 0.2),
    "hot": (lambda d: 3 * d.sample() - 2 * d.mean(), 3.0),
}


def variational(draw):
    def posterior(kernel_size, bias_size=0, dtype=None):
        n = kernel_size + bias_size
        return tf_keras.Sequential(
            [
                tfpl.VariableLayer(2 * n, dtype=dtype, initializer="random_normal"),
                tfpl.DistributionLambda(
                    lambda t: tfd.Independent(tfd.Normal(t[..., :n], tf.exp(t[..., n:] - 2)), 1),
                    convert_to_tensor_fn=draw,
                ),
            ]
        )

    return tfpl.DenseVariational(
        CLASSES, posterior, standard_prior, kl_weight=1 / N, kl_use_exact=True, name="first"
    )


def layer_of(kind, draw):
    if kind == "DenseVariational":
        return variational(draw)
    return bayesian(CLASSES, "first", getattr(tfpl, kind), kernel_posterior_tensor_fn=draw)


def report_of(kind, draw):
    network = compiled(tf_keras.Sequential([layer_of(kind, draw)]), CROSS_ENTROPY)
    return checkup(network, INPUTS, LABELS, num_examples=N)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", ["DenseFlipout", "DenseReparameterization", "DenseVariational"])
@pytest.mark.parametrize("name", OTHER)
def test_a_layer_that_draws_from_something_else_is_named(kind, name):
    draw, spread = OTHER[name]
    (alarm,) = report_of(kind, draw).alarms
    assert (alarm.kind, alarm.layer) == ("draws-differ", "first")
    assert alarm.value == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("kind", ["DenseFlipout", "DenseReparameterization", "DenseVariational"])
def test_draws_of_the_posterior_are_no_alarm(kind):
    assert report_of(kind, lambda d: d.sample(seed=3)).ok
