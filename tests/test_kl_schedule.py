"""Weights of the KL that follow a counter: what counts is where they end."""

import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from checkup_zoo import INPUTS, LABELS, N, classifier, compiled, mean_nll
from sampling import EIGHTH

from helpers.checkup import checkup
from helpers.losses import losses_by_layer
from helpers.training import ElboMonitor, train_by_elbo

pytestmark = EIGHTH

tfd = tfp.distributions
STEPS = 50


def up_to_one(steps):
    return tf.minimum(1.0, tf.cast(steps, tf.float32) / STEPS)


def whole(network, optimizer, weight):
    """Return a step whose KL has the weight of the optimizer's count of steps."""

    def step(inputs, labels):
        with tf.GradientTape() as tape:
            nll = mean_nll(network, inputs, labels)
            loss = nll + weight(optimizer.iterations) * tf.add_n(network.losses)
        slopes = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(slopes, network.trainable_variables, strict=True))
        return loss

    return step


BY_STEPS = {  # weight of a KL in nats, by the count of steps: kinds of alarms, is it ok
    "ends right": (lambda n: up_to_one(n) / N, set(), True),
    "ends right, smoothly": (lambda n: tf.tanh(tf.cast(n, tf.float32) / STEPS) / N, set(), True),
    "never divided by N": (up_to_one, {"kl-not-scaled"}, False),
    "ends at a third": (lambda n: up_to_one(n) / (3 * N), {"kl-wrong-count"}, False),
    "ends at nothing": (
        lambda n: tf.maximum(0.0, 1.0 - tf.cast(n, tf.float32) / STEPS) / N,
        {"kl-missing"},
        False,
    ),
    "from above": (
        lambda n: (2.0 - up_to_one(n)) / N,
        {"kl-wrong-count", "kl-counted-twice"},
        False,
    ),
    "without end": (lambda n: tf.cast(n, tf.float32) / (STEPS * N), {"kl-wrong-count"}, False),
    "at every third step": (lambda n: tf.where(n % 3 == 0, 1.0 / N, 0.0), set(), False),
    "at every tenth, ten times": (lambda n: tf.where(n % 10 == 0, 10.0 / N, 0.0), set(), False),
    "in cycles": (lambda n: tf.cast(n % STEPS, tf.float32) / (STEPS * N), set(), False),
}


@pytest.mark.parametrize(("name", "taken"), [*((name, 0) for name in BY_STEPS), ("from above", 20)])
def test_a_weight_by_the_count_of_steps_is_judged_where_it_ends(name, taken):
    weight, alarms, is_ok = BY_STEPS[name]
    network, optimizer = classifier(by=1), tf_keras.optimizers.Adam(0.01)
    optimizer.iterations.assign(taken)
    report = checkup(network, INPUTS, LABELS, N, whole(network, optimizer, weight))
    assert {alarm.kind for alarm in report.alarms} <= alarms, str(report)
    assert bool(report.alarms) == bool(alarms), str(report)
    assert report.ok == is_ok, str(report)
    assert int(optimizer.iterations) == taken


@pytest.mark.parametrize("end", [1.0, float(N)])
def test_a_warm_up_that_begins_later_is_found_too(end):
    network, steps = classifier(by=N), tf.Variable(0.0, trainable=False)

    def objective(inputs, labels):
        steps.assign_add(1.0)
        rising = end * tf.clip_by_value((steps - 200.0) / 600.0, 0.0, 1.0)
        return mean_nll(network, inputs, labels) + rising * tf.add_n(network.losses)

    report = checkup(network, INPUTS, LABELS, N, objective)
    assert report.ok == (end == 1.0), str(report)
    assert {alarm.kind for alarm in report.alarms} == (set() if end == 1.0 else {"kl-not-scaled"})


def test_a_warm_up_that_is_over_is_plainly_right():
    network, optimizer = classifier(by=1), tf_keras.optimizers.Adam(0.01)
    optimizer.iterations.assign(5 * STEPS)
    step = whole(network, optimizer, lambda n: up_to_one(n) / N)
    report = checkup(network, INPUTS, LABELS, N, step)
    assert report.ok, str(report)
    assert "kl-weight-variable" not in report.kinds()


@pytest.mark.parametrize("compiles", [True, False])
def test_a_counter_of_python_stands_still_in_a_compiled_step(compiles):
    network, calls = classifier(by=1), []

    def objective(inputs, labels):
        calls.append(None)
        weight = min(1.0, len(calls) / 1000) / N
        return mean_nll(network, inputs, labels) + weight * tf.add_n(network.losses)

    loss = tf.function(objective) if compiles else objective
    report = checkup(network, INPUTS, LABELS, N, loss)
    assert ("kl-frozen-at-trace" in report.kinds()) == compiles, str(report)
    assert bool(report.alarms) == compiles


def test_a_counter_of_python_stands_still_under_fit():
    calls = []

    def counting(q, p, _):
        calls.append(None)
        return min(1.0, len(calls) / 1000) * tfd.kl_divergence(q, p) / N

    network = compiled(classifier(kernel_divergence_fn=counting))
    report = checkup(network, INPUTS, LABELS, N)
    assert {alarm.kind for alarm in report.alarms} == {"kl-frozen-at-trace"}, str(report)
    assert "tf.Variable" in report.alarms[0].cure


def test_a_counter_of_python_above_the_right_weight_is_an_alarm():
    network, calls = classifier(by=1), []

    def objective(inputs, labels):
        calls.append(None)
        weight = min(1.0, len(calls) / STEPS)
        return mean_nll(network, inputs, labels) + weight * tf.add_n(network.losses)

    report = checkup(network, INPUTS, LABELS, N, objective)
    assert {alarm.kind for alarm in report.alarms} == {"kl-wrong-count"}, str(report)


def test_a_weight_that_random_numbers_change_is_not_called_right():
    network = classifier(by=1)

    def objective(inputs, labels):
        weight = tf.random.uniform([]) / N
        return mean_nll(network, inputs, labels) + weight * tf.add_n(network.losses)

    for loss in (objective, tf.function(objective)):
        report = checkup(network, INPUTS, LABELS, N, loss)
        assert not report.alarms, str(report)
        assert not report.ok


@pytest.mark.parametrize("count", [1, 4, 6])
def test_weights_that_halve_by_the_number_of_the_batch_are_no_alarm(count):
    network, place = classifier(by=1), tf.Variable(count, trainable=False)
    batches = 6

    def objective(inputs, labels):
        nll = mean_nll(network, inputs, labels) * tf.cast(tf.shape(labels)[0], tf.float32)
        weight = 2.0 ** (batches - tf.cast(place, tf.float32)) / (2.0**batches - 1)
        return nll + weight * tf.add_n(network.losses)

    report = checkup(network, INPUTS, LABELS, N, objective, batch_size=N // batches)
    assert not report.alarms, str(report)


@pytest.mark.parametrize(("times", "batch_size"), [(25, 25), (25, None), (7.5, None)])
def test_a_whole_kl_beside_another_multiple_than_n_times_the_mean(times, batch_size):
    network = classifier(by=1)

    def objective(inputs, labels):
        return times * mean_nll(network, inputs, labels) + tf.add_n(network.losses)

    def cured(inputs, labels):
        return N * mean_nll(network, inputs, labels) + tf.add_n(network.losses)

    report = checkup(network, INPUTS, LABELS, N, objective, batch_size=batch_size)
    (alarm,) = report.alarms
    assert alarm.kind == "kl-wrong-count"
    assert f"right for {times:.4g} training examples" in alarm.message
    assert f"by N = {N} in place of {times:.4g}" in alarm.cure
    assert checkup(network, INPUTS, LABELS, N, cured, batch_size=batch_size).ok


WAYS = ["closed form", "drawn"]


def divergence(way, weight):
    """Return a divergence that multiplies the KL / N by what a function returns."""

    def of_closed_form(q, p, _):
        return weight() * tfd.kl_divergence(q, p) / N

    def of_draw(q, p, _):
        w = q.sample()
        return weight() * (q.log_prob(w) - p.log_prob(w)) / N

    return of_closed_form if way == "closed form" else of_draw


def nats_of(network):
    pairs = [(layer.kernel_posterior, layer.kernel_prior) for layer in network.layers]
    return float(sum(tfd.kl_divergence(q, p) for q, p in pairs))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("counter", ["of the optimizer", "of its own"])
def test_the_other_tools_know_a_counter_too(way, counter):
    optimizer = tf_keras.optimizers.Adam(1e-5)
    own = tf.Variable(0, dtype=tf.int32, trainable=False)
    steps = optimizer.iterations if counter == "of the optimizer" else own
    steps.assign(10)
    network = classifier(kernel_divergence_fn=divergence(way, lambda: up_to_one(steps)))
    network.compile(optimizer, tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    table = losses_by_layer(network, INPUTS[:7])
    assert all("× variable" in kind for kind in table.kind)
    with pytest.raises(ValueError, match="kl_weight="):
        train_by_elbo(network, INPUTS, LABELS, num_epochs=1, batch_size=50, progress=False)
    moves = tf_keras.callbacks.LambdaCallback(on_batch_end=lambda *_, **__: own.assign_add(5))
    callbacks = [ElboMonitor(num_examples=N), moves]
    history = network.fit(
        INPUTS, LABELS, epochs=2, batch_size=50, verbose=0, callbacks=callbacks
    ).history
    assert history["kl"][-1] == pytest.approx(nats_of(network), rel=1e-2)


def test_the_other_tools_refuse_what_python_counts():
    calls = []

    def weight():
        calls.append(None)
        return min(1.0, len(calls) / 1000)

    network = compiled(classifier(kernel_divergence_fn=divergence("closed form", weight)))
    table = losses_by_layer(network, INPUTS[:7])
    assert list(table.kind) == ["unknown", "unknown"]
    with pytest.raises(ValueError, match="counts the calls"):
        train_by_elbo(network, INPUTS, LABELS, num_epochs=1, batch_size=50, progress=False)
    history = network.fit(
        INPUTS, LABELS, verbose=0, callbacks=[ElboMonitor(num_examples=N)]
    ).history
    assert not {"kl", "elbo"} & set(history)


@pytest.mark.parametrize("way", WAYS)
def test_a_drawn_kl_is_judged_at_the_end_too(way):
    optimizer = tf_keras.optimizers.Adam(0.01)
    optimizer.iterations.assign(10)
    weight = lambda: up_to_one(optimizer.iterations)  # noqa: E731
    for times, is_ok in ((1.0, True), (float(N), False)):
        network = classifier(kernel_divergence_fn=divergence(way, lambda by=times: by * weight()))
        network.compile(optimizer, tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        report = checkup(network, INPUTS, LABELS, N)
        assert report.ok == is_ok, str(report)
        assert bool(report.alarms) != is_ok
