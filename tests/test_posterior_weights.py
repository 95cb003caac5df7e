"""The table of single weights: against the variables of the layers and the entries of losses."""

import numpy as np
import pytest
import tf_keras

from helpers.losses import losses_by_layer
from helpers.losses.posterior_weights import posterior_weights
from helpers.networks.dense import bayesian_network

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
    with pytest.raises(ValueError, match="no layer with a kernel posterior"):
        posterior_weights(tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(7,))]))


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="Expected a tf_keras model or layer"):
        posterior_weights([1, 2])
