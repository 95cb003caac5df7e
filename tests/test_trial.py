"""Whether a network still computes what it did when its training was saved."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.training import train_by_elbo

tfpl, L = tfp.layers, tf_keras.layers
RNG = np.random.default_rng(1)
IMAGES, LABELS = RNG.normal(size=(17, 5)).astype(np.float32), RNG.integers(0, 3, 17)


def network(rate=0.3, slope=0.2, momentum=0.9, scale=1.0, shift=0.0, activation=tf.nn.tanh):
    starts = {
        "kernel_posterior_fn": gaussian_posterior(1),
        "bias_posterior_fn": point_posterior(),
    }
    return tf_keras.Sequential(
        [
            L.Rescaling(scale),
            tfpl.DenseFlipout(5, activation=activation, **starts),
            L.LeakyReLU(slope),
            L.Dropout(rate, seed=3),
            L.BatchNormalization(momentum=momentum),
            L.Lambda(lambda x: x + shift),
            tfpl.DenseFlipout(3, **starts),
        ]
    )


def train(folder, num_epochs, **changed):
    options = {"batch_size": 7, "folder": folder, "resume": True, "progress": False}
    return train_by_elbo(network(**changed), IMAGES, LABELS, num_epochs=num_epochs, **options)


def test_the_same_network_goes_on(tmp_path):
    train(tmp_path, 1)
    assert len(train(tmp_path, 2)) == 6


CHANGES = {
    "rate of a dropout": {"rate": 0.6},
    "slope of an activation": {"slope": 0.4},
    "scale of the inputs": {"scale": 0.5},
    "a function in a Lambda": {"shift": 0.5},
    "an activation without a name": {"activation": lambda x: tf.nn.tanh(x) * 1.5},
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("change", CHANGES)
def test_a_network_that_computes_something_else_is_refused(tmp_path, change):
    train(tmp_path, 1)
    before = (tmp_path / "training.npz").read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint of another (network|run)"):
        train(tmp_path, 2, **CHANGES[change])
    assert (tmp_path / "training.npz").read_bytes() == before


def test_looking_moves_nothing(tmp_path):
    """Batch normalisation would move its means at each look."""
    alone = train_by_elbo(network(), IMAGES, LABELS, num_epochs=3, batch_size=7, progress=False)
    options = {"batch_size": 7, "folder": tmp_path, "save_every": 0.0, "progress": False}
    watched = train_by_elbo(network(), IMAGES, LABELS, num_epochs=3, **options)
    np.testing.assert_array_equal(watched, alone)
