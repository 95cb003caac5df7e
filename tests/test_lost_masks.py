"""Masks of padded steps that TFP's layers hand on to nobody: said, refused, and cured."""

import re

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.model.lost_masks import lost_masks
from helpers.prediction import predict_by_draws
from helpers.training import train_by_elbo

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
N, STEPS, WORDS, CLASSES = 41, 5, 9, 3
RNG = np.random.default_rng(1)
LENGTHS = RNG.integers(2, STEPS + 1, N)
INPUTS = np.where(np.arange(STEPS) < LENGTHS[:, np.newaxis], RNG.integers(1, WORDS, (N, STEPS)), 0)
LABELS = INPUTS % CLASSES
EXISTS = INPUTS != 0
LOSS = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
IGNORING = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
QUICK = {"num_epochs": 1, "batch_size": N, "progress": False}


def flipout(units, number, **options):
    def divergence(q, p, _):
        return tfd.kl_divergence(q, p) / number

    return tfpl.DenseFlipout(units, kernel_divergence_fn=divergence, **options)


def tagger(number, *, hands_on=False, loss=LOSS):
    """A class for each word: the mask reaches the outputs if the last layer hands it on."""
    last = flipout(CLASSES, number)
    last.supports_masking = hands_on
    words = tf_keras.layers.Embedding(WORDS, 4, mask_zero=True)
    network = tf_keras.Sequential([words, tf_keras.layers.LSTM(6, return_sequences=True), last])
    network.compile("adam", loss)
    network(INPUTS)
    return network


def lost(report):
    return [finding for finding in report.findings if finding.kind == "mask-lost"]


def nats(network):
    """The negative log-likelihood of each sentence, its padding left out, in float64."""
    network.layers[-1].kernel_posterior_tensor_fn = tfd.Distribution.mean
    logs = scipy.special.log_softmax(np.asarray(network(INPUTS), float), axis=-1)
    return -np.where(EXISTS, np.take_along_axis(logs, LABELS[..., None], -1)[..., 0], 0).sum(1)


def test_padding_that_counts_as_data_is_an_alarm_and_the_cure_leads_to_a_clean_report():
    report = checkup(tagger(N * STEPS), INPUTS, LABELS, num_examples=N)
    (alarm,) = report.alarms
    assert alarm.kind == "mask-lost"
    assert alarm.value == pytest.approx(1 - EXISTS.mean())
    number = int(re.search(r"about (\d+)", alarm.cure)[1])
    assert number == EXISTS.sum()
    cured = tagger(number, hands_on=True)  # layer.supports_masking = True, as the cure says
    report = checkup(cured, INPUTS, LABELS, num_examples=N)
    assert report.ok, str(report)
    assert not lost(report)


@pytest.mark.parametrize("way", ["weights", "labels of -1"])
def test_padding_that_does_not_count_is_no_alarm(way):
    weights = EXISTS.astype("float32")
    labels = np.where(EXISTS, LABELS, -1) if way == "labels of -1" else LABELS
    network = tagger(N * STEPS, loss=IGNORING if way == "labels of -1" else LOSS)
    parts = (INPUTS, labels) if way == "labels of -1" else (INPUTS, labels, weights)
    rows = tf.data.Dataset.from_tensor_slices(parts).batch(N)
    assert not lost(checkup(network, rows, num_examples=N))
    network = tagger(1, loss=None)
    likelihood = IGNORING if way == "labels of -1" else LOSS
    history = train_by_elbo(network, rows, likelihood=likelihood, num_epochs=1, progress=False)
    assert np.isfinite(history["elbo"][0])


def test_a_mask_that_was_used_up_is_no_finding_and_one_lost_on_the_way_is_a_note():
    first = LABELS[:, 0]
    words = [tf_keras.layers.Embedding(WORDS, 4, mask_zero=True) for _ in range(2)]
    used = tf_keras.Sequential([words[0], tf_keras.layers.LSTM(6), flipout(CLASSES, N)])
    layers = [words[1], flipout(4, N, name="hidden"), tf_keras.layers.LSTM(6)]
    on_the_way = tf_keras.Sequential([*layers, tf_keras.layers.Dense(CLASSES)])
    for network in (used, on_the_way):
        network.compile("adam", LOSS)
    assert not lost(checkup(used, INPUTS, first, num_examples=N))
    report = checkup(on_the_way, INPUTS, first, num_examples=N)
    (note,) = lost(report)
    assert report.ok
    assert (note.verdict, note.layer) == ("look", "hidden")
    on_the_way.layers[1].supports_masking = True
    assert not lost(checkup(on_the_way, INPUTS, first, num_examples=N))


def test_the_trainer_refuses_padding_as_data_and_takes_the_cure():
    network = tagger(1)
    network.layers[-1].kernel_posterior_tensor_fn = tfd.Distribution.mean
    still = {"optimizer": tf_keras.optimizers.SGD(0.0), "jit_compile": False}
    with pytest.raises(ValueError, match="supports_masking = True for dense_flipout"):
        train_by_elbo(network, INPUTS, LABELS, **QUICK, **still)
    network.layers[-1].supports_masking = True
    history = train_by_elbo(network, INPUTS, LABELS, **QUICK, **still)
    assert history["negative_log_likelihood"][0] == pytest.approx(nats(network).mean(), rel=1e-5)


def test_a_likelihood_of_each_example_has_its_own_way():
    def of_sentence(labels, logits):
        logs = tfd.Categorical(logits=logits).log_prob(tf.maximum(labels, 0))
        return -tf.reduce_sum(tf.where(labels >= 0, logs, 0.0), axis=1)

    labels = np.where(EXISTS, LABELS, -1)
    history = train_by_elbo(tagger(1, loss=None), INPUTS, labels, likelihood=of_sentence, **QUICK)
    assert np.isfinite(history["elbo"][0])


def test_predictions_score_no_padding():
    network = tagger(N * STEPS)
    network.layers[-1].kernel_posterior_tensor_fn = tfd.Distribution.mean
    predictions = predict_by_draws(network, INPUTS, 2)
    assert predictions.mean.shape == (N, STEPS, CLASSES)
    with pytest.raises(ValueError, match="supports_masking = True"):
        predictions.log_predictive_density(LABELS)
    network.layers[-1].supports_masking = True
    density = predict_by_draws(network, INPUTS, 2).log_predictive_density(LABELS)
    np.testing.assert_allclose(density, -nats(network), rtol=1e-5)


class Own(tf_keras.layers.Layer):
    """A layer of one's own: it hands no mask on either, unless told."""

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], CLASSES))

    def call(self, inputs):
        return inputs @ self.kernel


def test_which_layers_lose_a_mask():
    values = RNG.normal(size=(7, STEPS, 4)).astype("float32")
    values[:, 3:] = 0
    layers = [tf_keras.layers.Masking(), tf_keras.layers.GRU(6, return_sequences=True)]
    network = tf_keras.Sequential([*layers, Own(name="own"), tf_keras.layers.Dense(2)])
    network(values)
    found = lost_masks(network, tf.constant(values))
    assert [layer.name for layer in found.layers] == ["own"]
    np.testing.assert_array_equal(found.of_outputs[0][0], [True] * 3 + [False] * 2)
    assert not network.layers[2].supports_masking  # it is as it was
    network.layers[2].supports_masking = True
    assert lost_masks(network, tf.constant(values)) is None
    plain = tf_keras.Sequential([tf_keras.layers.Dense(2)])
    plain(values)
    assert lost_masks(plain, tf.constant(values)) is None


@pytest.mark.parametrize("hands_on", [False, True])
def test_padding_under_a_distribution_counts_whatever_is_handed_on(hands_on):
    last = flipout(CLASSES, N * STEPS)
    last.supports_masking = hands_on
    words = tf_keras.layers.Embedding(WORDS, 4, mask_zero=True)
    classes = tfpl.DistributionLambda(lambda t: tfd.Categorical(logits=t))
    layers = [words, tf_keras.layers.LSTM(6, return_sequences=True), last, classes]
    network = tf_keras.Sequential(layers)
    network.compile("adam", lambda targets, outputs: -outputs.log_prob(targets))
    (alarm,) = checkup(network, INPUTS, LABELS, num_examples=N).alarms
    assert alarm.kind == "mask-lost"
    assert "sample_weight=" in alarm.cure
    with pytest.raises(ValueError, match="A distribution takes no mask"):
        train_by_elbo(network, INPUTS, LABELS, **QUICK)
    weighted = (INPUTS, LABELS, EXISTS.astype("float32"))
    rows = tf.data.Dataset.from_tensor_slices(weighted).batch(N)  # the cure, word for word
    assert checkup(network, rows, num_examples=N).ok
