"""The table of single weights: against the variables of the layers and the entries of losses."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.losses import losses_by_layer
from helpers.losses.posterior_weights import posterior_weights
from helpers.networks.dense import bayesian_network

tfd, tfpl = tfp.distributions, tfp.layers
IMAGES = np.linspace(0, 1, 2 * 7, dtype=np.float32).reshape(2, 7)


@pytest.fixture(scope="module")
def neural_net():
    neural_net = bayesian_network([5, 3], seed=4)
    neural_net(IMAGES)
    return neural_net


def test_a_row_for_each_kernel_weight_in_the_order_of_the_variables(neural_net):
    table = posterior_weights(neural_net)
    assert table["layer"].tolist() == ["hidden_1"] * 7 * 5 + ["logits"] * 5 * 3
    for layer in neural_net.layers:
        rows = table[table["layer"] == layer.name]
        mean, rho, _ = layer.trainable_variables
        np.testing.assert_array_equal(rows["mean"], mean.numpy().ravel())
        np.testing.assert_allclose(rows["stddev"], np.log1p(np.exp(rho)).ravel(), rtol=1e-5)


def test_the_nats_of_a_layer_add_up_to_its_entry_of_losses(neural_net):
    sums = posterior_weights(neural_net).groupby("layer")["nats"].sum()
    entries = losses_by_layer(neural_net, IMAGES).set_index("layer")["nats"]
    np.testing.assert_allclose(sums[entries.index], entries, rtol=1e-6)


def test_a_network_without_posteriors_yet_is_refused():
    with pytest.raises(ValueError, match="call it once on a batch"):
        posterior_weights(bayesian_network([5, 3]))
    with pytest.raises(ValueError, match="no layer with a posterior"):
        posterior_weights(tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(7,))]))


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="Expected a tf_keras model or layer"):
        posterior_weights([1, 2])


def vector_posterior(kernel, bias, dtype=None):
    size = kernel + bias
    start = tf_keras.initializers.RandomNormal(stddev=0.7, seed=5)
    normal = tfpl.DistributionLambda(
        lambda t: tfd.Independent(tfd.Normal(t[:size], 0.1 + tf.nn.softplus(t[size:])), 1)
    )
    return tf_keras.Sequential([tfpl.VariableLayer(2 * size, initializer=start), normal])


def vector_prior(kernel, bias, dtype=None):
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel + bias), 2.0), 1)


def by_hand(layer):
    """Mean, σ and nats of the vector posterior, in float64."""
    mean, rho = np.split(layer.trainable_variables[0].numpy().astype(float), 2)
    stddev = 0.1 + np.log1p(np.exp(rho))
    nats = 0.5 * (mean**2 + stddev**2) / 4 - 0.5 - np.log(stddev / 2)
    return mean, stddev, nats


@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_variational_has_its_rows_kernel_before_bias(use_bias):
    layer = tfpl.DenseVariational(
        3, vector_posterior, vector_prior, use_bias=use_bias, kl_use_exact=True
    )
    mixed = tf_keras.Sequential([layer, bayesian_network([2], seed=1).layers[0]])
    mixed(IMAGES)
    rows = posterior_weights(mixed)
    own = rows[rows["layer"] == layer.name]
    assert own["part"].tolist() == ["kernel"] * 21 + ["bias"] * (3 if use_bias else 0)
    for column, expected in zip(("mean", "stddev", "nats"), by_hand(layer), strict=True):
        np.testing.assert_allclose(own[column], expected, rtol=2e-5, atol=1e-6)
    assert own["nats"].sum() == pytest.approx(float(mixed.losses[0]), rel=1e-5)
    assert len(rows) == len(own) + 3 * 2


def test_a_prior_without_formula_leaves_the_nats_open():
    def laplace(dtype, shape, *_):
        return tfd.Independent(tfd.Laplace(tf.zeros(shape, dtype), 1.0), len(shape))

    layer = tfpl.DenseFlipout(3, kernel_prior_fn=laplace, kernel_divergence_fn=None)
    layer(IMAGES)
    rows = posterior_weights(layer)
    assert len(rows) == 21
    assert rows["nats"].isna().all()
    assert (rows["stddev"] > 0).all()


def test_a_bias_that_is_one_number_each_has_no_row_and_one_with_a_posterior_has():
    options = {
        "bias_posterior_fn": tfpl.default_mean_field_normal_fn(),
        "bias_prior_fn": tfpl.default_multivariate_normal_fn,
    }
    layers = [tfpl.DenseFlipout(5), tfpl.DenseFlipout(3, **options)]
    network = tf_keras.Sequential(layers)
    network(IMAGES)
    counts = posterior_weights(network).groupby(["layer", "part"]).size().to_dict()
    names = [layer.name for layer in layers]
    wanted = {(names[0], "kernel"): 35, (names[1], "kernel"): 15, (names[1], "bias"): 3}
    assert counts == wanted
