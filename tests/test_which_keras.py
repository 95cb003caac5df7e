"""Which Keras a model belongs to; old programs, where TFP's layers belong to tf.keras, are faked.

Run on TensorFlow 2.15.1, TFP 0.23 and tf_keras 2.15.1 themselves, the four tools say the sentence
below, and with TF_USE_LEGACY_KERAS=1 they do their work.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.checkup import checkup
from helpers.checkup.measure.keras_3 import is_keras_3
from helpers.losses import losses_by_layer
from helpers.model import which_keras
from helpers.model.checks import check_keras_version
from helpers.prediction import predict_by_draws
from helpers.training import train_by_elbo

INPUTS = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])
TOOLS = {
    "checkup": lambda network: checkup(network, INPUTS, LABELS),
    "losses_by_layer": lambda network: losses_by_layer(network, INPUTS),
    "train_by_elbo": lambda network: train_by_elbo(
        network, INPUTS, LABELS, num_epochs=1, batch_size=7
    ),
    "predict_by_draws": lambda network: predict_by_draws(network, INPUTS, 2),
}


class OldLayer:
    """What TFP's layers derive from where TensorFlow is old: no class of tf_keras."""


@pytest.fixture
def old_stack(monkeypatch):
    """A program in which TFP's layers and a model belong to another Keras 2."""
    monkeypatch.setattr(tfp.layers, "DenseFlipout", type("DenseFlipout", (OldLayer,), {}))
    monkeypatch.setattr(tf, "__version__", "2.15.1")
    return type("Sequential", (OldLayer,), {"__module__": "keras.src.engine.sequential"})()


def bayesian():
    network = tf_keras.Sequential([tfp.layers.DenseFlipout(3)])
    network(INPUTS)
    return network


def test_the_keras_of_today():
    assert not which_keras.tfp_has_another_keras()
    assert which_keras.is_of_another_keras(keras.Sequential())
    assert not which_keras.is_of_another_keras(bayesian())
    assert not which_keras.is_of_another_keras(tf.Module())
    assert is_keras_3(keras.layers.Dense(3))
    check_keras_version(bayesian())


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_says_which_keras_the_layers_belong_to(name, old_stack):
    with pytest.raises(TypeError) as told:
        TOOLS[name](old_stack)
    text = str(told.value)
    assert "Keras 3" not in text
    assert text.startswith("With TensorFlow 2.15.1 the layers of TFP belong to tf.keras")
    assert 'os.environ["TF_USE_LEGACY_KERAS"] = "1"' in text


@pytest.mark.parametrize("name", TOOLS)
def test_a_model_of_the_other_copy_is_no_better(name, monkeypatch):
    network = bayesian()
    monkeypatch.setattr(tfp.layers, "DenseFlipout", OldLayer)
    with pytest.raises(TypeError, match="tf_keras is another copy"):
        TOOLS[name](network)


@pytest.mark.parametrize(
    ("version", "cure"),
    [
        ("2.15.0", "TF_USE_LEGACY_KERAS"),
        ("2.14.1", "pip install --upgrade"),
        ("2.9.3", "pip install --upgrade"),
    ],
)
def test_the_switch_is_named_where_tensorflow_reads_it(version, cure, monkeypatch):
    monkeypatch.setattr(tf, "__version__", version)
    said = which_keras.how_to_bring_them_together()
    assert said.startswith(f"With TensorFlow {version} ")
    assert cure in said
    assert len({"TF_USE_LEGACY_KERAS" in said, "pip install" in said}) == 2


def test_keras_2_under_its_oldest_name_is_another_keras():
    old = type("Sequential", (), {"__module__": "tensorflow.python.keras.engine"})()
    assert which_keras.is_of_another_keras(old)
    stranger = type("Sequential", (), {"__module__": "kerastuner.engine"})()
    assert not which_keras.is_of_another_keras(stranger)


def test_a_class_is_told_from_a_model():
    with pytest.raises(TypeError, match=r"the class Sequential, which has to be called"):
        check_keras_version(tf_keras.Sequential)
    with pytest.raises(TypeError, match="but got ndarray"):
        check_keras_version(INPUTS)
