"""Weights that change from batch to batch: no alarm, and what they are is said."""

import pytest
import tensorflow as tf
from checkup_zoo import INPUTS, LABELS, N, classifier, mean_nll

from helpers.checkup import checkup

BATCHES = 6


def summed(network, weight):
    def objective(inputs, labels):
        nll = mean_nll(network, inputs, labels) * tf.cast(tf.shape(labels)[0], tf.float32)
        return nll + weight() * tf.add_n(network.losses)

    return objective


def halved(i):
    return 2.0 ** (BATCHES - i) / (2.0**BATCHES - 1)


def test_the_weights_of_an_epoch_add_up_to_one():
    assert sum(map(halved, range(1, BATCHES + 1))) == pytest.approx(1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("i", [1, 2, BATCHES])
@pytest.mark.parametrize("kind", ["variable", "number"])
@pytest.mark.parametrize("batch_size", [None, N // BATCHES])
def test_halving_weights_are_no_alarm(i, kind, batch_size):
    network = classifier(by=1)
    held = tf.Variable(halved(i)) if kind == "variable" else halved(i)
    objective = summed(network, lambda: held)
    report = checkup(network, INPUTS, LABELS, N, objective, batch_size=batch_size)
    assert not report.alarms, str(report)
    assert report.ok == (kind == "variable")  # a number may stand still
    text = " ".join(finding.message for finding in [*report.notes, *report.unknown])
    assert "2^(M-i) / (2^M - 1)" in text


@pytest.mark.parametrize(("weight", "batch_size"), [(1 / 64, 64), (1 / 64, None), (0.5, 64)])
def test_a_power_of_a_half_is_a_number_that_stands_still(weight, batch_size):
    network = classifier(by=1)
    objective = summed(network, lambda: weight)
    report = checkup(network, INPUTS, LABELS, 6000, objective, batch_size=batch_size)
    assert not report.ok
    assert ("kl-wrong-count" in report.kinds()) == (batch_size is not None), str(report)


def test_a_number_that_does_not_halve_stays_an_alarm():
    network = classifier(by=1)
    report = checkup(network, INPUTS, LABELS, N, summed(network, lambda: 0.9), batch_size=50)
    assert {finding.kind for finding in report.alarms} == {"kl-wrong-count"}


def test_a_counter_of_python_shows_from_call_to_call():
    network, calls = classifier(by=1), []

    def weight():
        calls.append(None)
        return halved((len(calls) - 1) % BATCHES + 1)

    report = checkup(network, INPUTS, LABELS, N, summed(network, weight))
    assert not report.alarms, str(report)
    (note,) = [finding for finding in report.notes if finding.kind == "kl-weight-variable"]
    assert "halves" in note.message
