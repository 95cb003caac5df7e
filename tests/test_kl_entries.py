"""Entries of ``losses`` beside the KL: constants are said, and what is no KL is no weight."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from checkup_zoo import CLASSES, INPUTS, LABELS, N, bayesian, compiled, divided, drawn_kl
from sampling import THIRD

from helpers.checkup import checkup

pytestmark = THIRD

tfd = tfp.distributions


def report_of(divergence, **options):
    layer = bayesian(CLASSES, "first", kernel_divergence_fn=divergence, **options)
    return checkup(compiled(tf_keras.Sequential([layer])), INPUTS, LABELS, num_examples=N)


def kl(q, p):
    return tfd.kl_divergence(q, p)


NO_KL = {
    "minus sigma": lambda q, p, _: (kl(q, p) - 3 * tf.reduce_sum(q.stddev())) / N,
    "plus means": lambda q, p, _: (kl(q, p) + 0.5 * tf.reduce_sum(q.mean() ** 2)) / N,
    "squared": lambda q, p, _: kl(q, p) ** 2 / N,
    "clipped": lambda q, p, _: tf.minimum(kl(q, p), 90.0) / N,
    "free nats": lambda q, p, _: tf.maximum(kl(q, p), 5.0) / N,
    "the other way": lambda q, p, _: kl(p, q) / N,
    "half of log sigma": lambda q, p, _: (
        (kl(q, p) + tf.reduce_sum(tf.math.log(q.stddev())) / 2) / N
    ),
    "entropy alone": lambda q, p, _: -q.entropy() / N,
}


@pytest.mark.parametrize("name", NO_KL)
def test_an_entry_without_a_plateau_is_no_kl(name):
    report = report_of(NO_KL[name])
    assert {finding.kind for finding in report.alarms} == {"not-a-kl"}, str(report)
    assert not any(finding.kind == "kl-weight" for finding in report.findings)


@pytest.mark.parametrize("constant", [19.5, -7.0])
def test_a_constant_beside_a_kl_is_said_in_nats(constant):
    report = report_of(lambda q, p, _: (kl(q, p) + constant) / N)
    (note,) = [finding for finding in report.notes if finding.kind == "kl-constant"]
    assert note.value == pytest.approx(constant, rel=1e-3)
    assert not report.alarms
    assert "kl-weight" in {finding.kind for finding in report.confirmed}


def test_a_kl_is_a_kl_drawn_or_not():
    for divergence in (divided(N), drawn_kl):
        report = report_of(divergence)
        assert report.ok, str(report)
        assert "kl-constant" not in report.kinds()
