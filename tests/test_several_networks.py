"""Objectives that call several networks, of which readers pass one, or none of which is called."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.prediction import predict_by_draws
from helpers.training import ElboMonitor, train_by_elbo

pytestmark = THIRD
tfd, tfpl = tfp.distributions, tfp.layers
N, FEATURES, CLASSES = 83, 5, 3
RNG = np.random.default_rng(4)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS = RNG.integers(0, CLASSES, N)
VALUES = RNG.normal(size=(N, 1)).astype("float32")
entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def flipout(units, **options):
    divergence = lambda q, p, _: tfd.kl_divergence(q, p) / N  # noqa: E731
    return tfpl.DenseFlipout(units, kernel_divergence_fn=divergence, **options)


@pytest.fixture(name="parts", scope="module")
def build_parts():
    """An encoder and a head, each a network of its own."""
    encoder = tf_keras.Sequential([flipout(7, activation="relu")], name="encoder")
    head = tf_keras.Sequential([flipout(CLASSES)], name="head")
    head(encoder(INPUTS[:2]))
    return encoder, head


def report_of(network, objective, targets=LABELS):
    return checkup(network, INPUTS, targets, num_examples=N, loss=objective)


@pytest.mark.parametrize("passed", ["encoder", "head", "both"])
def test_a_head_of_its_own_is_what_the_targets_belong_to(parts, passed):
    encoder, head = parts
    given = {"encoder": encoder, "head": head, "both": tf_keras.Sequential(parts)}

    def objective(inputs, labels):
        nll = entropy(labels, head(encoder(inputs)))
        return nll + sum(encoder.losses) + sum(head.losses)

    report = report_of(given[passed], objective)
    if passed == "head":  # the inputs that were passed are not those of the head
        assert not report.ok
        return
    assert report.ok, str(report)
    weighed = [f.layer for f in report.findings if (f.kind, f.verdict) == ("kl-weight", "right")]
    assert {name for names in weighed for name in names.split(", ")} == {
        part.layers[0].name for part in parts
    }


@pytest.mark.parametrize("forgotten", [0, 1])
def test_the_kl_of_either_part_is_missed(parts, forgotten):
    encoder, head = parts

    def objective(inputs, labels):
        nll = entropy(labels, head(encoder(inputs)))
        return nll + sum(parts[1 - forgotten].losses)

    report = report_of(encoder, objective)
    (alarm,) = report.alarms
    assert alarm.kind in ("kl-missing", "layer-lost"), str(report)
    assert alarm.layer == parts[forgotten].layers[0].name
    if alarm.kind == "kl-missing":
        assert "in the place of the KLs that you add now" in alarm.cure


@pytest.mark.parametrize("passed", [0, 1])
def test_a_mean_and_a_noise_of_two_networks(passed):
    mean, noise = (tf_keras.Sequential([flipout(6, activation="tanh"), flipout(1)]) for _ in "ab")
    mean(INPUTS[:2]), noise(INPUTS[:2])

    def objective(inputs, values):
        law = tfd.Normal(mean(inputs), 1e-3 + tf.nn.softplus(noise(inputs)))
        return -tf.reduce_mean(law.log_prob(values)) + sum(mean.losses) + sum(noise.losses)

    report = report_of((mean, noise)[passed], objective, VALUES)
    assert report.ok, str(report)
    assert "no-scale-gradient" not in report.kinds()
    assert "frozen-layer" not in report.kinds()


def test_a_step_that_leaves_the_scales_out_is_named(parts):
    network = tf_keras.Sequential([flipout(7, activation="relu"), flipout(CLASSES)])
    network(INPUTS[:2])
    optimizer = tf_keras.optimizers.Adam()

    def step_by(variables):
        def step(inputs, labels):
            with tf.GradientTape() as tape:
                loss = entropy(labels, network(inputs)) + sum(network.losses)
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
            return loss

        return step

    means = [v for v in network.trainable_variables if "scale" not in v.name]
    report = report_of(network, step_by(means))
    assert [alarm.kind for alarm in report.alarms] == ["no-scale-gradient"], str(report)
    assert report_of(network, step_by(network.trainable_variables)).ok


def test_a_kl_that_is_added_at_some_steps_is_not_ok():
    network = tf_keras.Sequential([flipout(7, activation="relu"), flipout(CLASSES)])
    network(INPUTS[:2])
    calls = []

    def objective(inputs, labels):
        calls.append(1)
        nll = entropy(labels, network(inputs))
        return nll + (sum(network.losses) if len(calls) % 5 == 0 else 0.0)

    report = report_of(network, objective)
    assert not report.ok
    assert any("Some steps leave it out" in finding.message for finding in report.unknown)


class Autoencoder(tf_keras.Model):
    """As keras.io writes them: a train_step, and no call."""

    def __init__(self, *, counted):
        super().__init__()
        self.encoder = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(FEATURES,))])
        self.decoder = tf_keras.Sequential([flipout(FEATURES, input_shape=(2,))])
        self.counted = counted

    def train_step(self, data):
        inputs = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            outputs = self.decoder(self.encoder(inputs))
            law = tfd.Independent(tfd.Normal(outputs, 0.3), 1)
            loss = -tf.reduce_mean(law.log_prob(inputs))
            loss += sum(self.decoder.losses) if self.counted else 0.0
        slopes = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
        return {"loss": loss}


@pytest.mark.parametrize("counted", [True, False])
def test_a_model_that_only_trains_its_parts_is_looked_at_as_it_trains(counted):
    model = Autoencoder(counted=counted)
    model.compile(tf_keras.optimizers.Adam())
    model.fit(INPUTS, epochs=1, verbose=0)
    report = checkup(model, INPUTS, num_examples=N)
    assert [alarm.kind for alarm in report.alarms] == ([] if counted else ["kl-missing"])
    assert not report.ok  # without targets the likelihood is not known


def test_what_such_a_model_puts_out_is_asked_for():
    model = Autoencoder(counted=True)
    model.compile(tf_keras.optimizers.Adam())
    for tool in (
        lambda: predict_by_draws(model, INPUTS, 3),
        lambda: train_by_elbo(model, INPUTS, INPUTS, likelihood="mse", num_epochs=1),
        lambda: checkup(model, INPUTS, INPUTS, likelihood=lambda y, o: o[:, 0]),
    ):
        with pytest.raises(ValueError, match="no call, so it puts nothing out"):
            tool()


def test_fit_of_such_a_model_goes_on_and_says_what_is_missing(capsys):
    model = Autoencoder(counted=False)
    model.compile(tf_keras.optimizers.Adam())
    history = model.fit(
        INPUTS, epochs=1, verbose=0, callbacks=[ElboMonitor(num_examples=N)]
    ).history
    said = capsys.readouterr()
    assert list(history) == ["loss"]
    assert "no call, so it puts nothing out" in said.out + said.err
    assert "kl-missing" in said.out + said.err


def test_a_layer_that_a_step_does_not_train_is_named():
    network = tf_keras.Sequential([flipout(7, activation="relu"), flipout(CLASSES)])
    network(INPUTS[:2])
    last = network.layers[-1].trainable_variables

    def step(inputs, labels):
        with tf.GradientTape() as tape:
            loss = entropy(labels, network(inputs)) + sum(network.losses)
        slopes = tape.gradient(loss, last)
        tf_keras.optimizers.SGD().apply_gradients(zip(slopes, last, strict=True))
        return loss

    report = report_of(network, step)
    [note] = [note for note in report.notes if note.kind == "frozen-layer"]
    assert note.layer == network.layers[0].name
