"""A KL within a function that bends is no KL times a number, wherever the network stands."""

import numpy as np
import pytest
import tensorflow as tf
from checkup_zoo import INPUTS, LABELS, N, classifier, mean_nll
from sampling import EIGHTH

from helpers.checkup import checkup

pytestmark = EIGHTH

BENDS = {
    "free bits": lambda entries: tf.maximum(tf.add_n(entries), 30.0) / N,
    "free bits for each layer": lambda entries: (
        tf.add_n([tf.maximum(entry, 3.0) for entry in entries]) / N
    ),
    "the root of a PAC-Bayes bound": lambda entries: tf.sqrt(
        (tf.add_n(entries) + np.log(2 * np.sqrt(N) / 0.05)) / (2 * N)
    ),
    "a capacity": lambda entries: tf.abs(tf.add_n(entries) - 10.0) / N,
    "a square": lambda entries: tf.add_n(entries) ** 2 / N,
    "a weight of its own": lambda entries: (
        tf.add_n(entries) * tf.stop_gradient(0.1 / tf.add_n(entries))
    ),
}
STRAIGHT = {
    "as it is": lambda entries: tf.add_n(entries) / N,
    "cut off far away": lambda entries: tf.clip_by_value(tf.add_n(entries), 0.0, 1e7) / N,
    "layer by layer": lambda entries: sum(entry / N for entry in entries),
}


def report_of(of_entries):
    network = classifier(by=1)
    network(INPUTS[:2])

    def objective(inputs, labels):
        return mean_nll(network, inputs, labels) + of_entries(network.losses)

    return checkup(network, INPUTS, LABELS, N, objective)


@pytest.mark.parametrize("name", BENDS)
def test_a_function_that_bends_is_an_alarm(name):
    (alarm,) = report_of(BENDS[name]).alarms
    assert alarm.kind == "not-a-kl"
    assert alarm.layer == "first, second"
    assert "is no ELBO" in alarm.message
    assert f"1/{N}" in alarm.cure


@pytest.mark.parametrize("name", STRAIGHT)
def test_a_number_is_none(name):
    report = report_of(STRAIGHT[name])
    assert report.ok, str(report)
