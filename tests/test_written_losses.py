"""Losses that readers write with one log_prob: the tools take the distribution, or refuse.

A loss tells a distribution only if it asks it of the targets as they are, and if the distribution
does not depend on the targets.
"""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import NIGHTLY, THIRD

from helpers.checkup import checkup
from helpers.prediction.predict import predict_by_draws
from helpers.training import ElboMonitor, train_by_elbo

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
ROWS, FEATURES, WIDTH, NOISE = 21, 4, 5, 0.5
RNG = np.random.default_rng(31)
INPUTS = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)
TARGETS = np.exp(RNG.normal(size=(ROWS, 1))).astype(np.float32)
NORMAL = scipy.stats.norm.logpdf


def network_of(units, loss, last=None):
    """A network so narrow that every draw is its mean, its KL divided by N."""
    start = tf_keras.initializers.Constant(-12.0)
    posterior = tfpl.default_mean_field_normal_fn(untransformed_scale_initializer=start)
    options = {
        "kernel_posterior_fn": posterior,
        "kernel_divergence_fn": lambda q, p, _: tfd.kl_divergence(q, p) / ROWS,
    }
    made = [
        tfpl.DenseFlipout(WIDTH, "relu", **options),
        tfpl.DenseReparameterization(units, **options),
    ]
    network = tf_keras.Sequential([*made, *([] if last is None else [last])])
    network.compile(tf_keras.optimizers.SGD(1e-9), loss)
    network(INPUTS)
    return network


def train(network, targets, **more):
    return train_by_elbo(
        network, INPUTS, targets, num_epochs=1, batch_size=ROWS, progress=False, **more
    )


def plain(y, p):
    return -tfd.Normal(p, NOISE).log_prob(y)


def squeezed(y, p):
    return -tfd.Normal(tf.squeeze(p), NOISE).log_prob(tf.squeeze(y))


def mean_of_squeezed(y, p):
    return tf.reduce_mean(squeezed(y, p))


def of_a_column(y, p):
    return -tfd.Normal(p[:, 0], NOISE).log_prob(y[:, 0])


def through_a_name(y, p):
    y = tf.cast(y, tf.float32)
    return -tfd.Independent(tfd.Normal(loc=p, scale=NOISE), 1).log_prob(y)


RIGHT = [plain, squeezed, mean_of_squeezed, of_a_column, through_a_name]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("shape", [(ROWS, 1), (ROWS,)], ids=["column", "vector"])
@pytest.mark.parametrize("loss", RIGHT, ids=lambda loss: loss.__name__)
def test_a_distribution_of_the_targets_is_found(loss, shape):
    network = network_of(1, loss)
    mean = np.asarray(network(INPUTS), float)
    nats = -NORMAL(TARGETS, mean, NOISE).ravel()
    targets = TARGETS.reshape(shape)
    drawn = predict_by_draws(network, INPUTS, 2)
    np.testing.assert_allclose(drawn.mean.ravel(), mean.ravel(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(drawn.log_predictive_density(targets), -nats, rtol=1e-3)
    assert drawn.interval(0.9).low.size == ROWS
    history = train(network, targets)
    assert history["negative_log_likelihood"][0] == pytest.approx(nats.mean(), rel=1e-3)


def of_logarithms(y, p):
    return -tfd.Normal(p, NOISE).log_prob(tf.math.log(y))


def of_standardised(y, p):
    return -tfd.Normal(p, NOISE).log_prob((y - 1.6) / 2.0)


def swapped(y, p):
    return -tfd.Normal(y, NOISE).log_prob(p)


def noise_of_targets(y, p):
    return -tfd.Normal(p, 0.1 * y + 0.1).log_prob(y)


def of_residuals(y, p):
    return -tfd.Normal(0.0, NOISE).log_prob(y - p)


def shifted_by_targets(y, p):
    return -tfd.Normal(p + tf.reduce_mean(y), NOISE).log_prob(y)


# What each is, in NumPy.
OTHERS = {
    of_logarithms: lambda m: NORMAL(np.log(TARGETS), m, NOISE),
    of_standardised: lambda m: NORMAL((TARGETS - 1.6) / 2, m, NOISE),
    swapped: lambda m: NORMAL(TARGETS, m, NOISE),
    noise_of_targets: lambda m: NORMAL(TARGETS, m, 0.1 * TARGETS + 0.1),
    of_residuals: lambda m: NORMAL(TARGETS, m, NOISE),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("loss", [*OTHERS, shifted_by_targets], ids=lambda loss: loss.__name__)
def test_another_use_of_log_prob_is_asked_for(loss):
    network = network_of(1, loss)
    with pytest.raises(ValueError, match=f"pass likelihood={loss.__name__}"):
        train(network, TARGETS)
    with pytest.raises(ValueError, match=f"pass likelihood={loss.__name__}"):
        predict_by_draws(network, INPUTS, 2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("loss", OTHERS, ids=lambda loss: loss.__name__)
def test_what_was_asked_for_is_right(loss):
    network = network_of(1, loss)
    expected = OTHERS[loss](np.asarray(network(INPUTS), float)).ravel()
    drawn = predict_by_draws(network, INPUTS, 2, likelihood=loss)
    np.testing.assert_allclose(
        drawn.log_predictive_density(TARGETS), expected, rtol=1e-3, atol=1e-4
    )
    with pytest.raises(ValueError, match="says nothing of means"):
        _ = drawn.mean
    history = train(network, TARGETS, likelihood=loss)
    assert history["negative_log_likelihood"][0] == pytest.approx(
        -expected.mean(), rel=1e-3, abs=1e-4
    )


def test_words_as_targets_are_refused_in_a_sentence():
    network = network_of(1, plain)
    words = np.array(["red", "green", "blue"])[np.arange(ROWS) % 3]
    for likelihood in (None, plain):
        with pytest.raises(ValueError, match=r"words|pass likelihood"):
            train(network, words, likelihood=likelihood)


def test_a_loss_without_a_name_is_asked_for_in_words():
    network = network_of(1, lambda y, p: -tfd.Normal(p, NOISE).log_prob(tf.math.log(y)))
    with pytest.raises(ValueError, match="pass that loss as likelihood="):
        train(network, TARGETS)


def test_a_noise_of_the_targets_is_no_likelihood():
    report = checkup(network_of(1, noise_of_targets), INPUTS, TARGETS, num_examples=ROWS)
    assert not report.ok
    assert report.kinds() >= {"likelihood-unknown"}


def test_logarithms_under_a_distribution_of_the_network_are_refused_without_targets_too():
    last = tfpl.DistributionLambda(lambda t: tfd.Normal(t, NOISE))
    network = network_of(1, lambda y, rv: -rv.log_prob(tf.math.log(y)), last)
    with pytest.raises(ValueError, match="something else than the targets"):
        predict_by_draws(network, INPUTS, 2)


# Targets with a second column


def survival(y, rv):
    time, seen = y[:, :1], y[:, 1:]
    return -(seen * rv.log_prob(time) + (1 - seen) * rv.log_survival_function(time))


SEEN = (np.arange(ROWS) % 3 > 0).astype(np.float32)[:, None]
LIVES = np.concatenate([TARGETS, SEEN], axis=1)


def survival_network():
    def weibull(t):
        return tfd.Weibull(1 + tf.nn.softplus(t[..., :1]), 2 + tf.nn.softplus(t[..., 1:]))

    return network_of(2, survival, tfpl.DistributionLambda(weibull))


def lives_in_numpy(network):
    made = network(INPUTS)
    shape, scale = (np.asarray(x, float) for x in (made.concentration, made.scale))
    known = scipy.stats.weibull_min(shape, scale=scale)
    return -np.where(SEEN > 0, known.logpdf(TARGETS), known.logsf(TARGETS)).ravel()


def test_censored_lives_are_asked_for_and_then_right():
    network = survival_network()
    nats = lives_in_numpy(network)
    with pytest.raises(ValueError, match="pass likelihood=survival"):
        train(network, LIVES)
    with pytest.raises(ValueError, match=r"how a value counts \(censored"):
        predict_by_draws(network, INPUTS, 2).log_predictive_density(LIVES)
    history = train(network, LIVES, likelihood=survival)
    assert history["negative_log_likelihood"][0] == pytest.approx(nats.mean(), rel=1e-3)


def test_a_check_up_that_is_told_the_likelihood_measures_its_factor():
    network = survival_network()
    told = {"num_examples": ROWS, "likelihood": survival}
    assert "likelihood-unknown" in checkup(network, INPUTS, LIVES, ROWS).kinds()
    report = checkup(network, INPUTS, LIVES, **told)
    assert report.ok, str(report)
    assert {"kl-weight", "likelihood"} <= {it.kind for it in report.confirmed}
    network.compile(tf_keras.optimizers.SGD(0.1), lambda y, rv: 3 * survival(y, rv))
    assert not checkup(network, INPUTS, LIVES, **told).ok


def test_a_likelihood_that_is_another_number_than_the_data_term_is_not_believed():
    network = survival_network()
    report = checkup(network, INPUTS, LIVES, ROWS, likelihood=lambda y, rv: y[:, :1] ** 2)
    assert not report.ok


def test_a_likelihood_of_the_whole_batch_is_refused():
    network = survival_network()
    with pytest.raises(ValueError, match="one number for the whole batch"):
        checkup(network, INPUTS, LIVES, ROWS, likelihood=lambda y, rv: tf.reduce_mean(y))


@pytest.mark.parametrize("told", [False, True])
def test_the_monitor_says_what_was_not_checked(told, capsys):
    network = survival_network()
    nats = lives_in_numpy(network)
    monitor = ElboMonitor(ROWS, likelihood=survival if told else None)
    history = network.fit(INPUTS, LIVES, ROWS, verbose=0, callbacks=[monitor]).history
    said = capsys.readouterr().out
    assert ("did not check all that matters" in said) is not told
    if told:
        assert history["nll"][0] == pytest.approx(nats.mean(), rel=1e-3)
    else:
        assert "pass likelihood=survival" in said


def test_a_likelihood_that_does_not_fit_is_told_and_fit_goes_on(capsys):
    network = network_of(1, plain)
    logs = network.fit(INPUTS, TARGETS, verbose=0, callbacks=[ElboMonitor(ROWS, likelihood="mse")])
    assert len(logs.history["loss"]) == 1
    assert "nll and elbo are not logged" in capsys.readouterr().out


def test_ignored_classes_of_a_loss_that_does_not_fit_get_a_report():
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=False, ignore_class=-1)
    network = network_of(3, loss)  # it puts out logits
    assert not checkup(network, INPUTS, np.arange(ROWS) % 3, ROWS).ok


def test_a_distribution_without_rows_gives_no_interval():
    network = network_of(1, None)
    drawn = predict_by_draws(network, INPUTS, 2, likelihood=lambda p: tfd.Normal(0.0, 1.0))
    with pytest.raises(ValueError, match="its first axis must count the examples"):
        drawn.interval(0.9)


# The KL that a layer of the reader's own draws


class DrawnKL(tf_keras.layers.Layer):
    """A layer that adds factor · (log q − log p) of its draw."""

    def __init__(self, units, factor, **options):
        super().__init__(**options)
        self.units, self.factor = units, factor

    def build(self, shape):
        size = (int(shape[-1]), self.units)
        start = tf_keras.initializers.RandomNormal(stddev=0.3, seed=1)
        self.mu = self.add_weight("mu", size, initializer=start)
        self.rho = self.add_weight("rho", size, initializer=tf_keras.initializers.Constant(-9.0))

    def call(self, inputs):
        sigma = tf.nn.softplus(self.rho)
        weights = self.mu + sigma * tf.random.normal(tf.shape(self.mu))
        log_q = tfd.Normal(self.mu, sigma).log_prob(weights)
        log_p = tfd.Normal(0.0, 1.0).log_prob(weights)
        self.add_loss(self.factor * tf.reduce_sum(log_q - log_p))
        return inputs @ weights


def fitted(factor):
    network = tf_keras.Sequential([DrawnKL(WIDTH, factor), DrawnKL(1, factor)])
    network.compile(tf_keras.optimizers.SGD(1e-9), plain)
    monitor = ElboMonitor(ROWS, check=False)
    logs = network.fit(INPUTS, TARGETS, ROWS, verbose=0, callbacks=[monitor]).history
    return network, logs


def test_a_drawn_kl_of_an_own_layer_is_logged(capsys):
    network, logs = fitted(1 / ROWS)
    kls = []
    for layer in network.layers:
        mean, sigma = np.asarray(layer.mu, float), np.logaddexp(0, np.asarray(layer.rho, float))
        kls.append(np.sum(0.5 * (sigma**2 + mean**2 - 1) - np.log(sigma)))
        error = 6 * np.sqrt(0.5 * mean.size + np.sum(mean**2 * sigma**2))  # of one draw
        assert logs[f"kl_{layer.name}"][0] == pytest.approx(kls[-1], abs=error)
    assert logs["elbo"][0] == pytest.approx(-ROWS * logs["nll"][0] - logs["kl"][0], rel=1e-6)
    assert "not logged" not in capsys.readouterr().out


def test_a_drawn_kl_times_a_variable_is_not_logged_and_fit_goes_on(capsys):
    _, logs = fitted(tf.Variable(1 / ROWS, trainable=False))
    assert "nll" in logs
    assert not {name for name in logs if name.startswith("kl")}
    assert "its weight is a variable" in capsys.readouterr().out


# A KL that is divided by the size of a batch


@pytest.mark.sampled(3)
@pytest.mark.parametrize("batches", [2, 3])
@pytest.mark.parametrize("is_sum", [False, True], ids=["mean", "sum"])
def test_a_kl_of_another_divisor_is_not_counted_several_times(batches, is_sum):
    network = network_of(1, plain)

    def objective(network, inputs, targets):
        nats = plain(targets, network(inputs))
        if is_sum:  # with the KL in nats: of one batch, so too much by the number of batches
            return tf.reduce_sum(nats) + ROWS * sum(network.losses)
        return tf.reduce_mean(nats) + sum(network.losses)

    data = np.concatenate([INPUTS] * batches), np.concatenate([TARGETS] * batches)
    sizes = {"num_examples": batches * ROWS, "batch_size": ROWS}
    report = checkup(network, *data, loss=objective, **sizes)
    assert {finding.kind for finding in report.alarms} == {"kl-wrong-count"}
    (alarm,) = report.alarms
    wanted = "multiply the sum of the KLs by B/N" if is_sum else f"by {batches * ROWS}, once"
    assert wanted in alarm.cure

    def cured(network, inputs, targets):
        return objective(network, inputs, targets) + (1 / batches - 1) * (
            (ROWS if is_sum else 1) * sum(network.losses)
        )

    assert checkup(network, *data, loss=cured, **sizes).ok


# Targets that do not run beside the loss

LABELS = np.arange(ROWS) % 3


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (np.array(["red", "green", "blue"])[LABELS], "return_inverse=True"),
        (np.eye(3)[LABELS], "use targets.argmax"),
        (LABELS + 1, "count the classes from 0"),
    ],
    ids=["words", "one-hot rows", "from 1"],
)
@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_network_that_does_not_run_with_its_targets_is_told_what_to_pass(
    targets, wanted, is_compiled
):
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network = network_of(3, loss if is_compiled else None)
    report = checkup(network, INPUTS, targets, ROWS, loss=None if is_compiled else loss)
    assert not report.ok
    assert wanted in " ".join(f"{it.message} {it.cure}" for it in report.alarms), str(report)


# Losses of Keras that mean something else than they seem


def test_sigmoids_under_a_loss_of_classes_are_no_probabilities():
    """Keras takes the logits before the sigmoid and trains their softmax."""
    network = network_of(3, "categorical_crossentropy", tf_keras.layers.Activation("sigmoid"))
    targets = np.eye(3, dtype=np.float32)[LABELS]
    sigmoids = np.asarray(network(INPUTS), float)
    logits = np.log(sigmoids) - np.log1p(-sigmoids)
    nats = np.log(np.exp(logits).sum(1)) - (logits * targets).sum(1)
    loss = network.evaluate(INPUTS, targets, ROWS, verbose=0)
    network(INPUTS)
    assert loss - float(sum(network.losses)) == pytest.approx(nats.mean(), rel=1e-4)
    report = checkup(network, INPUTS, targets, ROWS)
    (alarm,) = report.alarms
    assert alarm.kind == "no-likelihood"
    assert "softmax" in alarm.message

    def cured(y, outputs):
        return -tfd.Independent(tfd.Bernoulli(probs=outputs), 1).log_prob(y)

    assert "tfd.Bernoulli(probs=outputs)" in alarm.cure
    network.compile(tf_keras.optimizers.SGD(0.1), cured)
    assert checkup(network, INPUTS, targets, ROWS).ok
    network = network_of(3, "categorical_crossentropy", tf_keras.layers.Activation("softmax"))
    assert checkup(network, INPUTS, targets, ROWS).ok


@pytest.mark.parametrize("known", [7, 14, ROWS])
def test_ignored_classes_count_for_no_example(known):
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    network = network_of(3, loss)  # its KL is divided by the number of all rows
    targets = np.where(np.random.default_rng(1).permutation(ROWS) < known, LABELS, -1)
    inputs, targets = np.concatenate([INPUTS] * 9), np.concatenate([targets] * 9)
    report = checkup(network, inputs, targets, ROWS)
    assert not report.unchecked, str(report)
    if known == ROWS:
        assert report.ok
        return
    (alarm,) = report.alarms
    assert alarm.kind == "likelihood-averaged"
    assert f"Divide the KL by {known}, the number of known targets" in alarm.cure

    def objective(network, inputs, targets):
        return loss(targets, network(inputs)) + ROWS / known * sum(network.losses)

    mended = checkup(network, inputs, targets, ROWS, loss=objective)
    assert not mended.alarms, str(mended)


@NIGHTLY
def test_a_gaussian_process_raises_no_false_alarm_and_is_refused_in_words():
    class Kernel(tf_keras.layers.Layer):
        def call(self, inputs):
            return inputs

        @property
        def kernel(self):
            return tfp.math.psd_kernels.ExponentiatedQuadratic(tf.constant(1.0))

    points = np.linspace(-1, 1, WIDTH)[None, :, None].astype(np.float32)
    last = tfpl.VariationalGaussianProcess(
        WIDTH,
        Kernel(),
        event_shape=[1],
        inducing_index_points_initializer=tf_keras.initializers.Constant(points),
        unconstrained_observation_noise_variance_initializer=tf_keras.initializers.Constant(0.1),
    )
    network = network_of(1, lambda y, rv: rv.variational_loss(y, kl_weight=0.1), last)
    assert "outputs-cut-off" not in checkup(network, INPUTS, TARGETS, ROWS).kinds()
    with pytest.raises(ValueError, match="as a Gaussian process does"):
        train(network, TARGETS)


def test_outputs_that_fall_off_far_away_are_not_cut_off():
    """Bumps reach every target near their centres, and none where weights are large."""

    def bumps(t):
        return 8 * t * tf.exp(-(t**2))

    last = tf_keras.layers.Lambda(bumps)
    network = network_of(1, plain, last)
    targets = np.linspace(-2, 2, ROWS, dtype=np.float32)[:, None]
    assert "outputs-cut-off" not in checkup(network, INPUTS, targets, ROWS).kinds()


def test_a_sum_over_the_batches_that_fit_has_seen_is_no_frozen_weight():
    """Beside the rows of a check-up a sum is another number than beside those of a batch."""

    def summed(y, p):
        return tf.reduce_sum(plain(y, p))

    network = network_of(1, summed)
    inputs, targets = np.concatenate([INPUTS] * 2), np.concatenate([TARGETS] * 2)
    network.fit(inputs, targets, batch_size=14, verbose=0)
    assert "kl-frozen-at-trace" not in checkup(network, inputs, targets, 2 * ROWS).kinds()
