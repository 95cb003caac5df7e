"""What each entry of ``losses`` is: right for any layer, or unknown with a sentence."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from own_layers import KNOWN, UNITS, N, Own, formula, gauss

from helpers.losses import losses_by_layer
from helpers.model.entry_units import EntryUnit, entry_units, example_inputs
from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.published.priors import scale_mixture
from helpers.published.recipe import Recipe, build_network

tfd, tfpl = tfp.distributions, tfp.layers
L = tf_keras.layers
BATCH, WIDTH = 7, 5
X = tf.constant(np.random.default_rng(0).normal(size=(BATCH, WIDTH)).astype(np.float32))
STEPS = tf.constant(np.random.default_rng(1).normal(size=(BATCH, 4, WIDTH)).astype(np.float32))


def units_of(network, inputs=X) -> list[EntryUnit]:
    network(inputs)
    before = network.get_weights()
    found = entry_units(network, inputs)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return found


def flipout(seed=1, **options):
    starts = {
        "kernel_posterior_fn": gaussian_posterior(seed),
        "bias_posterior_fn": point_posterior(),
    }
    return tfpl.DenseFlipout(UNITS, **(starts | options))


def divided(number):
    return lambda q, p, _: tfd.kl_divergence(q, p) / number


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", KNOWN)
def test_a_layer_of_the_readers_own_is_known_whatever_its_variables_are_called(name):
    units = units_of(tf_keras.Sequential([KNOWN[name], L.Dense(2)]))
    assert [unit.kind for unit in units] == ["kl"] * len(units)
    assert [unit.divisor for unit in units] == pytest.approx([N] * len(units), rel=1e-6)
    assert all(unit.is_drawn == ("drawn" in name) for unit in units)


def test_a_formula_that_draws_is_known_to_its_precision():
    [unit] = units_of(tf_keras.Sequential([Own(kl=formula, bias="added")]))
    assert (unit.kind, unit.is_drawn) == ("kl", True)
    assert unit.divisor == pytest.approx(N, rel=3e-3)


def test_a_kl_behind_dead_units_is_no_regulariser():
    """Inputs that are 0 hide the draws of the weights."""
    dead = L.Dense(WIDTH, "relu", kernel_initializer="zeros", bias_initializer="zeros")
    [unit] = units_of(tf_keras.Sequential([dead, Own(), L.Dense(2)]))
    assert unit.kind == "kl"
    assert unit.divisor == pytest.approx(N, rel=1e-4)


def test_a_layer_that_cannot_be_called_alone_is_unknown():
    class Inside(Own):
        def call(self, inputs):
            if not in_network:
                raise RuntimeError("not alone")
            return super().call(inputs)

    in_network = []
    network = tf_keras.Sequential([Inside(), L.Dense(2)])
    call = network.call

    def noting(*args, **kwargs):
        in_network.append(True)
        try:
            return call(*args, **kwargs)
        finally:
            in_network.pop()

    network.call = noting
    [unit] = units_of(network)
    assert unit.kind == "unknown"


def test_the_nats_of_an_own_layer_are_those_of_numpy():
    layer = Own(bias="added", divisor=10_000_000)
    row = losses_by_layer(tf_keras.Sequential([layer]), X).iloc[0]
    pairs = [layer.get_weights()[:2], layer.get_weights()[2:]]
    nats = 0.0
    for mean, raw in pairs:
        mean, sigma = mean.astype(float), np.log1p(np.exp(raw.astype(float)))
        nats += np.sum(0.5 * (mean**2 + sigma**2) - 0.5 - np.log(sigma))
    assert row["divisor"] == pytest.approx(10_000_000, rel=1e-6)
    assert row["nats"] == pytest.approx(nats, rel=1e-4)
    assert row["num_weights"] == WIDTH * UNITS + UNITS
    assert row["kind"] == "KL / 10,000,000"


def test_the_mean_over_weights_is_a_division_by_their_number():
    def mean(m, s, w):
        return gauss(m, s, w) / (WIDTH * UNITS)

    [unit] = units_of(tf_keras.Sequential([Own(kl=mean, divisor=1.0)]))
    assert unit.divisor == pytest.approx(WIDTH * UNITS, rel=1e-4)


class ColumnScale(L.Layer):
    """One σ for each column, and a plain bias of the same shape."""

    def build(self, shape):
        self.mean = self.add_weight(name="mean", shape=[int(shape[-1]), UNITS])
        constant = tf_keras.initializers.Constant(-3.0)
        self.rho = self.add_weight(name="rho", shape=[UNITS], initializer=constant)
        self.offset = self.add_weight(name="offset", shape=[UNITS])

    def call(self, inputs):
        sigma = tf.nn.softplus(self.rho) * tf.ones_like(self.mean)
        self.add_loss(gauss(self.mean, sigma, None) / N)
        return inputs @ (self.mean + sigma * tf.random.normal(self.mean.shape)) + self.offset


class Codes(L.Layer):
    """The sampling layer of a variational autoencoder."""

    def call(self, inputs):
        mean, log_var = inputs[:, :2], inputs[:, 2:4]
        self.add_loss(tf.reduce_mean(tf.reduce_sum(mean**2 + tf.exp(log_var) - 1 - log_var, -1)))
        return mean + tf.exp(0.5 * log_var) * tf.random.normal(tf.shape(mean))


def constant(m, s, w):
    return gauss(m, s, w) + 6.0


UNKNOWN = {
    "a constant beside the KL": (Own(kl=constant), "does not go down to 0.* to 6 nats"),
    "its square": (Own(kl=lambda m, s, w: gauss(m, s, w) ** 2), "keep its distributions as attr"),
    "zero for now": (Own(kl=lambda m, s, w: 0.0 * gauss(m, s, w)), "it is 0 now"),
    "one sigma for many": (ColumnScale(), "give the scale a variable of the shape of the means"),
    "codes": (Codes(), "this is no KL of weights"),
    "KL + 20": (
        flipout(kernel_divergence_fn=lambda q, p, _: (tfd.kl_divergence(q, p) + 20) / N),
        r"the KL / 1,347 \+ 0.01485, and that constant is no KL",
    ),
    "square": (
        flipout(kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) ** 2 / N),
        "does not follow the KL",
    ),
    "at least 100": (
        flipout(kernel_divergence_fn=lambda q, p, _: tf.maximum(tfd.kl_divergence(q, p), 100) / N),
        "does not follow the KL",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_no_kl_times_a_number_is_unknown_and_says_why(name):
    layer, sentence = UNKNOWN[name]
    [unit] = units_of(tf_keras.Sequential([layer]))
    assert unit.kind == "unknown"
    assert re.search(sentence, unit.problem), unit.problem
    row = losses_by_layer(tf_keras.Sequential([layer]), X).iloc[0]
    assert np.isnan(row["nats"])
    assert row["kind"] == "unknown"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", [1, 7, 400, 60_000, 10_000_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_divisor_of_tfps_divergence_is_exact(number, dtype):
    layer = flipout(kernel_divergence_fn=divided(number), dtype=dtype)
    [unit] = units_of(tf_keras.Sequential([layer]), tf.cast(X, dtype))
    assert (unit.kind, unit.divisor) == ("kl", pytest.approx(number, rel=1e-9))


def mixture(dtype, shape, *_):
    parts = tfd.Normal(tf.zeros(2, dtype), tf.constant([1.0, 0.05], dtype))
    return tfd.Sample(tfd.MixtureSameFamily(tfd.Categorical(probs=[0.5, 0.5]), parts), shape)


def by_draws(q, p, _):
    weights = q.sample()
    return (q.log_prob(weights) - p.log_prob(weights)) / N


@pytest.mark.parametrize("layer_class", [tfpl.DenseFlipout, tfpl.DenseReparameterization])
def test_a_prior_without_closed_form_has_an_exact_divisor(layer_class):
    layer = layer_class(UNITS, kernel_prior_fn=mixture, kernel_divergence_fn=by_draws)
    [unit] = units_of(tf_keras.Sequential([layer]))
    assert (unit.kind, unit.is_drawn) == ("kl", True)
    assert unit.divisor == pytest.approx(N, rel=1e-6)


def vector_posterior(kernel, bias, dtype=None):
    size = kernel + bias

    def gaussian(t):
        return tfd.Independent(tfd.Normal(t[:size], 1e-5 + tf.nn.softplus(t[size:])), 1)

    variables = tfpl.VariableLayer(2 * size, dtype=dtype)
    return tf_keras.Sequential([variables, tfpl.DistributionLambda(gaussian)])


def triangular(kernel, bias, dtype=None):
    size = tfpl.MultivariateNormalTriL.params_size(kernel + bias)
    variables = tfpl.VariableLayer(size, dtype=dtype, initializer="random_normal")
    return tf_keras.Sequential([variables, tfpl.MultivariateNormalTriL(kernel + bias)])


def fixed(kernel, bias, dtype=None):
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel + bias), 1.0), 1)


def fixed_vector(kernel, bias, dtype=None):
    return lambda _: tfd.MultivariateNormalDiag(tf.zeros(kernel + bias), tf.ones(kernel + bias))


def learned(kernel, bias, dtype=None):
    variables = tfpl.VariableLayer(kernel + bias, dtype=dtype)
    normal = tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1))
    return tf_keras.Sequential([variables, normal])


def laplace(kernel, bias, dtype=None):
    return lambda _: tfd.Independent(tfd.Laplace(tf.zeros(kernel + bias), 1.0), 1)


PAIRS = [
    (vector_posterior, fixed, True),
    (vector_posterior, fixed, False),
    (vector_posterior, learned, False),
    (vector_posterior, laplace, False),
    (triangular, fixed_vector, True),
    (triangular, fixed_vector, False),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("posterior", "prior", "exact"), PAIRS)
def test_dense_variational_is_divided_by_what_kl_weight_says(posterior, prior, exact):
    layer = tfpl.DenseVariational(UNITS, posterior, prior, kl_weight=1 / N, kl_use_exact=exact)
    [unit] = units_of(tf_keras.Sequential([layer]))
    assert (unit.kind, unit.part, unit.is_drawn) == ("kl", "kernel and bias", not exact)
    assert unit.divisor == pytest.approx(N, rel=1e-6)


def test_a_prior_that_is_broadcast_beside_the_posterior_is_unknown():
    def vague(kernel, bias, dtype=None):
        return lambda _: tfd.Normal(tf.zeros(kernel + bias), 1.0)

    [unit] = units_of(tf_keras.Sequential([tfpl.DenseVariational(UNITS, vector_posterior, vague)]))
    assert unit.kind == "unknown"
    assert unit.problem


def test_a_weight_that_is_a_variable_is_named():
    beta = tf.Variable(0.5, trainable=False, name="warm_up")
    own = Own(kl=lambda m, s, w: beta * gauss(m, s, w))
    of_tfp = flipout(kernel_divergence_fn=lambda q, p, _: beta * tfd.kl_divergence(q, p) / N)
    for unit in units_of(tf_keras.Sequential([own, of_tfp])):
        assert unit.variable is beta
        assert unit.divisor == pytest.approx(2 * N, rel=1e-4)
        assert "variable warm_up" in unit.in_words
    assert float(beta) == 0.5


def test_a_division_by_the_rows_of_the_batch_is_told_from_one_by_a_number():
    class Rows(Own):
        def call(self, inputs):
            kernel, kl = self.draw(self.a, self.b)
            self.add_loss(kl * N / tf.cast(tf.shape(inputs)[0], tf.float32))
            return inputs @ kernel

    by_rows, by_number = units_of(tf_keras.Sequential([Rows(), Own(divisor=float(BATCH))]))
    assert (by_rows.per_row, by_number.per_row) == (True, False)
    assert by_rows.in_words == "KL / rows of the batch"
    assert by_number.in_words == "KL / 7"


def test_penalties_and_points_are_no_kls():
    normal = tfpl.default_multivariate_normal_fn
    layers = [
        L.Dense(4, kernel_regularizer="l2"),
        flipout(bias_prior_fn=normal),
        flipout(seed=2, activity_regularizer="l1"),
        L.ActivityRegularization(l2=0.1),
    ]
    kinds = [unit.kind for unit in units_of(tf_keras.Sequential(layers))]
    assert kinds == ["regulariser", "kl", "map", "kl", "regulariser", "regulariser"]


def test_the_kl_of_codes_is_one_of_activations():
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
    codes = tfpl.IndependentNormal(2, activity_regularizer=tfpl.KLDivergenceRegularizer(prior))
    layers = [L.Dense(4), codes, flipout()]
    kinds = [unit.kind for unit in units_of(tf_keras.Sequential(layers))]
    assert kinds == ["activation", "activation", "kl"]


class Cell(Own):
    """A Bayesian cell of a recurrent layer."""

    state_size = output_size = UNITS

    def call(self, inputs, states):
        outputs = tf.tanh(super().call(inputs) + 0.5 * states[0])
        return outputs, [outputs]


RECURRENT = {
    "time distributed": lambda: L.TimeDistributed(Own()),
    "time distributed, TFP": lambda: L.TimeDistributed(
        tfpl.DenseReparameterization(UNITS, kernel_divergence_fn=divided(N))
    ),
    "cell": lambda: L.RNN(Cell()),
    "both ways": lambda: L.Bidirectional(L.RNN(Cell(activation="relu"), unroll=True)),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_layers_inside_of_others_are_known_at_every_step(name):
    network = tf_keras.Sequential([RECURRENT[name](), L.Flatten(), L.Dense(2)])
    units = units_of(network, STEPS)
    assert len(units) >= STEPS.shape[1]
    assert {unit.kind for unit in units} == {"kl"}
    assert [unit.divisor for unit in units] == pytest.approx([N] * len(units), rel=1e-4)


class SumsByItself(tf_keras.Model):
    """A model that adds the KLs of its layers itself."""

    def __init__(self):
        super().__init__()
        self.first, self.last = flipout(1, kernel_divergence_fn=None), flipout(2)
        self.last.kernel_divergence_fn = None

    def call(self, inputs):
        outputs = self.last(self.first(inputs))
        both = self.first, self.last
        kl = sum(tfd.kl_divergence(x.kernel_posterior, x.kernel_prior) for x in both)
        self.add_loss(kl / N)
        return outputs


def test_a_model_that_adds_the_kls_of_its_layers_is_read():
    [unit] = units_of(SumsByItself())
    assert (unit.kind, len(unit.posteriors)) == ("kl", 2)
    assert unit.divisor == pytest.approx(N, rel=1e-6)


class Held(L.Layer):
    """A layer that keeps its distributions, under names of its own."""

    def build(self, shape):
        size = [int(shape[-1]), UNITS]
        mean, raw = tf.Variable(tf.random.normal(size)), tf.Variable(tf.fill(size, -3.0))
        sigma = tfp.util.DeferredTensor(raw, tf.nn.softplus)
        self.q = tfd.Independent(tfd.Normal(mean, sigma), 2)
        self.p = tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), 2)

    def call(self, inputs):
        self.add_loss(tfd.kl_divergence(self.q, self.p) / N)
        return inputs @ self.q.sample()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", [1, 3])
def test_layers_of_one_shape_are_not_mistaken_for_each_other(seed):
    """The densities of equal layers are alike; only those of one draw belong together."""
    recipe = Recipe(bayesian_biases=True, prior=scale_mixture(0.5, 0, 6), hidden=(40, 40, 7))
    network, inputs = build_network(recipe, seed), tf.random.uniform([7, 40], seed=0)
    network(inputs)
    assert [unit.divisor for unit in entry_units(network, inputs)] == [1.0] * 8


def test_distributions_that_a_layer_holds_are_read():
    [unit] = units_of(tf_keras.Sequential([Held()]))
    assert (unit.kind, unit.divisor) == ("kl", pytest.approx(N, rel=1e-4))


def test_a_loss_that_is_a_function_is_read():
    class Function(Own):
        def build(self, shape):
            super().build(shape)
            self.add_loss(lambda: gauss(self.a, self.sigma(self.b), None) / N)

        def call(self, inputs):
            return inputs @ self.draw(self.a, self.b)[0]

    [unit] = units_of(tf_keras.Sequential([Function()]))
    assert (unit.kind, unit.divisor) == ("kl", pytest.approx(N, rel=1e-4))


def test_a_generator_of_the_layers_own_is_left_where_it_was():
    class Generates(Own):
        def build(self, shape):
            super().build(shape)
            self.generator = tf.random.Generator.from_seed(4)

        def draw(self, mean, raw):
            sigma = self.sigma(raw)
            draw = mean + sigma * self.generator.normal(mean.shape)
            return draw, self.kl(mean, sigma, draw) / self.divisor

    network = tf_keras.Sequential([Generates()])
    network(X)
    state = network.layers[0].generator.state.numpy()
    [unit] = entry_units(network, X)
    assert unit.divisor == pytest.approx(N, rel=1e-4)
    np.testing.assert_array_equal(network.layers[0].generator.state, state)


def test_a_layer_used_twice_is_the_same_kl_twice():
    shared = flipout(kernel_divergence_fn=divided(N))
    inputs = tf_keras.Input([WIDTH])
    outputs = L.Dense(WIDTH)(shared(inputs))
    units = units_of(tf_keras.Model(inputs, shared(outputs)))
    assert [unit.divisor for unit in units] == pytest.approx([N, N])


def test_frozen_layers_are_read_as_well():
    network = tf_keras.Sequential([Own(), flipout(kernel_divergence_fn=divided(N))])
    network(X)
    network.trainable = False
    assert [unit.divisor for unit in entry_units(network, X)] == pytest.approx([N, N], rel=1e-4)


def test_example_inputs_have_the_shape_that_a_network_takes():
    network = tf_keras.Sequential([flipout()])
    assert example_inputs(network) is None
    network(X)
    assert example_inputs(network).shape == (2, WIDTH)
    words = tf_keras.Input([1], dtype=tf.string)
    assert example_inputs(tf_keras.Model(words, tf_keras.layers.Identity()(words))) is None
