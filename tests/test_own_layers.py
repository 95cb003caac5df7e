"""What the check-up says of the layers that readers write themselves, whatever is in them."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from own_layers import KNOWN, UNITS, N, Own, gauss
from sampling import IN_CI

from helpers.checkup import checkup
from helpers.model.entry_units import entry_units
from helpers.training.kl_columns import kl_columns
from helpers.training.train import train_by_elbo

ROWS, WIDTH, STEPS = 7, 5, 6
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, WIDTH)).astype(np.float32)
Y = np.arange(ROWS) % 3
CROSS_ENTROPY = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
NAMES = (("w_first", "w_second"), ("mu", "rho"))  # names are no evidence


def report_of(layer):
    network = tf_keras.Sequential([layer, tf_keras.layers.Dense(3)])
    network.compile("adam", CROSS_ENTROPY)
    return checkup(network, X, Y, num_examples=ROWS)


def like(name, divisor, names):
    """The known layer, with another divisor and other names of its variables."""
    one = KNOWN[name]
    return Own(one.sigma, one.kl, divisor, one.start, names, one.bias, one.activation)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", KNOWN)
def test_the_weight_of_an_own_layers_kl_is_measured(name):
    names = NAMES[len(name) % 2]
    right = report_of(like(name, ROWS, names))
    assert right.ok, str(right)
    assert "kl-weight" in {finding.kind for finding in right.confirmed}
    [alarm] = report_of(like(name, 1.0, names)).alarms
    assert (alarm.kind, alarm.verdict) == ("kl-not-scaled", "wrong")
    assert alarm.value == pytest.approx(1.0, rel=0.01)


def test_a_kl_per_row_of_the_batch_is_told_from_one_over_n():
    class PerRow(Own):
        def call(self, inputs):
            kernel, kl = self.draw(self.a, self.b)
            self.add_loss(kl / tf.cast(tf.shape(inputs)[0], tf.float32))
            return inputs @ kernel

    report = report_of(PerRow(lambda v: 1e-3 + tf.nn.softplus(v), divisor=1.0))
    [alarm] = report.alarms
    assert alarm.kind == "kl-wrong-count"
    assert "number of rows in the batch" in alarm.message


def test_a_layer_that_adds_no_kl_is_missed_by_check_up_and_columns():
    class Without(Own):
        def call(self, inputs):
            return inputs @ self.draw(self.a, self.b)[0]

    for sigma in (tf.nn.softplus, lambda v: 1e-3 + tf.nn.softplus(v)):
        assert "kl-missing" in report_of(Without(sigma)).kinds()
    network = tf_keras.Sequential([Without(), tfp.layers.DenseFlipout(3)])
    network(X)
    assert "adds no KL to losses" in kl_columns(network, tf.constant(X)).problem


def test_a_kl_that_an_own_loss_adds_beside_a_floor_is_not_called_none():
    """It comes by another way than `losses`, so that a floor hides its slope."""

    class Silent(Own):
        def call(self, inputs):
            kernel, self.kl_now = self.draw(self.a, self.b)
            return inputs @ kernel

    layer = Silent(lambda v: 1e-5 + tf.exp(v), divisor=ROWS)
    network = tf_keras.Sequential([layer, tf_keras.layers.Dense(3)])

    def objective(network, x, y):
        return CROSS_ENTROPY(y, network(x)) + layer.kl_now

    network(X)
    report = checkup(network, X, Y, num_examples=ROWS, loss=objective)
    assert not report.ok
    assert "not-a-kl" not in report.kinds(), str(report)


def test_a_warm_up_of_an_own_layer_with_a_floor_ends_where_it_is_right():
    beta = tf.Variable(0.25, trainable=False)

    class Warming(Own):
        def call(self, inputs):
            kernel, kl = self.draw(self.a, self.b)
            self.add_loss(beta * kl)
            return inputs @ kernel

    layer = Warming(lambda v: 1e-3 + tf.nn.softplus(v), divisor=ROWS)
    report = report_of(layer)
    assert not report.alarms, str(report)
    [unit] = entry_units(layer, tf.constant(X))
    assert unit.variable is beta  # in the closure of a method
    [note] = [finding for finding in report.notes if finding.kind == "kl-weight-variable"]
    assert note.value == pytest.approx(0.25 / ROWS, rel=0.01)
    assert "holds 1)" in note.message, note.message


def test_an_own_layers_kl_that_the_model_adds_again_is_counted_twice():
    layer = Own(lambda v: 1e-3 + tf.nn.softplus(v), divisor=ROWS)
    network = tf_keras.Sequential([tf_keras.layers.Input([WIDTH]), layer, tf_keras.layers.Dense(3)])
    network.add_loss(lambda: layer.kl(layer.a, layer.sigma(layer.b), None) / ROWS)
    network.compile("adam", CROSS_ENTROPY)
    [alarm] = checkup(network, X, Y, num_examples=ROWS).alarms
    assert alarm.kind == "kl-counted-twice"
    assert alarm.value == pytest.approx(2 / ROWS, rel=0.01)


class BayesianCell(tf_keras.layers.Layer):
    """A cell of an RNN with a layer of TFP inside."""

    def __init__(self, divisor):
        super().__init__()
        self.state_size = self.output_size = 4

        def share(q, p, _):
            return tfp.distributions.kl_divergence(q, p) / divisor

        self.inside = tfp.layers.DenseFlipout(4, "tanh", kernel_divergence_fn=share)

    def call(self, inputs, states):
        hidden = self.inside(tf.concat([inputs, states[0]], axis=1))
        return hidden, [hidden]


def recurrent(divisor, **options):
    cell = BayesianCell(divisor)
    network = tf_keras.Sequential(
        [
            tf_keras.layers.Input([STEPS, WIDTH]),
            tf_keras.layers.RNN(cell, **options),
            tf_keras.layers.Dense(3),
        ]
    )
    network.compile("adam", CROSS_ENTROPY)
    return network


@IN_CI
def test_a_bayesian_cell_is_told_to_unroll_and_its_cure_heals():
    data = RNG.normal(size=(ROWS, STEPS, WIDTH)).astype(np.float32)
    network = recurrent(N)
    with pytest.raises(ValueError, match="unroll=True"):
        train_by_elbo(network, data, Y, num_epochs=1, progress=False)
    [alarm] = checkup(network, data, Y, num_examples=N).alarms
    assert alarm.kind == "kl-counted-twice"
    assert "unroll=True" in alarm.cure
    assert "divide the KL by the number of time steps" in alarm.cure
    mended = recurrent(N * STEPS, unroll=True)
    assert checkup(mended, data, Y, num_examples=N).ok
    history = train_by_elbo(mended, data, Y, num_epochs=1, progress=False)
    assert np.all(np.isfinite(history.elbo))


class TwoVariables(tf_keras.layers.Layer):
    """What the layers of papers below share: a matrix of weights, and one of log variances."""

    def build(self, shape):
        size = [int(shape[-1]), 4]
        self.mean = self.add_weight("mean", size, initializer="glorot_normal")
        narrow = tf_keras.initializers.Constant(-6.0)
        self.log_var = self.add_weight("log_var", size, initializer=narrow)
        ones = tf_keras.initializers.Ones()
        self.factor = self.add_weight("factor", size[:1], initializer=ones)
        self.rho = self.add_weight("rho", size[:1], initializer=tf_keras.initializers.Constant(-3))

    def activations(self, inputs):
        """Local reparameterization: the noise is drawn for each activation."""
        stddev = tf.sqrt(inputs**2 @ tf.exp(self.log_var) + 1e-12)
        return inputs @ self.mean + stddev * tf.random.normal([tf.shape(inputs)[0], 4])


class LocalReparameterization(TwoVariables):
    def call(self, inputs):
        variance = tf.exp(self.log_var)
        self.add_loss(tf.reduce_sum(variance + self.mean**2 - 1 - self.log_var) / (2 * ROWS))
        return self.activations(inputs)


class RankOne(TwoVariables):
    """Plain weights, times one random factor for each input."""

    def call(self, inputs):
        stddev = tf.nn.softplus(self.rho)
        nats = 0.5 * (stddev**2 + (self.factor - 1) ** 2 - 1) - tf.math.log(stddev)
        self.add_loss(tf.reduce_sum(nats) / ROWS)
        drawn = self.factor + stddev * tf.random.normal(self.factor.shape)
        return (inputs * drawn) @ self.mean


class VariationalDropout(TwoVariables):
    """Its entry is a formula that only resembles the KL to a log-uniform prior."""

    def call(self, inputs):
        log_alpha = tf.clip_by_value(self.log_var - tf.math.log(self.mean**2 + 1e-8), -8.0, 8.0)
        like_kl = tf.sigmoid(1.9 + 1.5 * log_alpha) - 0.8 * tf.nn.softplus(-log_alpha) - 1
        self.add_loss(-0.64 * tf.reduce_sum(like_kl) / ROWS)
        return self.activations(inputs)


class Masked(TwoVariables):
    """A dropout of one's own: weights beside a noise, and no posterior."""

    def call(self, inputs):
        mask = tf.cast(tf.random.uniform(self.mean.shape) < 0.8, tf.float32)
        return inputs @ (self.mean * mask)


@pytest.mark.parametrize("layer", [LocalReparameterization, RankOne])
def test_layers_of_papers_are_right(layer):
    report = report_of(layer())
    assert report.ok, str(report)


@pytest.mark.parametrize("layer", [VariationalDropout, Masked])
def test_what_is_no_kl_of_a_gaussian_is_not_checked(layer):
    report = report_of(layer())
    assert not report.ok
    assert not report.alarms, str(report)
    assert any("the weight of the KL" in text for text in report.unchecked)


def test_plain_weights_beside_a_noise_are_no_posterior_without_a_kl():
    network = tf_keras.Sequential([RankOne(), tf_keras.layers.Dense(3)])
    network(X)
    assert kl_columns(network, tf.constant(X)).problem == ""


class WithLearnedPrior(Own):
    """A layer of a reader's own whose prior has a scale, or means, of its own."""

    def __init__(self, of="scale", trained=True, **options):
        super().__init__(**options)
        self.of, self.trained = of, trained

    def build(self, shape):
        super().build(shape)
        size = [] if self.of == "scale" else self.a.shape
        self.prior = self.add_weight(
            name="prior", shape=size, initializer="ones", trainable=self.trained
        )

    def draw(self, mean, raw):
        sigma = self.sigma(raw)
        draw = mean + sigma * tf.random.normal(mean.shape)
        prior = tf.nn.softplus(self.prior) if self.of == "scale" else 1.0
        moved = mean - self.prior if self.of == "means" else mean
        return draw, gauss(moved, sigma, draw, prior) / self.divisor


@pytest.mark.parametrize("of", ["scale", "means"])
@pytest.mark.parametrize("trained", [True, False])
def test_a_prior_that_a_readers_layer_trains_is_noted(of, trained):
    layer = WithLearnedPrior(of, trained)
    network = tf_keras.Sequential([tf_keras.Input([5]), layer])
    network.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(97, 5)).astype("float32")
    report = checkup(network, inputs, rng.integers(0, UNITS, 97), num_examples=N)
    assert ("trainable-prior" in report.kinds()) == trained, str(report)
    assert not report.alarms


def tenth(value):
    return 0.1 * tf.nn.softplus(value)


def with_penalty(factor):
    return lambda mean, sigma, draw: gauss(mean, sigma, draw) + factor * tf.reduce_sum(mean**2)


@pytest.mark.parametrize("sigma", [tf.nn.softplus, tenth])
@pytest.mark.parametrize("factor", [0.0, 0.5, 5.0])
def test_a_factor_of_the_scale_is_no_penalty_of_the_means(sigma, factor):
    layer = Own(sigma, with_penalty(factor))
    network = tf_keras.Sequential([layer, tf_keras.layers.Dense(3)])
    network(X)
    [unit] = entry_units(network, tf.constant(X))
    assert unit.kind == ("unknown" if factor else "kl"), unit.problem
