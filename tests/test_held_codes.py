"""Latent codes: what nothing holds is an alarm; others are measured or said to be unknown."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from checkup_zoo import FEATURES, INPUTS, N, autoencoder, compiled, minus_log_prob, standard_code
from sampling import THIRD

from helpers.checkup import checkup

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers


class Autoencoder(tf_keras.Model):
    """Holds a layer that adds the KL of the codes; ``add`` is what its call does with the codes."""

    def __init__(self, add):
        super().__init__()
        self.encoder = tf_keras.Sequential(
            [tf_keras.layers.Dense(4), tfpl.IndependentNormal(2, name="code")]
        )
        self.kl = tfpl.KLDivergenceAddLoss(standard_code(), name="kl")
        self.decoder = tf_keras.Sequential(
            [tf_keras.layers.Dense(2 * FEATURES), tfpl.IndependentNormal(FEATURES)]
        )
        self.add = add

    def call(self, inputs):
        return self.decoder(self.add(self, self.encoder(inputs)))


def by_hand(weight):
    def add(network, q):
        network.add_loss(weight * tf.reduce_mean(tfd.kl_divergence(q, standard_code())))
        return q

    return add


def drawn(network, q):
    z = q.sample()
    network.add_loss(tf.reduce_mean(q.log_prob(z) - standard_code().log_prob(z)))
    return z


def report_of(add):
    return checkup(compiled(Autoencoder(add), minus_log_prob), INPUTS, INPUTS, num_examples=N)


def test_a_layer_that_is_never_called_holds_nothing():
    (alarm,) = report_of(lambda _, q: q).alarms
    assert (alarm.kind, alarm.layer) == ("kl-missing", "code")
    assert alarm.cure.startswith("Call kl")


def test_an_encoder_without_any_kl_is_an_alarm():
    patient = autoencoder()
    (alarm,) = checkup(patient.network, patient.inputs, patient.targets, num_examples=N).alarms
    assert (alarm.kind, alarm.layer) == ("kl-missing", "code")


def test_codes_of_plain_distributions_are_seen():
    class Plain(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = (tf_keras.layers.Dense(n) for n in (4, FEATURES))

        def call(self, inputs):
            t = self.encoder(inputs)
            z = tfd.Normal(t[:, :2], tf.nn.softplus(t[:, 2:])).sample()
            return tfd.Independent(tfd.Normal(self.decoder(z), 1.0), 1)

    network = Plain()
    report = checkup(
        network, INPUTS, INPUTS, N, lambda x, y: -tf.reduce_mean(network(x).log_prob(y))
    )
    assert {finding.kind for finding in report.alarms} == {"kl-missing"}


def test_the_kl_of_a_layer_of_tfp_is_measured():
    report = report_of(lambda network, q: network.kl(q))
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("weight", "kind"), [(1.0, "activation-kl"), (1 / N, "kl-wrong-count"), (4.0, "tempered")]
)
def test_a_kl_in_closed_form_is_measured(weight, kind):
    report = report_of(by_hand(weight))
    (found,) = [finding for finding in report.findings if finding.layer == "code"]
    assert found.kind == kind
    assert found.value == pytest.approx(weight, rel=1e-2)


def test_a_drawn_kl_of_codes_is_said_to_be_unknown():
    report = report_of(drawn)
    assert not report.alarms
    assert not report.ok
    assert "code" in report.unchecked[0]
