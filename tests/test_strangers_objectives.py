"""What strangers minimise: tapes, terms beside the likelihood, and draws that are no weights'."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.checkup import checkup

pytestmark = THIRD
tfd, tfpl, L = tfp.distributions, tfp.layers, tf_keras.layers
N, FEATURES, CLASSES = 83, 5, 3
RNG = np.random.default_rng(9)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS = RNG.integers(0, CLASSES, N)
VALUES = RNG.normal(size=(N, 1)).astype("float32")
entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def flipout(units, by=N, **options):
    divergence = lambda q, p, _: tfd.kl_divergence(q, p) / by  # noqa: E731
    return tfpl.DenseFlipout(units, kernel_divergence_fn=divergence, **options)


def classifier(*between, loss=entropy, optimizer="adam"):
    network = tf_keras.Sequential([flipout(6, activation="relu"), *between, flipout(CLASSES)])
    network.compile(optimizer, loss)
    return network


def report_of(network, loss=None, targets=LABELS):
    return checkup(network, INPUTS, targets, num_examples=N, loss=loss)


def kinds(report):
    return [alarm.kind for alarm in report.alarms]


class Sampling(L.Layer):
    """The sampling layer of keras.io's autoencoder."""

    def call(self, inputs):
        mean, log = inputs
        return mean + tf.exp(log) * tf.random.normal(tf.shape(mean))


def autoencoder():
    inputs = tf_keras.Input([FEATURES])
    hidden = L.Dense(6, "relu")(inputs)
    code = Sampling(name="sampling")([L.Dense(2)(hidden), L.Dense(2)(hidden)])
    network = tf_keras.Model(inputs, flipout(FEATURES)(code))
    network.compile("adam", lambda y, o: -tfd.Independent(tfd.Normal(o, 1.0), 1).log_prob(y))
    return network, INPUTS


class GlobalNoise(tf_keras.Model):
    """A regression whose noise has a posterior, drawn in the model's own call."""

    def __init__(self):
        super().__init__(name="global_noise")
        self.dense, self.loc, self.rho = flipout(1), tf.Variable(0.0), tf.Variable(-2.0)

    def call(self, inputs):
        noise = tfd.LogNormal(self.loc, tf.nn.softplus(self.rho))
        return tfd.Normal(self.dense(inputs), noise.sample())


def global_noise():
    network = GlobalNoise()
    network.compile("adam", lambda y, d: -d.log_prob(y))
    return network, VALUES


@pytest.mark.parametrize("make", [autoencoder, global_noise])
def test_what_is_drawn_beside_the_weights_is_not_checked_and_named(make):
    network, targets = make()
    report = report_of(network, targets=targets)
    assert not report.ok
    name = {"autoencoder": "sampling"}.get(make.__name__, make.__name__)
    assert any(f"all that is drawn ({name})" in reason for reason in report.unchecked), str(report)


@pytest.mark.parametrize(
    "layer", [L.Dropout(0.3), L.GaussianNoise(0.5), L.GaussianDropout(0.2), L.BatchNormalization()]
)
def test_noise_of_keras_is_no_such_draw(layer):
    assert report_of(classifier(layer)).ok


def test_dropout_inside_of_a_recurrent_layer_is_no_such_draw():
    network = tf_keras.Sequential(
        [L.Reshape((FEATURES, 1)), L.LSTM(4, dropout=0.2, recurrent_dropout=0.1), flipout(CLASSES)]
    )
    network.compile("adam", entropy)
    assert report_of(network).ok


def of_steps(network, take):
    """Return a step of the reader's: gradients by ``take``, applied."""
    optimizer = tf_keras.optimizers.Adam(0.01)

    def step(x, y):
        gradients, loss = take(network, x, y)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    return step


def accumulated(network, x, y):
    total = [tf.zeros_like(v) for v in network.trainable_variables]
    for draw in range(4):
        with tf.GradientTape() as tape:
            loss = entropy(y, network(x))
            if draw == 3:
                loss += sum(network.losses)
        slopes = tape.gradient(loss, network.trainable_variables)
        total = [t + s for t, s in zip(total, slopes, strict=True) if s is not None]
    return total, loss


def two_tapes(network, x, y):
    with tf.GradientTape() as one, tf.GradientTape() as other:
        nll, kl = entropy(y, network(x)), sum(network.losses)
    variables = network.trainable_variables
    pairs = zip(one.gradient(nll, variables), other.gradient(kl, variables), strict=True)
    return [a if b is None else a + b for a, b in pairs], nll + kl


@pytest.mark.parametrize("take", [accumulated, two_tapes])
def test_a_step_with_several_gradients_is_refused_with_what_to_pass(take):
    network = classifier()
    report = report_of(network, of_steps(network, take))
    assert not report.alarms, str(report)
    assert not report.ok
    [reason] = report.unchecked
    assert "Pass a function that returns the one number" in reason


def test_a_gradient_that_is_taken_twice_of_one_number_is_one():
    def logged(network, x, y):
        with tf.GradientTape(persistent=True) as tape:
            loss = entropy(y, network(x)) + sum(network.losses)
        norm = tf.linalg.global_norm(tape.gradient(loss, network.trainable_variables))
        assert norm is not None
        return tape.gradient(loss, network.trainable_variables), loss

    network = classifier()
    assert report_of(network, of_steps(network, logged)).ok


def test_a_tape_by_the_inputs_is_not_what_is_minimised():
    network = classifier()

    def adversarial(x, y):
        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = entropy(y, network(x))
        worse = x + 0.1 * tf.sign(tape.gradient(loss, x))
        return entropy(y, network(worse)) + sum(network.losses)

    report = report_of(network, adversarial)
    assert not report.alarms, str(report)
    assert "kl-weight" in {finding.kind for finding in report.confirmed}


def test_a_step_that_minimises_the_elbo_is_not_ok():
    def upside_down(network, x, y):
        with tf.GradientTape() as tape:
            elbo = -entropy(y, network(x)) - sum(network.losses)
        return tape.gradient(elbo, network.trainable_variables), elbo

    network = classifier()
    report = report_of(network, of_steps(network, upside_down))
    assert not report.ok
    assert "minimise its negative" in str(report)


class WithoutLosses(tf_keras.Model):
    """Leaves losses out, until it is cured."""

    def __init__(self, cured):
        super().__init__()
        self.first, self.last, self.cured = flipout(6), flipout(CLASSES), cured

    def call(self, inputs):
        return self.last(self.first(inputs))


class OwnLoss(WithoutLosses):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        loss = self.compiled_loss(y, y_pred)
        return loss + sum(self.losses) if self.cured else loss


class OwnStep(WithoutLosses):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compiled_loss(y, self(x, training=True))
            if self.cured:
                loss += sum(self.losses)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {"loss": loss}


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (OwnLoss, "Add sum(self.losses) to what compute_loss returns."),
        (OwnStep, "Add sum(network.losses) after the forward pass"),
    ],
)
def test_losses_that_are_left_out_are_added_as_they_stand(make, cure):
    for cured in (False, True):
        network = make(cured)
        network.compile("adam", entropy)
        report = report_of(network)
        assert report.ok == cured, str(report)
    network = make(False)
    network.compile("adam", entropy)
    [alarm] = report_of(network).alarms
    assert alarm.kind == "kl-missing"
    assert alarm.cure.startswith(cure)


def gaussian(t):
    return tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:]))


def picked(targets, logits):
    return tf.gather(logits, tf.cast(tf.reshape(targets, [-1]), tf.int32), axis=1, batch_dims=1)


BESIDE = {
    "no normaliser": lambda y, o: -picked(y, o),
    "an entropy": lambda y, o: (
        entropy(y, o)
        + 5 * tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(o) * tf.nn.log_softmax(o), -1))
    ),
    "squared logits": lambda y, o: entropy(y, o) + 10 * tf.reduce_mean(o**2),
}
OF_A_GAUSSIAN = {
    "no log σ": lambda y, d: 0.5 * ((y - d.mean()) / d.stddev()) ** 2,
    "more log σ": lambda y, d: -d.log_prob(y) + 5 * tf.math.log(d.stddev()),
}


@pytest.mark.parametrize("name", [*BESIDE, *OF_A_GAUSSIAN])
def test_what_depends_on_the_outputs_alone_is_seen(name):
    if name in BESIDE:
        report = report_of(classifier(loss=BESIDE[name]))
    else:
        network = tf_keras.Sequential([flipout(6), flipout(2), tfpl.DistributionLambda(gaussian)])
        network.compile("adam", OF_A_GAUSSIAN[name])
        report = report_of(network, targets=VALUES)
    assert "no-likelihood" in kinds(report), str(report)


def test_the_same_likelihoods_in_full_are_right():
    def full(y, o):
        return tf.reduce_logsumexp(o, axis=-1) - picked(y, o)

    assert report_of(classifier(loss=full)).ok
    network = tf_keras.Sequential([flipout(6), flipout(2), tfpl.DistributionLambda(gaussian)])
    network.compile(
        "adam", lambda y, d: 0.5 * ((y - d.mean()) / d.stddev()) ** 2 + tf.math.log(d.stddev())
    )
    assert report_of(network, targets=VALUES).ok


def test_noise_that_a_loss_draws_after_the_network_is_nothing_of_the_outputs():
    network = classifier()

    def noisy(x, y):
        logits = network(x)
        shift = tf.random.normal(
            [], stddev=0.5
        )  # of all logits alike: the softmax does not feel it
        return entropy(y, logits + shift) + sum(network.losses)

    assert not report_of(network, noisy).alarms


def test_draws_that_a_network_averages_itself_are_seen():
    inner = tf_keras.Sequential(
        [flipout(6, 3 * N, activation="relu"), flipout(CLASSES, 3 * N), L.Softmax()]
    )
    inputs = tf_keras.Input([FEATURES])
    network = tf_keras.Model(inputs, L.Average()([inner(inputs) for _ in range(3)]))
    network.compile("adam", "sparse_categorical_crossentropy")
    assert kinds(report_of(network)) == ["draws-averaged"]


@pytest.mark.parametrize("decay", [None, 0.5])
def test_weight_decay_is_noted(decay):
    optimizer = tf_keras.optimizers.Adam(weight_decay=decay)
    report = report_of(classifier(optimizer=optimizer))
    assert ("weight_decay=0.5" in str(report)) == bool(decay)


def test_rates_that_nothing_keeps_above_0_are_named_before_they_are_nan():
    network = tf_keras.Sequential([flipout(6, activation="relu"), flipout(1)])
    network.build([None, FEATURES])
    network.layers[-1].trainable_variables[-1].assign([40.0])  # no rate is below 0 yet
    network.compile("adam", "poisson")
    counts = RNG.poisson(3.0, (N, 1)).astype("float32")
    report = report_of(network, targets=counts)
    assert kinds(report) == ["no-likelihood"], str(report)
    assert "nothing keeps them above 0" in report.alarms[0].message
    cured = tf_keras.Sequential([*network.layers[:1], flipout(1, activation="softplus")])
    cured.compile("adam", "poisson")
    assert report_of(cured, targets=counts).ok


def of_an_equation(network, *, counts):
    """Values beside the residual of u' = u, at the inputs; or beside inputs moved by a gradient."""

    def objective(inputs, values):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = network(inputs)
        slope = tape.gradient(outputs, inputs)
        if not counts:
            outputs = network(inputs + 0.01 * tf.sign(slope))
        nll = -tf.reduce_mean(tfd.Normal(outputs, 0.3).log_prob(values))
        residual = tf.reduce_mean((slope[:, :1] - outputs) ** 2) if counts else 0.0
        return nll + residual + sum(network.losses[:2])

    return objective


@pytest.mark.parametrize("counts", [True, False])
def test_a_residual_of_derivatives_is_not_called_measured(counts):
    network = tf_keras.Sequential([flipout(6, activation="tanh"), flipout(1)])
    network(INPUTS[:2])
    report = report_of(network, of_an_equation(network, counts=counts), VALUES)
    assert any("derivatives" in reason for reason in report.unchecked) == counts, str(report)
    assert not (counts and report.ok)


WITH_SUM = {
    "a sum, the KL as it is": lambda nll, kl, rows: rows * nll + kl,
    "a mean, KL / rows": lambda nll, kl, rows: nll + kl / rows,
}


@pytest.mark.parametrize("name", WITH_SUM)
@pytest.mark.parametrize(("batch_size", "right"), [(None, None), (N, True), (25, False)])
def test_a_weight_that_is_right_for_one_batch_size_asks_for_it(name, batch_size, right):
    network = tf_keras.Sequential([tfpl.DenseFlipout(6, "relu"), tfpl.DenseFlipout(CLASSES)])
    network(INPUTS[:2])

    def objective(inputs, labels):
        nll = entropy(labels, network(inputs))
        return WITH_SUM[name](nll, sum(network.losses), tf.cast(len(inputs), tf.float32))

    report = checkup(network, INPUTS, LABELS, num_examples=N, loss=objective, batch_size=batch_size)
    assert report.ok is bool(right), str(report)
    assert bool(report.alarms) == (right is False)
    if right is None:
        assert "batch_size=" in report.unknown[0].message


@pytest.mark.parametrize(("weight", "is_alarm"), [(1.0, True), (0.5 / N, False), (0.0, False)])
def test_a_warm_up_that_went_too_far_is_an_alarm(weight, is_alarm):
    beta = tf.Variable(weight, trainable=False)
    divergence = lambda q, p, _: beta * tfd.kl_divergence(q, p)  # noqa: E731
    network = tf_keras.Sequential(
        [tfpl.DenseFlipout(CLASSES, kernel_divergence_fn=divergence, input_shape=(FEATURES,))]
    )
    network.compile("adam", entropy)
    report = report_of(network)
    assert bool(report.alarms) == is_alarm, str(report)
    assert ("kl-weight-variable" in {note.kind for note in report.notes}) != is_alarm
    if is_alarm:
        beta.assign(1 / N)  # the cure
        assert report_of(network).ok


def test_a_label_without_a_unit_is_named_where_keras_stops():
    network = classifier()
    report = report_of(network, targets=np.where(LABELS == 2, 3, LABELS))
    assert kinds(report) == ["cannot-run"]
    assert "the network has 3 outputs, so class numbers must lie in 0 … 2" in report.alarms[0].cure
