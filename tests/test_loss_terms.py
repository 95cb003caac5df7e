"""What the entries of ``losses`` become in a training: nats, each once, and penalties apart."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.model.entry_units import entry_units
from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.training.kl_columns import kl_columns
from helpers.training.loss_terms import loss_terms

pytestmark = THIRD

tfd, tfpl, L = tfp.distributions, tfp.layers, tf_keras.layers
INPUTS = tf.constant(np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32))
KL_WEIGHT = 0.05


def flipout(units, seed, **options):
    starts = {
        "kernel_posterior_fn": gaussian_posterior(seed),
        "bias_posterior_fn": point_posterior(),
    }
    return tfpl.DenseFlipout(units, **{**starts, **options})


def divided(by):
    return lambda q, p, _: tfd.kl_divergence(q, p) / by


def terms_of(network):
    network(INPUTS)
    terms = loss_terms(entry_units(network, INPUTS), KL_WEIGHT)
    network(INPUTS)
    return terms, terms.of(network).numpy()


def kl_by_formula(layer, part="kernel"):
    q = getattr(layer, f"{part}_posterior")
    mean, stddev = (x.numpy().astype(np.float64) for x in (q.mean(), q.stddev()))
    return np.sum(0.5 * (mean**2 + stddev**2 - 1) - np.log(stddev))


@pytest.mark.parametrize("by", [1, 7, 400, 60_000, 0.5])
def test_a_kl_is_in_nats_whatever_the_layer_divides_it_by(by):
    network = tf_keras.Sequential([flipout(4, 1, kernel_divergence_fn=divided(by)), flipout(3, 2)])
    terms, values = terms_of(network)
    expected = [kl_by_formula(layer) for layer in network.layers]
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert terms.weights == (KL_WEIGHT, KL_WEIGHT)
    assert terms.is_kl == (True, True)
    assert float(terms.weighted(tf.constant(values))) == pytest.approx(
        KL_WEIGHT * sum(expected), rel=1e-4
    )


def test_a_layer_called_three_times_counts_once():
    shared, inputs = flipout(5, 1, name="shared"), tf_keras.Input((5,))
    network = tf_keras.Model(inputs, flipout(3, 2)(shared(shared(shared(inputs)))))
    terms, values = terms_of(network)
    assert len(network.losses) == 4
    assert terms.names[0] == "shared"
    np.testing.assert_allclose(values[0], kl_by_formula(shared), rtol=1e-5)


def test_regularisers_keep_the_weight_that_they_have_under_fit():
    dense = L.Dense(
        4, kernel_regularizer=tf_keras.regularizers.L2(0.3), bias_regularizer="l2", name="dense"
    )
    network = tf_keras.Sequential([dense, flipout(3, 2, name="bayesian")])
    terms, values = terms_of(network)
    by_name = dict(zip(terms.names, zip(values, terms.weights, strict=True), strict=True))
    l2 = 0.3 * np.sum(dense.kernel.numpy().astype(np.float64) ** 2)
    assert by_name["dense"] == (pytest.approx(l2, rel=1e-5), 1.0)
    assert terms.is_kl == tuple(name == "bayesian" for name in terms.names)


def test_the_penalty_of_a_point_estimate_weighs_as_the_kl_does():
    layer = flipout(3, 1, bias_prior_fn=tfpl.default_multivariate_normal_fn)
    network = tf_keras.Sequential([layer])
    network(INPUTS)
    layer.bias_posterior.distribution.loc.assign([0.5, -1.0, 2.0])
    terms, values = terms_of(network)
    bias = np.array([0.5, -1.0, 2.0])
    expected = 0.5 * np.sum(bias**2) + 1.5 * np.log(2 * np.pi)
    assert terms.is_kl == (True, False)
    assert values[1] == pytest.approx(expected, rel=1e-5)
    assert terms.weights == (KL_WEIGHT, KL_WEIGHT)


def test_a_bias_with_a_posterior_is_a_kl_of_its_own():
    options = {
        "bias_posterior_fn": gaussian_posterior(9),
        "bias_prior_fn": tfpl.default_multivariate_normal_fn,
        "bias_divergence_fn": divided(40),
    }
    layer = flipout(3, 1, name="both", **options)
    terms, values = terms_of(tf_keras.Sequential([layer]))
    assert terms.names == ("both kernel", "both bias")
    wanted = [kl_by_formula(layer), kl_by_formula(layer, "bias")]
    np.testing.assert_allclose(values, wanted, rtol=1e-4)


class PerRow(L.Layer):
    """Divides its KL by the rows of the batch."""

    def __init__(self):
        super().__init__(name="per_row")
        self.inner = flipout(3, 1, kernel_divergence_fn=None)

    def call(self, inputs):
        outputs = self.inner(inputs)
        layer = self.inner
        kl = tfd.kl_divergence(layer.kernel_posterior, layer.kernel_prior)
        self.add_loss(kl / tf.cast(tf.shape(inputs)[0], tf.float32))
        return outputs


def encoder():
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
    code = tfpl.IndependentNormal(2, activity_regularizer=tfpl.KLDivergenceRegularizer(prior))
    return tf_keras.Sequential([flipout(4, 1), code])


def test_penalties_alone_are_terms_without_a_kl():
    network = tf_keras.Sequential([L.Dense(3, kernel_regularizer="l2", name="dense")])
    terms, _ = terms_of(network)
    assert (terms.names, terms.is_kl, terms.weights) == (("dense",), (False,), (1.0,))


REFUSED = {
    "constant": (
        lambda: tf_keras.Sequential(
            [flipout(3, 1, kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) + 19.5)]
        ),
        r"the KL / 1 \+ 19.5, and that constant is no KL",
    ),
    "square": (
        lambda: tf_keras.Sequential(
            [flipout(3, 1, kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) ** 2)]
        ),
        "does not follow the KL",
    ),
    "variable": (
        lambda: tf_keras.Sequential(
            [flipout(3, 1, kernel_divergence_fn=warming(tf.Variable(0.5)))]
        ),
        r"multiplied by the variable.*pass kl_weight=",
    ),
    "activations": (encoder, "a KL of activations, one for each example"),
}


def warming(beta):
    return lambda q, p, _: beta * tfd.kl_divergence(q, p)


@pytest.mark.parametrize("case", REFUSED)
def test_an_entry_of_unknown_weight_is_refused_with_what_to_write(case):
    make, advice = REFUSED[case]
    with pytest.raises(ValueError, match=advice):
        terms_of(make())


def test_another_loss_while_training_is_refused():
    class Moody(L.Layer):
        def call(self, inputs, training=None):
            if training:
                self.add_loss(tf.reduce_sum(inputs))
            return inputs

    network = tf_keras.Sequential([Moody(name="moody"), flipout(3, 1)])
    network(INPUTS)
    terms = loss_terms(entry_units(network, INPUTS), KL_WEIGHT)
    network(INPUTS, training=True)
    with pytest.raises(ValueError, match=r"Layer moody adds a loss .* while training"):
        terms.of(network)


class AddsAgain(tf_keras.Model):
    """A model that adds the KL of its layer, which adds it already."""

    def __init__(self):
        super().__init__()
        self.layer = flipout(3, 1, kernel_divergence_fn=divided(400))

    def call(self, inputs):
        outputs = self.layer(inputs)
        posterior, prior = self.layer.kernel_posterior, self.layer.kernel_prior
        self.add_loss(tf.reduce_sum(tfd.kl_divergence(posterior, prior)) / 400)
        return outputs


def functional_that_adds_again():
    layer = flipout(3, 1, kernel_divergence_fn=divided(400))
    network = tf_keras.Sequential([L.Input([5]), layer])
    network.add_loss(
        lambda: tf.reduce_sum(tfd.kl_divergence(layer.kernel_posterior, layer.kernel_prior)) / 400
    )
    return network


@pytest.mark.parametrize("make", [AddsAgain, functional_that_adds_again])
def test_a_kl_that_stands_in_losses_twice_is_refused_and_named(make):
    network = make()
    with pytest.raises(ValueError, match=r"stands in losses twice.*Leave out that add_loss"):
        terms_of(network)
    assert "stands in losses twice" in kl_columns(network, INPUTS).problem
    network.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = np.arange(7) % 3
    [alarm] = checkup(network, INPUTS, labels, num_examples=400).alarms
    assert alarm.kind == "kl-counted-twice"
    assert "adds it again" in alarm.message
    assert alarm.value == pytest.approx(2 / 400, rel=1e-3)


class Block(L.Layer):
    """A block of a reader's with a Bayesian layer inside, which adds a penalty of its own."""

    def __init__(self, penalty):
        super().__init__()
        self.layer = flipout(3, 1, kernel_divergence_fn=divided(400), name="inside")
        self.penalty = penalty

    def call(self, inputs):
        outputs = self.layer(inputs)
        self.add_loss(self.penalty(self.layer, outputs))
        return outputs


def of_outputs(_layer, outputs):
    return 0.03 * tf.reduce_mean(tf.square(outputs))


def of_means(layer, _outputs):
    return 0.03 * tf.reduce_sum(tf.square(layer.kernel_posterior.mean()))


@pytest.mark.parametrize("penalty", [of_outputs, of_means])
@pytest.mark.parametrize("is_model", [False, True])
def test_a_penalty_beside_the_kl_of_a_layer_inside_keeps_its_weight(penalty, is_model):
    block = Block(penalty)
    network = tf_keras.Sequential([L.Input([5]), block])
    if is_model:
        network = tf_keras.Sequential([L.Input([5]), block.layer])
        network.add_loss(
            penalty(block.layer, network.output)
            if penalty is of_outputs
            else (lambda: penalty(block.layer, None))
        )
    terms, _ = terms_of(network)
    weights = dict(zip(terms.is_kl, terms.weights, strict=True))
    assert weights[True] == KL_WEIGHT
    assert weights[False] == 1
    assert kl_columns(network, INPUTS).problem == ""


@pytest.mark.parametrize(
    "penalty",
    [
        lambda layer, _: 0.03 * tf.reduce_sum(tf.square(layer.kernel_posterior.stddev())),
        lambda layer, _: 0.03 * sum(tf.reduce_sum(tf.square(v)) for v in layer.variables),
    ],
)
def test_a_penalty_on_scales_is_neither_kl_nor_penalty_and_is_refused_as_itself(penalty):
    network = tf_keras.Sequential([L.Input([5]), Block(penalty)])
    with pytest.raises(ValueError, match="does not follow the KL"):
        terms_of(network)
    assert "twice" not in kl_columns(network, INPUTS).problem


def test_codes_that_are_drawn_beside_bayesian_layers_are_no_penalty():
    class Coder(L.Layer):
        """Draws a code with weights that have a posterior, and adds the KL of the code."""

        def __init__(self):
            super().__init__()
            self.layer = flipout(6, 1, kernel_divergence_fn=divided(400))

        def call(self, inputs):
            mean, log = tf.split(self.layer(inputs), 2, axis=-1)
            kl = 0.5 * (mean**2 + tf.exp(2 * log) - 1) - log
            self.add_loss(tf.reduce_mean(tf.reduce_sum(kl, axis=-1)))
            return mean + tf.exp(log) * tf.random.normal(tf.shape(mean))

    with pytest.raises(ValueError, match="its weight in an ELBO is not known"):
        terms_of(tf_keras.Sequential([L.Input([5]), Coder()]))
