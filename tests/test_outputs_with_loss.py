"""Several outputs, of which the compiled loss may leave some alone: what the check-up compares."""

import numpy as np
import pytest
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.model.heads import places_with_loss, targets_at
from helpers.training import ElboMonitor

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
N = 91


def divided(number):
    return lambda q, p, _: tfd.kl_divergence(q, p) / number


def gaussian(targets, outputs):
    return -tfd.Independent(tfd.Normal(outputs, 0.5), 1).log_prob(targets)


YES = tf_keras.losses.BinaryCrossentropy(from_logits=True)
CLASSES = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(N, 3)).astype("float32")
    yes = (inputs[:, :1] > 0).astype("float32")
    return inputs, yes, random.integers(0, 3, N)


def parts(number):
    inputs = tf_keras.Input((3,))
    features = tfpl.DenseFlipout(5, "relu", kernel_divergence_fn=divided(number), name="features")
    yes = tfpl.DenseFlipout(1, kernel_divergence_fn=divided(number), name="yes")
    classes = tfpl.DenseFlipout(3, kernel_divergence_fn=divided(number), name="classes")
    hidden = features(inputs)
    return inputs, hidden, yes(hidden), classes(hidden)


def kinds(report):
    return [finding.kind for finding in report.alarms]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [N, 1])
@pytest.mark.parametrize("form", ["a dict", "None last", "None first"])
def test_an_output_without_a_loss_is_left_alone(data, form, number):
    x, y, _ = data
    inputs, hidden, yes, _ = parts(number)
    if form == "a dict":
        network = tf_keras.Model(inputs, {"yes": yes, "features": hidden})
        loss, targets = {"yes": YES}, {"yes": y}
    elif form == "None last":
        network = tf_keras.Model(inputs, [yes, hidden])
        loss, targets = [YES, None], y
    else:
        network = tf_keras.Model(inputs, [hidden, yes])
        loss, targets = [None, YES], [np.zeros((N, 5), "float32"), y]
    network.compile("adam", loss)
    network.fit(x, targets, verbose=0)  # Keras takes it
    report = checkup(network, x, targets, num_examples=N)
    assert kinds(report) == ([] if number == N else ["kl-not-scaled"])
    assert report.ok == (number == N)


@pytest.mark.parametrize("number", [N, 1])
def test_keys_of_outputs_need_not_be_names_of_layers(data, number):
    x, y, labels = data
    inputs, _, yes, classes = parts(number)
    network = tf_keras.Model(inputs, {"first": yes, "second": classes})
    network.compile("adam", {"first": YES, "second": CLASSES})
    report = checkup(network, x, {"second": labels, "first": y}, num_examples=N)
    assert kinds(report) == ([] if number == N else ["kl-not-scaled"])
    assert report.ok == (number == N)


@pytest.mark.parametrize("is_cut", [True, False])
def test_targets_by_name_belong_to_their_output_in_any_order(data, is_cut):
    """Outputs in the order zeta, alpha; tf.nest sorts the targets the other way round."""
    x, _, _ = data
    inputs = tf_keras.Input((3,))
    zeta = tfpl.DenseFlipout(1, "relu", kernel_divergence_fn=divided(N), name="zeta")(inputs)
    alpha = tfpl.DenseFlipout(1, kernel_divergence_fn=divided(N), name="alpha")(inputs)
    network = tf_keras.Model(inputs, [zeta, alpha])
    network.compile("adam", {"zeta": gaussian, "alpha": gaussian})
    positive, signed = np.abs(x[:, :1]), 3 * x[:, 1:2]
    targets = {"zeta": signed, "alpha": positive} if is_cut else {"zeta": positive, "alpha": signed}
    report = checkup(network, x, targets, num_examples=N)
    assert kinds(report) == (["outputs-cut-off"] if is_cut else [])
    assert all("as zeta is cut off by relu" in alarm.message for alarm in report.alarms)


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_mean_inside_of_a_loss_of_ones_own_is_cut_off_too(data, is_cut):
    x, _, _ = data
    network = tf_keras.Sequential([tfpl.DenseFlipout(1, "relu", kernel_divergence_fn=divided(N))])
    network.compile("adam", gaussian)
    targets = 3 * x[:, 1:2] if is_cut else np.abs(x[:, 1:2])
    report = checkup(network, x, targets, num_examples=N)
    assert kinds(report) == (["outputs-cut-off"] if is_cut else [])
    if is_cut:
        (alarm,) = report.alarms
        assert alarm.value == 0
        assert targets.min() <= alarm.expected < 0  # of the rows that it looks at


class _Compiled:
    def __init__(self, loss):
        self.loss = loss


@pytest.mark.parametrize(
    ("loss", "places"),
    [
        ({"b": "mse"}, [1]),
        ({"a": None, "b": "mse"}, [1]),
        ([None, "mse"], [1]),
        (["mse", "mse"], [0, 1]),
        ("mse", [0, 1]),
        (None, [0, 1]),
    ],
)
def test_places_with_loss(loss, places):
    assert places_with_loss(_Compiled(loss), ["a", "b"]) == places


def test_targets_at_some_places():
    names = ["a", "b", "c"]
    assert targets_at({"b": 7, "c": 8}, names, [1, 2]) == [7, 8]
    assert targets_at([5, 6, 7], names, [1]) == [6]
    assert targets_at([5], names, [0]) == [5]  # Keras pairs them by place
    with pytest.raises(ValueError, match="no targets for the outputs"):
        targets_at([5], names, [1])
    with pytest.raises(ValueError, match="are called"):
        targets_at({"d": 5}, names, [1])
    with pytest.raises(ValueError, match="targets"):
        targets_at([5, 6], names, [0, 1, 2])


@pytest.mark.parametrize("form", ["a dict", "None"])
def test_the_monitor_says_which_network_it_can_log(data, form, capsys):
    x, y, _ = data
    inputs, hidden, yes, _ = parts(N)
    if form == "a dict":
        network = tf_keras.Model(inputs, {"yes": yes, "features": hidden})
        loss, targets = {"yes": YES}, {"yes": y}
    else:
        network = tf_keras.Model(inputs, [yes, hidden])
        loss, targets = [YES, None], y
    network.compile("adam", loss)
    network.fit(x, targets, verbose=0, callbacks=[ElboMonitor(N, check=False)])
    said = capsys.readouterr().out
    assert "nll and elbo are not logged" in said
    assert "network = tf_keras.Model(network.inputs, [...])" in said
