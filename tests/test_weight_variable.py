"""Variables that a KL is multiplied by: only the layers whose KL changes with them are excused."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from checkup_zoo import CLASSES, INPUTS, LABELS, N, bayesian, classifier, compiled
from sampling import THIRD

from helpers.checkup import checkup

pytestmark = THIRD

tfd = tfp.distributions


def scaled(weight):
    return lambda q, p, _: weight() * tfd.kl_divergence(q, p) / N


def test_a_missing_kl_beside_a_warm_up_stays_an_alarm():
    beta = tf.Variable(0.3, trainable=False)
    network = tf_keras.Sequential(
        [
            bayesian(5, "first", activation="relu", kernel_divergence_fn=scaled(lambda: beta)),
            bayesian(4, "second", activation="relu", kernel_divergence_fn=None),
            bayesian(CLASSES, "third", by=1),
        ]
    )
    report = checkup(compiled(network), INPUTS, LABELS, num_examples=N)
    assert {(f.kind, f.layer) for f in report.alarms} == {
        ("kl-missing", "second"),
        ("kl-not-scaled", "third"),
    }
    (note,) = [finding for finding in report.notes if finding.kind == "kl-weight-variable"]
    assert note.layer == "first"
    assert "holds 1)" in note.message  # where the weight is right


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("start", "weight"),
    [
        (0.5, lambda v: v),  # the fixed point of 0.5 x + 0.25
        (0.0, lambda v: v),
        (0.25, lambda v: tf.minimum(1.0, v)),
        (7.0, lambda v: tf.minimum(0.4, v)),  # only a smaller value shows
        (-3.0, tf.sigmoid),
    ],
)
def test_every_variable_is_found_whatever_it_holds(start, weight):
    beta = tf.Variable(start, trainable=False)
    network = classifier(kernel_divergence_fn=scaled(lambda: weight(beta)))
    report = checkup(compiled(network), INPUTS, LABELS, num_examples=N)
    assert not report.alarms, str(report)
    (note,) = [finding for finding in report.notes if finding.kind == "kl-weight-variable"]
    assert note.layer == "first, second"


def test_a_counter_of_steps_is_a_variable_too():
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    weight = scaled(lambda: tf.minimum(1.0, tf.cast(step, tf.float32) / 50))
    report = checkup(
        compiled(classifier(kernel_divergence_fn=weight)), INPUTS, LABELS, num_examples=N
    )
    assert not report.alarms, str(report)
    assert "holds 50)" in report.table().query("kind == 'kl-weight-variable'").message.iloc[0]
    assert int(step) == 0


def test_a_variable_that_multiplies_no_kl_excuses_nothing():
    other = tf.Variable(0.5, trainable=False)
    network = classifier(by=1)
    network.layers[0].other = other
    report = checkup(compiled(network), INPUTS, LABELS, num_examples=N)
    assert {finding.kind for finding in report.alarms} == {"kl-not-scaled"}


@pytest.mark.parametrize("start", [0.0, 26.0])
def test_a_counter_that_every_call_moves_on_is_looked_at_where_it_stands(start):
    step = tf.Variable(start, trainable=False)

    def counting(q, p, _):
        step.assign_add(1.0)
        return tf.minimum(1.0, step / 100.0) * tfd.kl_divergence(q, p) / N

    network = compiled(classifier(kernel_divergence_fn=counting))
    network(INPUTS[:1])
    step.assign(start)
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    assert step.numpy() == start
    assert not report.alarms, str(report)
    assert "monte-carlo-kl" not in report.kinds()
    notes = [finding for finding in report.notes if finding.kind == "kl-weight-variable"]
    assert notes
    assert all(f"now {start:g}" in note.message for note in notes)
    first = min(notes, key=lambda note: note.value)
    assert first.value == pytest.approx(min(1.0, (start + 1) / 100) / N, rel=1e-3)
