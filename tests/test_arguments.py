"""Numbers that no tool can work with are refused by name, before any work is done."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.checkup import checkup
from helpers.model.checks import check_whole, is_whole
from helpers.prediction.predict import predict_by_draws
from helpers.training.elbo_monitor import ElboMonitor
from helpers.training.train import train_by_elbo

N = 11
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(N, 4)).astype("float32")
VALUES = RNG.normal(size=(N, 1)).astype("float32")
NETWORK = tf_keras.Sequential(
    [
        tfp.layers.DenseFlipout(2, kernel_divergence_fn=lambda q, p, _: q.kl_divergence(p) / N),
        tfp.layers.IndependentNormal(1),
    ]
)
NETWORK.compile("adam", lambda targets, outputs: -outputs.log_prob(targets))
PREDICTION = predict_by_draws(NETWORK, INPUTS, 3)

NO_NUMBERS = ("a", float("nan"), [], np.array([1, 2]), object())
NO_COUNTS = (*NO_NUMBERS, float("inf"), -1, 1.5, True)
TOOLS = {
    "checkup": lambda **options: checkup(NETWORK, INPUTS, VALUES, **options),
    "train": lambda **options: train_by_elbo(
        NETWORK, INPUTS, VALUES, **{"num_epochs": 1, "progress": False, **options}
    ),
    "predict": lambda **options: predict_by_draws(NETWORK, INPUTS, **{"num_draws": 2, **options}),
    "monitor": ElboMonitor,
    "interval": lambda **options: PREDICTION.interval(**{"level": 0.5, **options}),
}
COUNTS = {
    "checkup": ("num_examples", "batch_size"),
    "train": ("num_epochs", "batch_size", "num_draws", "num_examples", "seed"),
    "predict": ("num_draws", "seed"),
    "monitor": ("num_examples",),
    "interval": ("num_samples",),
}
NUMBERS = {
    "train": ("learning_rate", "kl_weight", "save_every"),
    "predict": ("max_memory",),
    "interval": ("level",),
}
CASES = [
    (tool, name, value)
    for several, values in ((COUNTS, NO_COUNTS), (NUMBERS, (*NO_NUMBERS, -1)))
    for tool, names in several.items()
    for name in names
    for value in values
]


@pytest.mark.parametrize(("tool", "name", "value"), CASES)
def test_what_is_no_such_number_is_refused_by_name(tool, name, value):
    NETWORK.optimizer = None  # which learning_rate would stand beside
    with pytest.raises(ValueError, match=f"{name} is .*(give|choose)"):
        TOOLS[tool](**{name: value})


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3), tf.constant(3), 10**30])
def test_whole_numbers_of_all_libraries_are_some(value):
    assert is_whole(value)
    assert check_whole("n", value, 1) == int(value)


def test_a_number_of_examples_beyond_all_data_is_no_loop_without_an_end():
    assert not checkup(NETWORK, INPUTS, VALUES, num_examples=10**15).ok
