"""Several draws in one loss: the mean of their losses is right, the loss of their mean is not."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import EIGHTH, IN_CI

from helpers.checkup import checkup
from helpers.prediction import predict_by_draws
from helpers.training import train_by_elbo

pytestmark = EIGHTH

tfd, tfpl = tfp.distributions, tfp.layers
N, FEATURES, CLASSES, DRAWS = 83, 5, 3, 4
RNG = np.random.default_rng(7)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS, VALUES = RNG.integers(0, CLASSES, N), RNG.normal(size=(N, 1)).astype("float32")
of_logits = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
of_shares = tf_keras.losses.SparseCategoricalCrossentropy()


def network(units, *last):
    layers = [tfpl.DenseFlipout(6, "relu", input_shape=(FEATURES,)), tfpl.DenseFlipout(units)]
    return tf_keras.Sequential([*layers, *last])


def gaussian():
    return tfpl.DistributionLambda(lambda t: tfd.Normal(t[..., :1], tf.nn.softplus(t[..., 1:])))


def logs(net, x, y):
    return tf.stack([net(x).log_prob(y) for _ in range(DRAWS)])


def calls(net, x):
    return [net(x) for _ in range(DRAWS)]


def rows(net, x, each=True):
    return net(tf.repeat(x, DRAWS, 0) if each else tf.tile(x, [DRAWS, 1]))


def draws_of_rows(net, x):
    outputs = rows(net, x, each=False)
    return tf.reshape(outputs, [DRAWS, -1, CLASSES])


RIGHT = {
    "rows that are repeated": lambda net, x, y: of_logits(tf.repeat(y, DRAWS, 0), rows(net, x)),
    "rows that are tiled": lambda net, x, y: of_logits(
        tf.tile(y, [DRAWS]), rows(net, x, each=False)
    ),
    "tiled rows with an axis of their own": lambda net, x, y: tf.reduce_mean(
        tf_keras.losses.sparse_categorical_crossentropy(
            tf.tile(y[tf.newaxis], [DRAWS, 1]), draws_of_rows(net, x), True
        )
    ),
    "one draw": lambda net, x, y: of_logits(y, net(x)),
    "mean of the losses": lambda net, x, y: sum(of_logits(y, o) for o in calls(net, x)) / DRAWS,
    "a call beside it": lambda net, x, y: (net(x), of_logits(y, net(x)))[1],
}
WRONG = {
    "mean of tiled rows": lambda net, x, y: of_shares(
        y, tf.reduce_mean(tf.nn.softmax(draws_of_rows(net, x)), 0)
    ),
    "mean of repeated rows": lambda net, x, y: of_logits(
        y, tf.reduce_mean(tf.reshape(rows(net, x), [-1, DRAWS, CLASSES]), 1)
    ),
    "mean of the logits": lambda net, x, y: of_logits(y, sum(calls(net, x)) / DRAWS),
    "mean of the probabilities": lambda net, x, y: of_shares(
        y, sum(tf.nn.softmax(o) for o in calls(net, x)) / DRAWS
    ),
    "log of the mean": lambda net, x, y: (
        -tf.reduce_mean(
            tf.reduce_logsumexp(
                [
                    -tf_keras.losses.sparse_categorical_crossentropy(y, o, True)
                    for o in calls(net, x)
                ],
                axis=0,
            )
            - np.log(DRAWS)
        )
    ),
}


def report_of(net, data_term, targets):
    def objective(x, y):
        return data_term(net, x, y) + sum(net.losses) / N

    return checkup(net, INPUTS, targets, num_examples=N, loss=objective)


@pytest.mark.parametrize("name", RIGHT)
def test_the_mean_of_the_losses_of_draws_is_a_likelihood(name):
    report = report_of(network(CLASSES), RIGHT[name], LABELS)
    assert report.ok, str(report)
    assert "likelihood" in {finding.kind for finding in report.confirmed}


@pytest.mark.parametrize("name", WRONG)
def test_the_loss_of_averaged_draws_is_none(name):
    report = report_of(network(CLASSES), WRONG[name], LABELS)
    assert [alarm.kind for alarm in report.alarms] == ["draws-averaged"], str(report)
    [weight] = [finding for finding in report.confirmed if finding.kind == "kl-weight"]
    assert "which the data term is not yet" in weight.message


@IN_CI
def test_distributions_are_told_alike():
    net = network(2, gaussian())
    mean = report_of(net, lambda net, x, y: -tf.reduce_mean(logs(net, x, y)), VALUES)
    assert mean.ok, str(mean)
    mixture = report_of(
        net,
        lambda net, x, y: (
            -tf.reduce_mean(tf.reduce_logsumexp(logs(net, x, y), axis=0) - np.log(DRAWS))
        ),
        VALUES,
    )
    assert [alarm.kind for alarm in mixture.alarms] == ["draws-averaged"]
    means = report_of(
        network(1),
        lambda net, x, y: -tf.reduce_mean(tfd.Normal(sum(calls(net, x)) / DRAWS, 0.5).log_prob(y)),
        VALUES,
    )
    assert [alarm.kind for alarm in means.alarms] == ["draws-averaged"]


@IN_CI
def test_a_training_step_is_looked_at_too_and_its_cure_works():
    net = network(CLASSES)

    def step(data_term):
        def take(x, y):
            with tf.GradientTape() as tape:
                loss = data_term(net, x, y) + sum(net.losses) / N
            slopes = tape.gradient(loss, net.trainable_variables)
            tf_keras.optimizers.SGD().apply_gradients(
                zip(slopes, net.trainable_variables, strict=True)
            )
            return loss

        return take

    report = checkup(
        net, INPUTS, LABELS, num_examples=N, loss=step(WRONG["mean of the probabilities"])
    )
    [alarm] = report.alarms
    assert alarm.kind == "draws-averaged"
    assert "tf.reduce_mean([loss(targets, network(inputs)) for _ in range(draws)])" in alarm.cure

    def cured(network, inputs, targets):
        loss, draws = of_logits, DRAWS
        return tf.reduce_mean([loss(targets, network(inputs)) for _ in range(draws)])

    assert checkup(net, INPUTS, LABELS, num_examples=N, loss=step(cured)).ok


def test_rows_that_are_repeated_beside_labels_that_are_tiled_are_no_likelihood():
    report = report_of(
        network(CLASSES), lambda net, x, y: of_logits(tf.tile(y, [DRAWS]), rows(net, x)), LABELS
    )
    assert not report.ok
    assert "likelihood" not in {finding.kind for finding in report.confirmed}


def test_a_call_for_a_metric_beside_the_draws_is_no_draw_of_the_loss():
    def with_metric(net, x, y):
        return RIGHT["mean of the losses"](net, x, y), net(x)

    report = report_of(network(CLASSES), lambda net, x, y: with_metric(net, x, y)[0], LABELS)
    assert "draws-averaged" not in report.kinds(), str(report)


def test_a_vectorized_map_over_draws_is_asked_to_be_a_loop():
    net = tf_keras.Sequential([tfpl.DenseReparameterization(CLASSES, input_shape=(FEATURES,))])

    def data_term(net, x, y):
        losses = tf.vectorized_map(lambda _: of_logits(y, net(x)), tf.range(DRAWS))
        return tf.reduce_mean(losses)

    report = report_of(net, data_term, LABELS)
    assert not report.ok
    assert not report.alarms
    assert "tf.map_fn" in report.unknown[0].cure


class Inside(tf_keras.Model):
    """Averages draws of its layers by itself."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.hidden = tfpl.DenseFlipout(6, "relu")
        self.last = tfpl.DenseFlipout(CLASSES)

    def call(self, inputs):
        if self.way == "calls":
            return sum(self.last(self.hidden(inputs)) for _ in range(DRAWS)) / DRAWS
        if self.way == "tiled rows":
            logits = self.last(self.hidden(tf.tile(inputs, [DRAWS, 1])))
            return tf.reduce_mean(tf.reshape(logits, [DRAWS, -1, CLASSES]), axis=0)
        if self.way == "repeated rows":
            logits = self.last(self.hidden(tf.repeat(inputs, DRAWS, axis=0)))
            return tf.reduce_mean(tf.reshape(logits, [-1, DRAWS, CLASSES]), axis=1)
        return self.last(self.hidden(inputs))


@pytest.mark.parametrize("way", ["calls", "tiled rows", "repeated rows", "one draw"])
def test_draws_that_a_network_averages_inside_are_told_too(way):
    net = Inside(way)
    net(INPUTS[:2])
    report = report_of(net, lambda net, x, y: of_logits(y, net(x)), LABELS)
    assert ("draws-averaged" in report.kinds()) == (way != "one draw"), str(report)


def moments(net, x, y):
    draws = calls(net, x)
    mean = tf.reduce_mean([draw.mean() for draw in draws], axis=0)
    scale = tf.reduce_mean([draw.stddev() for draw in draws], axis=0)
    return -tf.reduce_mean(tfd.Normal(mean, scale).log_prob(y))


def log_of_tiled_mean(net, x, y):
    found = rows(net, x, each=False).log_prob(tf.tile(y, [DRAWS, 1]))
    return -tf.reduce_mean(tf.reduce_logsumexp(tf.reshape(found, [DRAWS, -1]), axis=0))


@pytest.mark.parametrize("data_term", [moments, log_of_tiled_mean])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_averages_of_distributions_are_told_at_any_start(data_term, seed):
    tf_keras.utils.set_random_seed(seed)
    report = report_of(network(2, gaussian()), data_term, VALUES)
    assert not report.ok, str(report)
    if data_term is moments:  # of the other one it may be left open what it is
        assert [alarm.kind for alarm in report.alarms] == ["draws-averaged"], str(report)


def test_rows_of_distributions_whose_losses_are_averaged_are_right():
    report = report_of(
        network(2, gaussian()),
        lambda net, x, y: -tf.reduce_mean(rows(net, x).log_prob(tf.repeat(y, DRAWS, 0))),
        VALUES,
    )
    assert report.ok, str(report)


@pytest.mark.parametrize("averages", [True, False])
def test_a_call_on_other_rows_beside_the_draws_hides_nothing(averages):
    def data_term(net, x, y):
        net(x[:5])
        return (WRONG["mean of the logits"] if averages else RIGHT["mean of the losses"])(net, x, y)

    report = report_of(network(CLASSES), data_term, LABELS)
    assert ("draws-averaged" in report.kinds()) == averages, str(report)


def test_a_sum_over_draws_is_a_wrong_weight_and_no_average():
    def data_term(net, x, y):
        return tf.add_n([of_logits(y, logits) for logits in calls(net, x)])

    report = report_of(network(CLASSES), data_term, LABELS)
    assert not report.ok
    assert "draws-averaged" not in report.kinds(), str(report)


def of_tensors(average, last_activation=None):
    """Return a network whose first layer draws its kernel 5 times in one call."""
    divergence = lambda q, p, _: tfd.kl_divergence(q, p) / N  # noqa: E731
    inputs = tf_keras.Input((FEATURES,))
    drawn = tfpl.DenseReparameterization(
        6, kernel_posterior_tensor_fn=lambda q: q.sample(5), kernel_divergence_fn=divergence
    )(inputs)
    outputs = average(tf_keras.layers.Dense(CLASSES, last_activation)(drawn))
    return tf_keras.Model(inputs, outputs)


def test_several_weights_in_one_call_are_draws_too():
    net = of_tensors(tf_keras.layers.Lambda(lambda x: tf.reduce_mean(x, axis=0)))
    net.compile("adam", of_logits)
    report = checkup(net, INPUTS, LABELS, num_examples=N)
    assert [alarm.kind for alarm in report.alarms] == ["draws-averaged"], str(report)
    for call in (
        lambda: train_by_elbo(net, INPUTS, LABELS, num_epochs=1, progress=False),
        lambda: predict_by_draws(net, INPUTS, 3),
    ):
        with pytest.raises(ValueError, match="draws its weights 5 times in one call"):
            call()


class InLayers(Inside):
    """Averages by a layer of its own."""

    def __init__(self, way):
        super().__init__(way)
        shape = [DRAWS, -1, CLASSES] if way == "tiled rows" else [-1, DRAWS, CLASSES]
        axis = 0 if way == "tiled rows" else 1
        self.mean = tf_keras.layers.Lambda(
            lambda x: tf.reduce_mean(tf.reshape(x, shape), axis=axis)
        )
        self.average = tf_keras.layers.Average()

    def call(self, inputs):
        if self.way == "calls":
            return self.average([self.last(self.hidden(inputs)) for _ in range(DRAWS)])
        times = [DRAWS, 1]
        rows = tf.tile(inputs, times) if self.way == "tiled rows" else tf.repeat(inputs, DRAWS, 0)
        return self.mean(self.last(self.hidden(rows)))


@pytest.mark.parametrize("way", ["calls", "tiled rows", "repeated rows"])
def test_draws_that_a_layer_averages_are_told_too(way):
    net = InLayers(way)
    net(INPUTS[:2])
    report = report_of(net, lambda net, x, y: of_logits(y, net(x)), LABELS)
    assert "draws-averaged" in report.kinds(), str(report)
