"""What strangers' models showed: each tool is right about it, or refuses it with a sentence."""

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import NIGHTLY, THIRD

from helpers.checkup import checkup
from helpers.checkup.measure.temperature import factor_of_logits
from helpers.losses import losses_by_layer
from helpers.prediction import predict_by_draws
from helpers.training import ElboMonitor, train_by_elbo

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
N, FEATURES, CLASSES = 71, 4, 3
RNG = np.random.default_rng(5)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS = RNG.integers(0, CLASSES, N)
NUMBERS = RNG.normal(size=(N, 1)).astype("float32")
LOSS = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def scaled(q, p, _):
    return tfd.kl_divergence(q, p) / N


def minus_log_prob(targets, outputs):
    return -outputs.log_prob(targets)


def layer_of(units, kind=tfpl.DenseFlipout, **options):
    options = {"kernel_divergence_fn": scaled, **options}
    return kind(units, **options)


def with_biases(units, activation=None):
    return layer_of(
        units,
        tfpl.DenseReparameterization,
        activation=activation,
        bias_posterior_fn=tfpl.default_mean_field_normal_fn(),
        bias_prior_fn=tfpl.default_multivariate_normal_fn,
        bias_divergence_fn=scaled,
    )


def compiled(layers, loss=LOSS):
    network = tf_keras.Sequential(layers)
    network.compile("adam", loss)
    return network


def kinds(report):
    return [finding.kind for finding in report.alarms]


COUNTS = {
    "negative binomial": lambda t: tfd.NegativeBinomial(tf.nn.softplus(t[..., :1]), t[..., 1:]),
    "zero-inflated": lambda t: tfd.Inflated(
        tfd.NegativeBinomial(tf.nn.softplus(t[..., :1]), t[..., 1:]), inflated_loc_probs=0.2
    ),
}


@pytest.mark.parametrize(
    "name", ["negative binomial", pytest.param("zero-inflated", marks=NIGHTLY)]
)
def test_a_head_of_counts_that_is_drawn_is_looked_at_in_finite_time(name):
    """TensorFlow's sampler does not come back from the rates that huge weights make."""
    network = compiled([layer_of(2), tfpl.DistributionLambda(COUNTS[name])], minus_log_prob)
    counts = RNG.integers(0, 5, (N, 1)).astype("float32")
    report = checkup(network, INPUTS, counts, num_examples=N)
    assert report.ok, str(report)


@pytest.mark.parametrize("times", [1, 2])
def test_kernel_and_bias_are_no_kl_counted_twice(times):
    """Beside a loss that is no likelihood the right weight is unknown, not how often it counts."""
    if times == 1:
        network = compiled([with_biases(2, "relu"), with_biases(1)], "hinge")
    else:
        inputs, shared = tf_keras.Input((FEATURES,)), with_biases(FEATURES)
        network = tf_keras.Model(inputs, with_biases(1)(shared(shared(inputs))))
        network.compile("adam", "hinge")
    report = checkup(network, INPUTS, np.sign(NUMBERS), num_examples=N)
    assert ("kl-counted-twice" in kinds(report)) == (times == 2), str(report)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_weight_of_the_kl_that_is_trained_is_an_alarm(trainable):
    class Weighted(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(1 / N, trainable=trainable, name="weight")
            divergence = lambda q, p, _: self.weight * tfd.kl_divergence(q, p)  # noqa: E731
            self.last = tfpl.DenseFlipout(CLASSES, kernel_divergence_fn=divergence)

        def call(self, inputs):
            return self.last(inputs)

    network = Weighted()
    network.compile(tf_keras.optimizers.Adam(0.05), LOSS)
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    assert kinds(report) == (["kl-weight-variable"] if trainable else []), str(report)
    assert report.ok != trainable
    if trainable:
        assert "trainable=False" in report.alarms[0].cure
        network.fit(INPUTS, LABELS, epochs=3, verbose=0)
        assert float(network.weight) < 0  # what the alarm says


def test_a_drawn_kl_from_a_cauchy_prior_is_one():
    def prior_fn(dtype, shape, *_):
        return tfd.Independent(tfd.Cauchy(tf.zeros(shape, dtype), 1.0), 2)

    def drawn(q, p, _):
        weights = q.sample(20)
        return tf.reduce_mean(q.log_prob(weights) - p.log_prob(weights)) / N

    options = {"kernel_prior_fn": prior_fn, "kernel_divergence_fn": drawn}
    network = compiled([tfpl.DenseReparameterization(CLASSES, **options)])
    assert not kinds(checkup(network, INPUTS, LABELS, num_examples=N))


def vae(number):
    """Codes drawn by a Lambda, and their KL, written by hand and added by the model."""
    inputs = tf_keras.Input((FEATURES,))
    mean, log_variance = (tf_keras.layers.Dense(2)(inputs) for _ in range(2))
    codes = tf_keras.layers.Lambda(
        lambda pair: pair[0] + tf.exp(0.5 * pair[1]) * tf.random.normal(tf.shape(pair[0]))
    )([mean, log_variance])
    network = tf_keras.Model(inputs, layer_of(CLASSES)(codes))
    kl = 0.5 * tf.reduce_sum(tf.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)
    network.add_loss(number * tf.reduce_mean(kl))
    network.compile("adam", LOSS)
    network(INPUTS)
    return network


def test_a_kl_of_codes_that_is_written_by_hand_is_no_regulariser():
    network = vae(1.0)
    table = losses_by_layer(network, INPUTS)
    assert set(table["kind"]) == {f"KL / {N}", "unknown"}
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    assert not report.ok
    assert any("KL of the codes" in text for text in report.unchecked)
    with pytest.raises(ValueError, match=r"KL of codes[\s\S]*activity_regularizer="):
        train_by_elbo(network, INPUTS, LABELS, num_epochs=1, progress=False)


def test_a_penalty_of_activations_without_a_draw_stays_a_penalty():
    inputs = tf_keras.Input((FEATURES,))
    hidden = tf_keras.layers.Dense(5, "relu")(inputs)
    network = tf_keras.Model(inputs, layer_of(CLASSES)(hidden))
    network.add_loss(0.1 * tf.reduce_mean(hidden))
    network(INPUTS)
    assert "regulariser" in set(losses_by_layer(network, INPUTS)["kind"])


def test_a_layer_with_a_posterior_and_no_prior_is_not_trained_as_an_elbo():
    bare = tfpl.DenseReparameterization(5, "relu", kernel_prior_fn=None, name="bare")
    network = tf_keras.Sequential([bare, layer_of(CLASSES)])
    with pytest.raises(ValueError, match=r"bare \(kernel\) has a posterior, but adds no KL"):
        train_by_elbo(network, INPUTS, LABELS, num_epochs=1, likelihood=LOSS, progress=False)


def test_a_gaussian_process_inside_of_a_network_is_not_overlooked():
    class Kernel(tf_keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.amplitude = self.add_weight(name="amplitude", initializer="ones")

        def call(self, inputs):
            return inputs

        @property
        def kernel(self):
            return tfp.math.psd_kernels.ExponentiatedQuadratic(self.amplitude)

    process = tfpl.VariationalGaussianProcess(
        num_inducing_points=3, kernel_provider=Kernel(), event_shape=[1], jitter=1e-2, name="gp"
    )
    inputs = tf_keras.Input((FEATURES,))
    attention = tf_keras.layers.Lambda(tf.convert_to_tensor)(process(inputs))
    product = tf_keras.layers.Multiply()([attention, tf_keras.layers.Dense(5)(inputs)])
    network = tf_keras.Model(inputs, layer_of(CLASSES)(product))
    network.compile("adam", LOSS)
    report = checkup(network, INPUTS, LABELS, num_examples=N)
    assert not report.ok
    assert any("(gp)" in text for text in report.unchecked)
    with pytest.raises(ValueError, match="gp is a variational Gaussian process"):
        train_by_elbo(network, INPUTS, LABELS, num_epochs=1, progress=False)


@pytest.mark.parametrize("kind", ["in training", "always"])
def test_a_kl_that_is_added_in_training_alone_is_told_apart(kind):
    class Own(tf_keras.layers.Layer):
        def build(self, shape):
            self.mu = self.add_weight(name="mu", shape=(shape[-1], CLASSES))
            self.rho = self.add_weight(name="rho", shape=(shape[-1], CLASSES))

        def call(self, inputs, training=None):
            q = tfd.Normal(self.mu, tf.nn.softplus(self.rho))
            if training or kind == "always":
                self.add_loss(tf.reduce_sum(tfd.kl_divergence(q, tfd.Normal(0.0, 1.0))))
            return inputs @ q.sample()

    network = tf_keras.Sequential([Own()])
    options = {"num_epochs": 1, "likelihood": LOSS, "progress": False}
    if kind == "always":
        assert train_by_elbo(network, INPUTS, LABELS, **options)["kl"][0] > 0
    else:
        with pytest.raises(ValueError, match="called with training=True"):
            train_by_elbo(network, INPUTS, LABELS, **options)


def test_the_spread_of_a_beta_has_a_bound_of_its_own():
    beta = tfpl.DistributionLambda(
        lambda t: tfd.Beta(1 + tf.nn.softplus(t[..., :1]), 1 + tf.nn.softplus(t[..., 1:]))
    )
    shares = (0.05 + 0.9 * RNG.uniform(size=(N, 1))).astype("float32")
    report = checkup(compiled([layer_of(2), beta], minus_log_prob), INPUTS, shares, N)
    assert "outputs-cut-off" not in {finding.kind for finding in report.findings}, str(report)


def test_a_saved_model_has_lost_its_posteriors_and_says_so(tmp_path):
    network = tf_keras.Sequential([tfpl.DenseFlipout(CLASSES, input_shape=(FEATURES,))])
    tf_keras.utils.set_random_seed(1)  # with it the draws of the loaded network repeat themselves
    network.save(tmp_path / "saved")
    loaded = tf_keras.models.load_model(tmp_path / "saved", compile=False)
    loaded.compile(tf_keras.optimizers.Adam(0.01), LOSS)
    loaded(INPUTS)
    assert list(losses_by_layer(loaded, INPUTS)["kind"]) == ["unknown"]
    with pytest.raises(ValueError, match="SavedModel"):
        train_by_elbo(loaded, INPUTS, LABELS, num_epochs=1, progress=False)
    report = checkup(loaded, INPUTS, LABELS, num_examples=N)
    assert not report.ok
    assert "SavedModel" in str(report)
    again = tf_keras.Sequential([layer_of(CLASSES)])
    again(INPUTS)
    again.set_weights(loaded.get_weights())  # the way out
    np.testing.assert_array_equal(again.get_weights()[0], network.get_weights()[0])


POSITIVE = {
    0.0: lambda t: tfd.LogNormal(t[..., :1], 0.1 + tf.nn.softplus(t[..., 1:])),
    -1.0: lambda t: tfd.Gamma(0.1 + tf.nn.softplus(t[..., :1]), tf.nn.softplus(t[..., 1:])),
}


@pytest.mark.parametrize("worst", POSITIVE)
def test_one_target_that_cannot_be_is_found_among_many(worst):
    rows = 40 * N
    inputs = RNG.normal(size=(rows, FEATURES)).astype("float32")
    targets = RNG.uniform(1, 2, size=(rows, 1)).astype("float32")
    targets[1234] = worst
    positive = tfpl.DistributionLambda(POSITIVE[worst])
    network = compiled([layer_of(2), positive], minus_log_prob)
    for layer in network.layers[:1]:  # N is that of the other tests
        layer.kernel_divergence_fn = lambda q, p, _: tfd.kl_divergence(q, p) / rows
    network(inputs[:2])
    report = checkup(network, inputs, targets, rows)
    assert kinds(report) == ["targets-outside"], str(report)
    assert f"{worst:.4g} and" in report.alarms[0].message
    targets[1234] = 1.5
    assert checkup(network, inputs, targets, rows).ok


KINDS = {
    "a class too many": (CLASSES, LOSS, lambda: RNG.integers(0, CLASSES, 40 * N), CLASSES),
    "yes twice": (
        1,
        tf_keras.losses.BinaryCrossentropy(from_logits=True),
        lambda: RNG.integers(0, 2, (40 * N, 1)),
        2,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_one_target_of_another_kind_is_found_among_many(name):
    units, loss, draw, worst = KINDS[name]
    inputs = RNG.normal(size=(40 * N, FEATURES)).astype("float32")
    targets = draw()
    targets[1234] = worst
    network = compiled([layer_of(units)], loss)
    assert "targets-outside" in kinds(checkup(network, inputs, targets, 40 * N))
    targets[1234] = 0
    assert "targets-outside" not in kinds(checkup(network, inputs, targets, 40 * N))


def test_counts_are_whole_numbers():
    counts = tfpl.DistributionLambda(lambda t: tfd.Poisson(log_rate=t))
    network = compiled([layer_of(1), counts], minus_log_prob)
    assert kinds(checkup(network, INPUTS, np.abs(NUMBERS), N)) == ["targets-outside"]
    assert checkup(network, INPUTS, np.round(np.abs(NUMBERS)), N).ok


def test_moments_of_an_angle_are_refused():
    angles = tfpl.DistributionLambda(lambda t: tfd.VonMises(t[..., :1], tf.nn.softplus(t[..., 1:])))
    predictions = predict_by_draws(tf_keras.Sequential([layer_of(2), angles]), INPUTS, 2)
    for name in ("mean", "stddev", "aleatoric"):
        with pytest.raises(ValueError, match="describes angles"):
            getattr(predictions, name)
    assert np.isfinite(predictions.log_predictive_density(NUMBERS)).all()


def test_large_logits_are_no_temperature():
    """Of logits that are large at every state, CE(t q) / t is CE(q) whatever t is."""
    logits = 3000 * RNG.normal(size=(3, 29, CLASSES))
    labels = RNG.integers(0, CLASSES, 29)

    def mean_at(factor):
        logs = scipy.special.log_softmax(factor * logits, axis=-1)
        return -logs[:, np.arange(29), labels].mean(axis=1)

    assert np.isnan(factor_of_logits(mean_at, mean_at(1.0), 1.0))
    logits = logits / 3000  # where a temperature shows, it is found
    assert factor_of_logits(mean_at, mean_at(2.0), 2.0) == pytest.approx(2.0, rel=1e-4)


def test_a_data_term_by_add_loss_is_no_dead_output():
    inputs, targets = tf_keras.Input((FEATURES,)), tf_keras.Input((1,))
    outputs = layer_of(1)(inputs)
    network = tf_keras.Model([inputs, targets], outputs)
    network.add_loss(tf.reduce_mean(0.5 * (outputs - targets) ** 2))
    network.compile("adam")
    report = checkup(network, [INPUTS, NUMBERS], NUMBERS, num_examples=N)
    assert "outputs-cut-off" not in kinds(report), str(report)
    assert not report.ok


def test_weights_that_are_nan_are_named_by_all():
    network = compiled([layer_of(2), tfpl.IndependentNormal(1)], minus_log_prob)
    network(INPUTS)
    network.layers[0].set_weights([np.nan * weight for weight in network.layers[0].get_weights()])
    (alarm,) = checkup(network, INPUTS, NUMBERS, num_examples=N).alarms
    assert alarm.kind == "not-finite"
    assert network.layers[0].name in alarm.message
    for tool in (
        lambda: predict_by_draws(network, INPUTS, 2),
        lambda: train_by_elbo(network, INPUTS, NUMBERS, num_epochs=1, progress=False),
    ):
        with pytest.raises(ValueError, match="are NaN or infinite: the training has diverged"):
            tool()


def test_one_over_n_beside_a_sum_is_no_average_over_as_many_weights_as_rows():
    """A layer with as many weights as the batch has rows: the cause is the sum."""
    batch_size, width = 32, 8
    sums = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    assert FEATURES * width == batch_size
    network = compiled([layer_of(width, activation="relu"), layer_of(CLASSES)], sums)
    report = checkup(network, INPUTS, LABELS, num_examples=N, batch_size=batch_size)
    assert kinds(report) == ["kl-wrong-count"], str(report)
    assert "sum over the batch" in report.alarms[0].cure


def test_the_cure_of_an_own_layer_is_in_the_layer():
    class Own(tf_keras.layers.Layer):
        def build(self, shape):
            self.mu = self.add_weight(name="mu", shape=(shape[-1], CLASSES))
            self.rho = self.add_weight(name="rho", shape=(shape[-1], CLASSES))

        def call(self, inputs):
            q = tfd.Normal(self.mu, tf.nn.softplus(self.rho))
            self.add_loss(tf.reduce_sum(tfd.kl_divergence(q, tfd.Normal(0.0, 1.0))))
            return inputs @ q.sample()

    report = checkup(compiled([Own()]), INPUTS, LABELS, num_examples=N)
    assert kinds(report) == ["kl-not-scaled"]
    assert f"self.add_loss(kl / {N}) in the layer" in report.alarms[0].cure


def test_the_monitor_trains_beside_a_network_of_two_heads_of_one_loss(capfd):
    """A loss that is taken apart warns of nothing, whatever its name is."""
    inputs = tf_keras.Input((FEATURES,))
    hidden = layer_of(5, activation="relu")(inputs)
    heads = [tf_keras.layers.Dense(1, name=name)(hidden) for name in "ab"]
    network = tf_keras.Model(inputs, heads)
    of_two = lambda y, out: -tfd.Independent(tfd.Normal(out, 1.0), 1).log_prob(y)  # noqa: E731
    network.compile("adam", of_two)
    targets = [NUMBERS, 2 * NUMBERS]
    history = network.fit(INPUTS, targets, verbose=0, callbacks=[ElboMonitor(N, check=False)])
    assert np.isfinite(history.history["elbo"][0])
    train_by_elbo(network, INPUTS, targets, num_epochs=1, progress=False)
    assert "AutoGraph" not in "".join(capfd.readouterr())


def test_the_densities_of_an_angle_are_those_of_scipy():
    angles = tfpl.DistributionLambda(lambda t: tfd.VonMises(t[..., :1], 2.0))
    network = tf_keras.Sequential([tf_keras.layers.Dense(1), angles])
    density = predict_by_draws(network, INPUTS, 1).log_predictive_density(NUMBERS)
    located = np.asarray(network.layers[0](INPUTS), float)
    expected = scipy.stats.vonmises.logpdf(NUMBERS, 2.0, loc=located)[:, 0]
    np.testing.assert_allclose(density, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_the_monitor_does_not_take_the_first_batch_for_the_data(factor, capsys):
    """With a class number that is ignored, batches hold more or fewer known places."""
    steps = 6
    inputs = RNG.normal(size=(N, steps, FEATURES)).astype("float32")
    labels = RNG.integers(0, CLASSES, (N, steps))
    labels[RNG.uniform(size=labels.shape) < 0.3] = -1
    known = int((labels >= 0).sum())

    def divergence(q, p, _):
        return factor * tfd.kl_divergence(q, p) / known

    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    network = compiled([tfpl.DenseFlipout(CLASSES, kernel_divergence_fn=divergence)], loss)
    assert checkup(network, inputs, labels, num_examples=N).ok == (factor == 1)
    network.fit(inputs, labels, batch_size=8, verbose=0, callbacks=[ElboMonitor(N)])
    assert ("kl-wrong-count" in capsys.readouterr().out) == (factor != 1)


def test_a_clipped_kl_that_is_added_in_training_alone_is_not_called_missing():
    """A variational dropout: log α is clipped, so the entry stands still where σ is tiny."""

    class VariationalDropout(tf_keras.layers.Layer):
        def build(self, shape):
            self.theta = self.add_weight(name="theta", shape=(shape[-1], CLASSES))
            start = tf_keras.initializers.Constant(-4.0)
            self.log_variance = self.add_weight(
                name="log_variance", shape=(shape[-1], CLASSES), initializer=start
            )

        def call(self, inputs, training=None):
            mean = inputs @ self.theta
            if not training:
                self.add_loss(0.0)
                return mean
            log_alpha = self.log_variance - tf.math.log(self.theta**2 + 1e-8)
            log_alpha = tf.clip_by_value(log_alpha, -6.0, 6.0)
            self.add_loss(0.5 * tf.reduce_sum(tf.math.log1p(tf.exp(-log_alpha))) / N)
            spread = tf.sqrt(inputs**2 @ tf.exp(self.log_variance) + 1e-8)
            return mean + spread * tf.random.normal(tf.shape(mean))

    report = checkup(compiled([VariationalDropout()]), INPUTS, LABELS, num_examples=N)
    assert "kl-missing" not in kinds(report), str(report)
    assert not report.ok


def test_a_frame_of_yes_and_numbers_is_one_of_numbers():
    frame = pd.DataFrame({"a": INPUTS[:, 0], "b": INPUTS[:, 1] > 0})
    network = compiled([layer_of(CLASSES)])
    network(frame.to_numpy("float32"))
    table = losses_by_layer(network, frame)
    assert table["nats"][0] == pytest.approx(N * float(network.losses[0]), rel=1e-5)
    assert checkup(network, frame, LABELS, num_examples=N).ok


@pytest.mark.parametrize("num_draws", [2.5, "3", None])
def test_a_number_of_draws_that_is_none_is_refused(num_draws):
    with pytest.raises(ValueError, match=r"num_draws is .* a whole number of at least 1"):
        predict_by_draws(compiled([layer_of(CLASSES)]), INPUTS, num_draws)


@pytest.mark.parametrize("rows", [N, 40 * N])
def test_a_loss_that_adds_losses_beside_fit_is_told_to_leave_them_out(rows):
    inputs, labels = np.resize(INPUTS, (rows, FEATURES)), np.resize(LABELS, rows)
    network = tf_keras.Sequential([tfpl.DenseFlipout(CLASSES)])

    def loss(targets, logits):
        targets = tf.cast(tf.reshape(targets, [-1]), tf.int32)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_mean(nats) + sum(network.losses) / rows

    network.compile("adam", loss)
    (alarm,) = checkup(network, inputs, labels, num_examples=rows).alarms
    assert "fit adds them once more by itself" in alarm.message
    assert alarm.cure.startswith("Leave sum(network.losses) out of your loss")


@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_column_that_the_distribution_does_not_use_is_told_from_one_that_is_cut_off(activation):
    normal = tfpl.DistributionLambda(lambda t: tfd.Normal(t[..., :1], 1.0))
    network = compiled([layer_of(2, activation=activation), normal], minus_log_prob)
    report = checkup(network, INPUTS, np.abs(NUMBERS), num_examples=N)
    (alarm,) = report.alarms
    assert "Output 1 of the last layer" in alarm.message
    assert ("leave the unit out" in alarm.cure) == (activation is None)


def test_a_likelihood_that_is_passed_and_is_another_is_said_to_be():
    def other(targets, outputs):
        return tf.reduce_mean(tf.abs(tf.cast(targets, tf.float32) - outputs) ** 1.5)

    network = compiled([layer_of(1)], other)
    said = lambda y, out: -tfd.Independent(tfd.Normal(out, 1.0), 1).log_prob(y)  # noqa: E731
    for likelihood in (None, said):
        report = checkup(network, INPUTS, NUMBERS, num_examples=N, likelihood=likelihood)
        assert ("that you passed either" in str(report)) == (likelihood is not None)


def flipout(units, by=N, **options):
    divergence = None if by is None else lambda q, p, _: tfd.kl_divergence(q, p) / by
    return tfpl.DenseFlipout(units, kernel_divergence_fn=divergence, **options)


ENTROPY = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
STRANGERS = np.random.default_rng(12)
ROWS = STRANGERS.normal(size=(N, 4)).astype("float32")
CLASSES_OF_3 = STRANGERS.integers(0, 3, N)


def two_layers(by, loss=ENTROPY, last=3):
    network = tf_keras.Sequential([flipout(8, by, activation="relu"), flipout(last, by)])
    network.compile("adam", loss)
    return network


def test_valid_steps_are_counted_in_all_rows():
    rows = 3 * N
    lengths = np.full(rows, 2)
    lengths[np.linspace(0, rows - 1, 64).astype(int)] = 6  # the rows that are looked at
    kept = np.arange(6) < lengths[:, None]
    steps = STRANGERS.integers(1, 20, (rows, 6)) * kept
    labels = STRANGERS.integers(0, 4, (rows, 6))
    for by, is_right in ((int(kept.sum()), True), (6 * rows, False)):
        last = flipout(4, by)
        last.supports_masking = True
        embedding = tf_keras.layers.Embedding(20, 6, mask_zero=True)
        lstm = tf_keras.layers.LSTM(8, return_sequences=True)
        network = tf_keras.Sequential([embedding, lstm, last])
        network.compile("adam", ENTROPY)
        report = checkup(network, steps, labels, num_examples=rows)
        assert report.ok is is_right, str(report)


def test_the_last_batch_of_a_dataset_counts_its_own_rows():
    data = tf.data.Dataset.from_tensor_slices((ROWS, CLASSES_OF_3)).batch(16).prefetch(2)
    assert N % 16
    for dataset in (data, data.cache().map(lambda x, y: (x, y))):
        assert "kl-wrong-count" not in checkup(two_layers(N), dataset).kinds()
    more = -(-N // 16) * 16
    assert "kl-wrong-count" in checkup(two_layers(more), data).kinds()


def test_penalties_alone_are_no_elbo():
    penalised = tf_keras.layers.Dense(3, kernel_regularizer="l2")
    network = tf_keras.Sequential([tf_keras.layers.Dense(8, activation="relu"), penalised])
    network.compile("adam", ENTROPY)
    history = train_by_elbo(network, ROWS, CLASSES_OF_3, num_epochs=1, progress=False)
    assert np.all(np.isnan(history["elbo"]))  # of maximum likelihood with a penalty
    assert np.all(history["penalty"] > 0)


def test_a_penalty_in_the_place_of_the_kl_is_told_so_and_its_cure_heals():
    network = two_layers(N)

    def objective(inputs, labels, added=None):
        nll = ENTROPY(labels, network(inputs))
        decay = 1e-3 * tf.add_n([tf.nn.l2_loss(v) for v in network.trainable_variables])
        return nll + (decay if added is None else added())

    network(ROWS[:2])
    report = checkup(network, ROWS, CLASSES_OF_3, num_examples=N, loss=objective)
    assert {alarm.kind for alarm in report.alarms} == {"kl-missing"}, str(report)
    assert "sum(network.losses) in the place of that penalty" in report.alarms[0].cure
    cured = lambda x, y: objective(x, y, lambda: sum(network.losses))  # noqa: E731
    assert checkup(network, ROWS, CLASSES_OF_3, num_examples=N, loss=cured).ok


def test_one_divisor_for_all_layers_is_no_mean_over_the_weights_of_one():
    report = checkup(two_layers(32), ROWS, CLASSES_OF_3, num_examples=N)  # 4 × 8 weights
    [alarm] = report.alarms
    assert alarm.layer.count(",") == 1
    assert "averaged over the layer's" not in alarm.message


def test_a_forgotten_sum_over_pixels_makes_the_kl_of_a_code_too_heavy():
    pixels = (STRANGERS.random((N, 16)) < 0.3).astype("float32")
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)

    def autoencoder(weight):
        encoder = [
            tf_keras.layers.InputLayer((16,)),
            tf_keras.layers.Dense(tfpl.MultivariateNormalTriL.params_size(2)),
            tfpl.MultivariateNormalTriL(2),
            tfpl.KLDivergenceAddLoss(prior, weight=weight),
        ]
        network = tf_keras.Sequential([*encoder, tf_keras.layers.Dense(16, activation="sigmoid")])
        network.compile("adam", "binary_crossentropy")
        return network

    report = checkup(autoencoder(1.0), pixels, pixels, num_examples=N)
    [alarm] = report.alarms
    assert alarm.kind == "likelihood-averaged"
    assert "weighs 16 times too much" in alarm.message
    cured = checkup(autoencoder(1 / 16), pixels, pixels, num_examples=N)
    assert cured.ok, str(cured)
    assert "likelihood-averaged" not in cured.kinds()


def test_a_target_under_several_columns_of_a_distribution_is_broadcast():
    loss = lambda y, o: -tfd.Independent(tfd.Normal(o, 0.3), 1).log_prob(y)  # noqa: E731
    report = checkup(two_layers(N, loss), ROWS, ROWS[:, :1], num_examples=N)
    assert [alarm.kind for alarm in report.alarms] == ["targets-not-paired"], str(report)
    assert checkup(two_layers(N, loss, last=1), ROWS, ROWS[:, :1], num_examples=N).ok


def test_the_absolute_error_is_a_laplace_of_scale_1():
    report = checkup(two_layers(N, "mae", last=1), ROWS, ROWS[:, :1], num_examples=N)
    assert "Laplace distribution of scale 1" in report.alarms[0].message
