"""What a third stranger objected to: each was silent, a false alarm or a wrong cure before."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup
from helpers.losses.by_layer import losses_by_layer
from helpers.prediction.predict import predict_by_draws
from helpers.training.elbo_monitor import ElboMonitor
from helpers.training.train import train_by_elbo

pytestmark = THIRD

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers
N, CLASSES = 70, 3
RNG = np.random.default_rng(2)
X = RNG.normal(size=(N, 4)).astype("float32")
Y = (X @ [[1.0], [2.0], [-1.0], [0.5]] + 0.1 * RNG.normal(size=(N, 1))).astype("float32")
LABELS = RNG.integers(0, CLASSES, N)
ONE_HOT = np.eye(CLASSES, dtype="float32")[LABELS]
FROM_LOGITS = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
QUICK = {"num_epochs": 1, "batch_size": N, "progress": False}


def nll(targets, outputs):
    return -outputs.log_prob(targets)


def exact(q, p, _):
    return tfd.kl_divergence(q, p) / N


def flipout(units, activation=None, divergence=exact, **options):
    return tfpl.DenseFlipout(units, activation, kernel_divergence_fn=divergence, **options)


def network(*parts, loss=FROM_LOGITS, **options):
    made = tf_keras.Sequential(list(parts))
    made(X[:2])
    made.compile("adam", loss, **options)
    return made


def distribution(make, units=2):
    return network(flipout(5, "tanh"), flipout(units), tfpl.DistributionLambda(make), loss=nll)


def found(report, kind):
    return [finding for finding in report.findings if finding.kind == kind]


def same_refusal(model, targets, text, **options):
    """Trainer and monitor say the same."""
    with pytest.raises(ValueError, match=text):
        train_by_elbo(model, X, targets, **QUICK, **options)


# Entries that are no KL


def own_layer(entry):
    class Own(layers.Layer):
        def build(self, shape):
            start = tf_keras.initializers.RandomNormal(stddev=0.3, seed=1)
            self.mu = self.add_weight("mu", (shape[-1], CLASSES), initializer=start)
            self.rho = self.add_weight(
                "rho", (shape[-1], CLASSES), initializer=tf_keras.initializers.Constant(-2.0)
            )
            self.tau = self.add_weight("tau", (), initializer="zeros")

        def call(self, inputs):
            q = tfd.Normal(self.mu, tf.nn.softplus(self.rho))
            self.add_loss(tf.reduce_sum(entry(self, q)) / N)
            return inputs @ q.sample()

    return network(Own(name="own"))


def test_a_penalty_of_the_means_within_the_entry_is_no_part_of_the_kl():
    def with_penalty(layer, q):
        return tfd.kl_divergence(q, tfd.Normal(0.0, 1.0)) + 5 * layer.mu**2

    model = own_layer(with_penalty)
    assert list(losses_by_layer(model, X).kind) == ["unknown"]
    same_refusal(model, LABELS, r"holds \+5 μ² of each mean")
    assert not checkup(model, X, LABELS, num_examples=N).ok


@pytest.mark.parametrize("prior", [tfd.Normal(0.0, 1.0), tfd.Normal(0.3, 0.4)])
def test_the_kl_of_an_own_layer_is_one_under_any_gaussian_prior(prior):
    model = own_layer(lambda _, q: tfd.kl_divergence(q, prior))
    table = losses_by_layer(model, X)
    layer = model.layers[0]
    q = tfd.Normal(layer.mu, tf.nn.softplus(layer.rho))
    np.testing.assert_allclose(table.nats[0], np.sum(tfd.kl_divergence(q, prior)), rtol=1e-4)


def test_an_entropy_without_a_prior_is_not_called_right():
    report = checkup(own_layer(lambda _, q: -q.entropy()), X, LABELS, num_examples=N)
    assert not report.ok
    assert not found(report, "kl-weight")


def test_the_scale_of_a_learned_prior_is_no_weight_of_the_kl():
    model = own_layer(lambda layer, q: tfd.kl_divergence(q, tfd.Normal(0.0, tf.exp(layer.tau))))
    assert list(losses_by_layer(model, X).kind) == [f"KL / {N}"]
    train_by_elbo(model, X, LABELS, **QUICK)


@pytest.mark.parametrize("drawn", [False, True])
def test_free_bits_are_no_kl_for_any_tool(drawn):
    def floored(q, p, _):
        w = q.sample()
        nats = q.log_prob(w) - p.log_prob(w) if drawn else tfd.kl_divergence(q, p)
        return tf.maximum(nats, 1.0) / N

    model = network(flipout(5, "relu", floored), flipout(CLASSES, None, floored))
    assert set(losses_by_layer(model, X).kind) == {"unknown"}
    same_refusal(model, LABELS, "does not go down to 0, as a KL does, but to 1 nats")


@pytest.mark.parametrize(
    ("divergence", "text"),
    [
        (lambda q, p, _: 0.0 * tfd.kl_divergence(q, p) / N, "fit adds what the layer puts"),
        (lambda q, p, _: -p.log_prob(q.mean()) / N, "does not depend on the standard"),
    ],
)
def test_an_entry_that_fit_adds_is_not_said_to_be_left_out(divergence, text):
    report = checkup(network(flipout(CLASSES, None, divergence)), X, LABELS, num_examples=N)
    (alarm,) = found(report, "kl-missing")
    assert text in alarm.message
    assert "sum(network.losses)" not in alarm.cure


def test_a_covariance_of_low_rank_is_measured():
    def posterior(kernel_size, bias_size=0, dtype=None):
        n = kernel_size + bias_size
        return tf_keras.Sequential(
            [
                tfpl.VariableLayer(
                    4 * n, dtype=dtype, initializer=tf_keras.initializers.RandomNormal(0, 0.1, 3)
                ),
                tfpl.DistributionLambda(
                    lambda t: tfd.MultivariateNormalDiagPlusLowRank(
                        t[..., :n],
                        tf.nn.softplus(t[..., n : 2 * n]),
                        scale_perturb_factor=tf.reshape(t[..., 2 * n :], [n, 2]),
                    )
                ),
            ]
        )

    def prior(kernel_size, bias_size=0, dtype=None):
        return lambda _: tfd.MultivariateNormalDiag(tf.zeros(kernel_size + bias_size))

    layer = tfpl.DenseVariational(CLASSES, posterior, prior, kl_weight=1 / N, kl_use_exact=True)
    report = checkup(network(layer), X, LABELS, num_examples=N)
    assert report.ok, str(report)


def test_weights_that_are_no_location_and_scale():
    """A LogNormal posterior: its KL is measured, and no activation is blamed for its sign."""

    def posterior(dtype, shape, name, trainable, add):
        loc = add(name="loc", shape=shape, dtype=dtype, initializer="zeros", trainable=True)
        rho = add(name="rho", shape=shape, dtype=dtype, initializer="zeros", trainable=True)
        return tfd.Independent(tfd.LogNormal(loc, tf.nn.softplus(rho)), len(shape))

    def prior(dtype, shape, *_):
        return tfd.Independent(tfd.LogNormal(tf.zeros(shape), 1.0), len(shape))

    options = {"kernel_posterior_fn": posterior, "kernel_prior_fn": prior}
    last = tfpl.DenseReparameterization(2, kernel_divergence_fn=exact, **options)
    model = network(last, tfpl.IndependentNormal(1), loss=nll)
    report = checkup(model, X, Y, num_examples=N)
    assert report.ok, str(report)


def test_a_constant_scale_is_a_choice():
    def posterior(dtype, shape, name, trainable, add):
        start = tf_keras.initializers.RandomNormal(stddev=0.1, seed=1)
        loc = add(name="loc", shape=shape, dtype=dtype, initializer=start, trainable=True)
        return tfd.Independent(tfd.Normal(loc, 0.1), len(shape))

    model = network(flipout(CLASSES, kernel_posterior_fn=posterior))
    report = checkup(model, X, LABELS, num_examples=N)
    assert report.ok, str(report)
    assert found(report, "no-scale-gradient")[0].verdict == "look"


def test_a_layer_adds_the_kl_of_the_cell_inside():
    class Cell(layers.LSTMCell):
        def build(self, shape):
            super().build(shape)
            self.mu = self.kernel
            self.rho = self.add_weight(
                "rho", self.mu.shape, initializer=tf_keras.initializers.Constant(-3.0)
            )

        def call(self, inputs, states, training=None):
            noise = tf.random.normal(self.mu.shape)
            self.kernel = self.mu + tf.nn.softplus(self.rho) * noise
            result = super().call(inputs, states, training)
            self.kernel = self.mu
            return result

    class Recurrent(layers.RNN):
        def call(self, inputs, **options):
            outputs = super().call(inputs, **options)
            q = tfd.Normal(self.cell.mu, tf.nn.softplus(self.cell.rho))
            kl = tf.reduce_sum(tfd.kl_divergence(q, tfd.Normal(0.0, 1.0)))
            self.add_loss(kl / N)
            return outputs

    steps = RNG.normal(size=(N, 3, 2)).astype("float32")
    model = tf_keras.Sequential([Recurrent(Cell(4)), flipout(CLASSES)])
    model(steps[:2])
    model.compile("adam", FROM_LOGITS)
    kl = N * float(sum(model.losses))
    history = train_by_elbo(model, steps, LABELS, **QUICK)
    np.testing.assert_allclose(history.kl[0], kl, rtol=1e-4)
    assert not checkup(model, steps, LABELS, num_examples=N).alarms


def test_a_penalty_on_all_variables_is_named():
    model = network(flipout(5, "relu"), flipout(2), tfpl.IndependentNormal(1))

    def objective(inputs, targets):
        l2 = tf.add_n([tf.nn.l2_loss(v) for v in model.trainable_variables])
        return tf.reduce_mean(-model(inputs).log_prob(targets)) + sum(model.losses) + 1e-3 * l2

    report = checkup(model, X, Y, num_examples=N, loss=objective)
    assert "a penalty on all trainable variables" in found(report, "not-a-kl")[0].message


# Data terms


def test_loss_weights_are_named_as_the_cause():
    report = checkup(network(flipout(CLASSES), loss_weights=[0.5]), X, LABELS, num_examples=N)
    (alarm,) = report.alarms
    assert "loss_weights=[0.5]" in alarm.message
    cured = network(flipout(CLASSES))
    assert not checkup(cured, X, LABELS, num_examples=N).alarms


def test_an_output_that_counts_0_times():
    start = tf_keras.Input((4,))
    hidden = flipout(5, "relu")(start)
    heads = [flipout(CLASSES, name="one")(hidden), flipout(CLASSES, name="two")(hidden)]
    model = tf_keras.Model(start, heads)
    model.compile("adam", [FROM_LOGITS, FROM_LOGITS], loss_weights=[1.0, 0.0])
    report = checkup(model, X, [LABELS, LABELS], num_examples=N)
    assert "loss_weights is 0" in found(report, "likelihood-weighted")[0].message


def test_a_multiple_of_the_likelihood_is_cured_where_it_is():
    model = network(flipout(CLASSES), loss=lambda y, t: 0.06 * gaussian(y, t))
    report = checkup(model, X, np.repeat(Y, 3, 1), num_examples=N, likelihood=gaussian)
    (alarm,) = found(report, "kl-wrong-count")
    assert "the data term divided by 0.06" in alarm.cure


def gaussian(targets, outputs):
    return -tfd.Independent(tfd.Normal(outputs, 0.3), 1).log_prob(targets)


def test_kl_divergence_of_one_hot_rows_is_the_cross_entropy():
    model = network(flipout(CLASSES, "softmax"), loss=tf_keras.losses.KLDivergence())
    assert checkup(model, X, ONE_HOT, num_examples=N).ok


def test_no_report_calls_the_data_term_a_likelihood_and_none():
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    report = checkup(network(flipout(CLASSES), loss=loss), X, ONE_HOT, num_examples=N)
    assert "no-likelihood" in {alarm.kind for alarm in report.alarms}
    assert "which the data term is not yet" in found(report, "kl-weight")[0].message


def test_targets_that_are_all_the_same_tell_no_likelihood():
    report = checkup(network(flipout(CLASSES)), X, np.ones(N, int), num_examples=N)
    assert "are the same" in found(report, "likelihood-unknown")[0].message


@pytest.mark.parametrize(
    ("make", "targets"),
    [
        (lambda t: tfd.Gamma(tf.exp(t[..., :1]), tf.exp(t[..., 1:])), Y),
        (lambda t: tfd.LogNormal(t[..., :1], tf.exp(t[..., 1:])), np.maximum(Y, 0)),
        (lambda t: tfd.Beta(tf.exp(t[..., :1]), tf.exp(t[..., 1:])), (Y > 0).astype("float32")),
    ],
)
def test_targets_outside_of_the_support_are_the_only_alarm(make, targets):
    model = distribution(make)
    report = checkup(model, X, targets, num_examples=N)
    assert [alarm.kind for alarm in report.alarms] == ["targets-outside"], str(report)
    same_refusal(model, targets, "outside of what the output distribution can be")


def test_yes_or_no_as_plus_and_minus_one(capsys):
    model = network(flipout(1), loss=tf_keras.losses.BinaryCrossentropy(from_logits=True))
    signs = np.sign(Y)
    report = checkup(model, X, signs, num_examples=N)
    assert [alarm.kind for alarm in report.alarms] == ["targets-outside"]
    assert "0 or 1" in report.alarms[0].message
    model.fit(X, signs, verbose=0, callbacks=[ElboMonitor(N)])
    assert "0 or 1" in capsys.readouterr().out


def test_one_hot_rows_beside_a_categorical():
    model = distribution(lambda t: tfd.Categorical(logits=t), CLASSES)
    same_refusal(model, ONE_HOT, r"Pass class numbers: targets.argmax")
    assert "argmax" in checkup(model, X, ONE_HOT, num_examples=N).alarms[0].cure


def test_a_uniform_output_is_refused_in_words():
    model = distribution(lambda t: tfd.Uniform(t[..., :1] - 9, t[..., :1] + 9))
    same_refusal(model, Y, "put tfd.Independent around it")
    cured = distribution(lambda t: tfd.Independent(tfd.Uniform(t[..., :1] - 9, t[..., :1] + 9), 0))
    train_by_elbo(cured, X, Y, **QUICK)


def test_a_loss_of_the_whole_batch_has_no_targets_outside():
    times = np.stack([RNG.exponential(size=N), RNG.random(N) < 0.7], 1).astype("float32")
    times[[times[:, 0].argmin(), times[:, 0].argmax()], 1] = 0  # both are censored

    def cox(targets, risk):
        time, event = targets[:, 0], targets[:, 1]
        at_risk = tf.where(time[None] >= time[:, None], risk[None, :, 0], -1e9)
        logs = risk[:, 0] - tf.reduce_logsumexp(at_risk, axis=1)
        return -tf.reduce_sum(event * logs) / tf.reduce_sum(event)

    report = checkup(network(flipout(1), loss=cox), X, times, num_examples=N)
    assert not report.alarms, str(report)


def test_a_squeeze_in_the_loss():
    model = network(
        flipout(2),
        tfpl.DistributionLambda(lambda t: tfd.Normal(t[..., 0], tf.exp(t[..., 1]))),
        loss=lambda y, rv: -rv.log_prob(tf.squeeze(y, -1)),
    )
    assert checkup(model, X, Y, num_examples=N).ok


def test_a_mean_over_pixels_is_a_matter_of_the_weight_of_the_codes():
    start = tf_keras.Input((4,))
    mean, rho = layers.Dense(2)(start), layers.Dense(2)(start)
    code = layers.Lambda(lambda t: t[0] + tf.exp(t[1]) * tf.random.normal(tf.shape(t[0])))
    model = tf_keras.Model(start, layers.Dense(4)(code([mean, rho])))
    kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(2 * rho) - 1 - 2 * rho, axis=1)
    model.add_loss(tf.reduce_mean(kl) / 4)
    model.compile("adam", tf_keras.losses.BinaryCrossentropy(from_logits=True))
    report = checkup(model, X, (X > 0).astype("float32"), num_examples=N)
    for note in found(report, "likelihood-averaged"):
        assert "must be divided by 4 too" in note.message


# What is left behind, and who stands beside whom


def test_rows_that_depend_on_each_other_are_refused():
    class Centred(layers.Layer):
        def call(self, inputs):
            return inputs - tf.reduce_mean(inputs, axis=0)

    model = network(flipout(5), Centred(), flipout(CLASSES))
    with pytest.raises(ValueError, match="depend on the other examples of its batch"):
        predict_by_draws(model, X, 3)
    predict_by_draws(network(flipout(5), layers.Dropout(0.5), flipout(CLASSES)), X, 3)


def test_moving_averages_stay_as_they_were():
    start = tf_keras.Input((4,))
    norm = layers.BatchNormalization()
    model = tf_keras.Model(start, flipout(CLASSES)(norm(flipout(5)(start), training=True)))
    before = [value.numpy() for value in norm.non_trainable_variables]
    with pytest.raises(ValueError, match="depend on the other examples"):
        predict_by_draws(model, X, 3, likelihood=FROM_LOGITS)
    for value, start_value in zip(norm.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(value, start_value)


def test_a_stateful_layer_is_refused_by_all(capsys):
    steps = RNG.normal(size=(N, 3, 2)).astype("float32")
    lstm = layers.LSTM(4, stateful=True, batch_input_shape=(10, 3, 2))
    model = tf_keras.Sequential([lstm, flipout(CLASSES)])
    model.compile("adam", FROM_LOGITS)
    text = "carries its state from one batch to the next"
    with pytest.raises(ValueError, match=text):
        train_by_elbo(model, steps, LABELS, num_epochs=1, batch_size=10)
    with pytest.raises(ValueError, match=text):
        predict_by_draws(model, steps, 2)
    report = checkup(model, steps, LABELS, num_examples=N)
    assert text in report.unknown[0].message
    assert not report.ok
    model.fit(steps, LABELS, batch_size=10, verbose=0, callbacks=[ElboMonitor(N)])
    assert text in capsys.readouterr().out


def test_metrics_of_an_object_whose_method_is_compiled():
    class Trainer:
        def __init__(self):
            self.network = network(flipout(CLASSES))
            self.mean = tf_keras.metrics.Mean()

        @tf.function
        def step(self, inputs, targets):
            with tf.GradientTape() as tape:
                loss = FROM_LOGITS(targets, self.network(inputs)) + sum(self.network.losses)
            tape.gradient(loss, self.network.trainable_variables)
            self.mean.update_state(loss)
            return loss

    trainer = Trainer()
    checkup(trainer.network, X, LABELS, num_examples=N, loss=trainer.step)
    assert float(trainer.mean.result()) == 0


def test_an_objective_without_a_gradient_is_not_blamed_on_an_activation():
    model = network(flipout(2), tfpl.IndependentNormal(1))

    def objective(inputs, targets):
        return float(tf.reduce_mean(-model(inputs).log_prob(targets)) + sum(model.losses))

    report = checkup(model, X, Y, num_examples=N, loss=objective)
    assert "has no gradient" in found(report, "outputs-cut-off")[0].message


def test_a_vague_prior_makes_no_point_estimates():
    """Exact linear regression under N(0, 100²): σ is 1e-4 of the prior's, as the data ask."""

    def prior(dtype, shape, *_):
        return tfd.Independent(tfd.Normal(tf.zeros(shape), 100.0), len(shape))

    layer = tfpl.DenseReparameterization(1, kernel_divergence_fn=exact, kernel_prior_fn=prior)
    model = network(layer, tfpl.DistributionLambda(lambda t: tfd.Normal(t, 0.1)), loss=nll)
    exact_scale = np.sqrt(np.diag(np.linalg.inv(X.T @ X / 0.01 + np.eye(4) / 100**2)))
    mean = np.linalg.lstsq(X, Y, rcond=None)[0]
    rho = np.log(np.expm1(exact_scale))[:, None].astype("float32")
    model.fit(X, Y, epochs=1, verbose=0)
    layer.set_weights([mean.astype("float32"), rho, np.zeros(1, "float32")])
    report = checkup(model, X, Y, num_examples=N)
    assert not report.alarms, str(report)


# Data of other kinds


def test_categories_of_numbers_are_numbers():
    labels = pd.Series(LABELS).astype("category")
    history = train_by_elbo(network(flipout(CLASSES)), X, labels, **QUICK)
    assert np.isfinite(history.elbo).all()


def test_a_masked_array_is_refused():
    masked = np.ma.masked_array(X, mask=X > 1)
    with pytest.raises(ValueError, match=r"array.filled\(value\)"):
        checkup(network(flipout(CLASSES)), masked, LABELS, num_examples=N)
    full = np.ma.masked_array(X, mask=np.zeros_like(X, bool))
    predict_by_draws(network(flipout(CLASSES)), full, 2)


def test_accuracy_of_a_bernoulli_that_gives_logits():
    model = network(
        flipout(1),
        tfpl.IndependentBernoulli(1, tfd.Bernoulli.logits),
        loss=nll,
        metrics=["accuracy"],
    )
    report = checkup(model, X, (Y > 0).astype("float32"), num_examples=N)
    assert "counts a yes from 0.5 on" in found(report, "metric-of-a-draw")[0].message
