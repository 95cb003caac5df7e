"""The monitor of ``fit``: its numbers by other routes, and the network left as it was."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.losses.gaussian_kl import gaussian_kl
from helpers.page.fresh_process import run_programs
from helpers.training import ElboMonitor

pytestmark = THIRD

tfd, tfpl = tfp.distributions, tfp.layers
N = 77  # 7 · 11
CLASSES = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(4)
X = RNG.normal(size=(N, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, N)
HELD_OUT = (X[:10] + 0.5, LABELS[:10])


def kl_over(count):
    return lambda q, p, _: tfd.kl_divergence(q, p) / count


def posterior(sigma):
    """A posterior with one σ for all weights."""
    return tfpl.default_mean_field_normal_fn(
        loc_initializer=tf_keras.initializers.RandomNormal(stddev=0.4, seed=3),
        untransformed_scale_initializer=tf_keras.initializers.Constant(np.log(np.expm1(sigma))),
    )


def dense(units, sigma=0.05, layer=tfpl.DenseReparameterization, count=N, **options):
    return layer(
        units, kernel_posterior_fn=posterior(sigma), kernel_divergence_fn=kl_over(count), **options
    )


def network(sigma=0.05, count=N, activation="relu", **options):
    """Layers of 4 and 3 units."""
    tf_keras.utils.set_random_seed(0)
    layers = [
        dense(4, sigma, count=count, activation=activation, name="first", **options),
        dense(3, sigma, count=count, name="second", **options),
    ]
    return tf_keras.Sequential([tf_keras.Input((5,)), *layers])


def fit(model, x=X, y=LABELS, monitor=None, **options):
    """History of a fit of steps of 7 rows, with the monitor if there is one."""
    options = {"batch_size": 7, "epochs": 2, "verbose": 0, "shuffle": False} | options
    callbacks = [*options.pop("callbacks", []), *([monitor] if monitor else [])]
    return model.fit(x, y, callbacks=callbacks, **options).history


def standing(model, loss, **options):
    """The network compiled with steps of length 0."""
    model.compile(tf_keras.optimizers.SGD(0.0), loss, **options)
    return model


def monitor(**options):
    return ElboMonitor(N, **{"check": False} | options)


def means_of(layer):
    """Kernel and bias means in float64."""
    kernel = layer.kernel_posterior.mean().numpy().astype(float)
    return kernel, layer.bias_posterior.mean().numpy().astype(float)


def logits_at_means(model, x):
    kernel, bias = means_of(model.layers[0])
    hidden = np.maximum(x.astype(float) @ kernel + bias, 0)
    kernel, bias = means_of(model.layers[1])
    return hidden @ kernel + bias


def minus_log_softmax(logits, labels):
    """Of each prediction, in nats."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(logs, labels[..., None], axis=-1)[..., 0]


def kl_of(layer):
    q = layer.kernel_posterior
    return float(gaussian_kl(q.mean().numpy(), q.stddev().numpy()).sum())


@pytest.mark.parametrize("count", [1, 7 * N])
def test_the_numbers_are_those_of_numpy_and_the_closed_form_whatever_the_divisor(count):
    model = standing(network(sigma=1e-6, count=count), CLASSES)
    history = fit(model, monitor=monitor(), validation_data=HELD_OUT)
    nll = minus_log_softmax(logits_at_means(model, X), LABELS).mean()
    kls = [kl_of(layer) for layer in model.layers]
    np.testing.assert_allclose(history["nll"], nll, rtol=1e-5)
    np.testing.assert_allclose(history["kl_first"], kls[0], rtol=1e-5)
    np.testing.assert_allclose(history["kl_second"], kls[1], rtol=1e-5)
    np.testing.assert_allclose(history["kl"], sum(kls), rtol=1e-5)
    np.testing.assert_allclose(history["elbo"], -N * nll - sum(kls), rtol=1e-5)
    held_out = minus_log_softmax(logits_at_means(model, HELD_OUT[0]), HELD_OUT[1]).mean()
    np.testing.assert_allclose(history["val_nll"], held_out, rtol=1e-5)
    assert abs(held_out - nll) > 1e-3
    assert "penalty" not in history


@pytest.mark.parametrize("layer", [tfpl.DenseFlipout, tfpl.DenseLocalReparameterization])
def test_nll_and_kl_are_the_parts_of_the_loss_on_its_own_draws(layer):
    model = network(sigma=0.5, layer=layer, activation="tanh")
    model.compile(tf_keras.optimizers.Adam(0.05), CLASSES)
    history = pd.DataFrame(fit(model, monitor=monitor(), epochs=4, batch_size=9))
    np.testing.assert_allclose(history["nll"] + history["kl"] / N, history["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["elbo"], -N * history["loss"], rtol=1e-5)
    assert history["kl"].nunique() == 4


def test_penalties_stand_apart():
    model = standing(
        network(
            sigma=0.05,
            bias_prior_fn=lambda *a: tfpl.default_multivariate_normal_fn(*a),
        ),
        CLASSES,
    )
    model.add(tf_keras.layers.Dense(3, kernel_regularizer=tf_keras.regularizers.L2(0.3)))
    standing(model, CLASSES)
    history = pd.DataFrame(fit(model, monitor=monitor()))
    l2 = 0.3 * np.sum(model.layers[-1].kernel.numpy().astype(float) ** 2)
    biases = [layer.bias_posterior.mean().numpy().astype(float) for layer in model.layers[:2]]
    bias = sum(0.5 * np.sum(b**2) + 0.5 * np.log(2 * np.pi) * b.size for b in biases)
    np.testing.assert_allclose(history["penalty"], l2 + bias, rtol=1e-5)
    np.testing.assert_allclose(history["kl"], sum(map(kl_of, model.layers[:2])), rtol=1e-5)
    parts = history["nll"] + history["kl"] / N + history["penalty"]
    np.testing.assert_allclose(history["loss"], parts, rtol=1e-5)


def test_a_network_that_ends_in_a_distribution():
    head = tfpl.DistributionLambda(
        lambda t: tfd.Independent(tfd.Normal(t[..., :2], 0.1 + tf.nn.softplus(t[..., 2:])), 1)
    )
    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [dense(6, 1e-6, activation="relu", name="first"), dense(3, 1e-6, name="second"), head]
    )
    standing(model, lambda y, rv: -rv.log_prob(y))
    y = RNG.normal(size=(N, 2)).astype(np.float32)
    history = fit(model, y=y, monitor=monitor())
    outputs = logits_at_means(model, X)
    sigma = 0.1 + np.log1p(np.exp(outputs[:, 2:]))
    nats = 0.5 * ((y - outputs[:, :2]) / sigma) ** 2 + np.log(sigma) + 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(history["nll"], nats.sum(axis=1).mean(), rtol=1e-5)


def test_the_likelihood_of_an_image_is_the_sum_over_its_pixels():
    images = RNG.normal(size=(21, 4, 3, 2)).astype(np.float32)
    labels = (images[..., 0] > 0).astype(np.int32)
    tf_keras.utils.set_random_seed(0)
    layer = tfpl.Convolution2DReparameterization(
        2, 1, kernel_posterior_fn=posterior(1e-6), kernel_divergence_fn=kl_over(21 * 12)
    )
    model = standing(tf_keras.Sequential([layer]), CLASSES)
    history = fit(model, images, labels, ElboMonitor(21, check=False))
    kernel, bias = means_of(layer)
    nats = minus_log_softmax(images.astype(float) @ kernel[0, 0] + bias, labels)
    np.testing.assert_allclose(history["nll"], nats.sum(axis=(1, 2)).mean(), rtol=1e-5)
    np.testing.assert_allclose(history["loss"], nats.mean() + kl_of(layer) / 252, rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_two_heads_are_added_each_with_its_weights(weighted):
    tf_keras.utils.set_random_seed(0)
    inputs = tf_keras.Input((5,))
    hidden = dense(4, 1e-6, activation="relu")(inputs)
    classes, yes = dense(3, 1e-6, name="classes"), dense(2, 1e-6, name="yes")
    model = tf_keras.Model(inputs, {"a": classes(hidden), "b": yes(hidden)})
    losses = {"a": CLASSES, "b": tf_keras.losses.BinaryCrossentropy(from_logits=True)}
    standing(model, losses)
    y = {"a": LABELS, "b": RNG.integers(0, 2, (N, 2)).astype(np.float32)}
    weights = {"a": RNG.uniform(size=N), "b": RNG.uniform(size=N)}
    history = fit(model, y=y, monitor=monitor(), sample_weight=weights if weighted else None)
    kernel, bias = means_of(model.layers[1])
    at_means = np.maximum(X.astype(float) @ kernel + bias, 0)
    a, b = (at_means @ means_of(layer)[0] + means_of(layer)[1] for layer in (classes, yes))
    of_yes = (np.log1p(np.exp(b)) - y["b"] * b).sum(axis=1)
    parts = minus_log_softmax(a, LABELS), of_yes
    scales = (weights["a"], weights["b"]) if weighted else (1, 1)
    wanted = sum(np.mean(part * scale) for part, scale in zip(parts, scales, strict=True))
    np.testing.assert_allclose(history["nll"], wanted, rtol=1e-5)


def test_sample_and_class_weights_multiply_an_examples_likelihood():
    model = standing(network(sigma=1e-6), CLASSES)
    nats = minus_log_softmax(logits_at_means(model, X), LABELS)
    weights = RNG.uniform(size=N)
    history = fit(model, monitor=monitor(), sample_weight=weights)
    np.testing.assert_allclose(history["nll"], (weights * nats).mean(), rtol=1e-5)
    by_class = {0: 3.0, 1: 0.5, 2: 1.0}
    history = fit(model, monitor=monitor(), class_weight=by_class, validation_data=HELD_OUT)
    scale = np.array([by_class[label] for label in LABELS])
    np.testing.assert_allclose(history["nll"], (scale * nats).mean(), rtol=1e-5)
    held_out = minus_log_softmax(logits_at_means(model, HELD_OUT[0]), HELD_OUT[1]).mean()
    np.testing.assert_allclose(history["val_nll"], held_out, rtol=1e-5)


def dense_variational(weight, *, exact, make=tfd.Normal):
    def prior(size, bias_size=0, dtype=None):
        return lambda _: tfd.Independent(make(tf.zeros(size + bias_size, dtype), 1.0), 1)

    def trained(size, bias_size=0, dtype=None):
        n = size + bias_size
        return tf_keras.Sequential(
            [
                tfpl.VariableLayer(2 * n, dtype=dtype),
                tfpl.DistributionLambda(
                    lambda t: tfd.Independent(
                        tfd.Normal(t[..., :n], tf.nn.softplus(t[..., n:] - 3)), 1
                    )
                ),
            ]
        )

    return tfpl.DenseVariational(3, trained, prior, kl_weight=weight, kl_use_exact=exact)


@pytest.mark.parametrize("exact", [True, False])
def test_dense_variational_with_a_closed_form_and_with_a_drawn_kl(exact):
    tf_keras.utils.set_random_seed(0)
    model = standing(tf_keras.Sequential([dense_variational(1 / N, exact=exact)]), CLASSES)
    history = fit(model, monitor=monitor(), epochs=4, batch_size=7)
    mean = np.zeros(3 * 6)
    wanted = gaussian_kl(mean, np.full_like(mean, np.log1p(np.exp(-3.0)))).sum()
    # 44 draws of 45 nats, each with a standard deviation of 3
    np.testing.assert_allclose(np.mean(history["kl"]), wanted, rtol=1e-5 if exact else 0.05)
    loss = np.array(history["nll"]) + np.array(history["kl"]) / N
    np.testing.assert_allclose(loss, history["loss"], rtol=1e-5)


def test_a_warm_up_from_0_keeps_the_kl_in_nats():
    weight = tf.Variable(0.0, trainable=False)
    tf_keras.utils.set_random_seed(0)
    layer = tfpl.DenseFlipout(
        3,
        kernel_posterior_fn=posterior(0.2),
        kernel_divergence_fn=lambda q, p, _: weight * tfd.kl_divergence(q, p),
    )
    model = standing(tf_keras.Sequential([layer]), CLASSES)
    raise_it = tf_keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, _: weight.assign(epoch / N)
    )
    history = fit(model, monitor=monitor(), callbacks=[raise_it], epochs=3)
    np.testing.assert_allclose(history["kl"], kl_of(layer), rtol=1e-5)
    parts = np.array(history["nll"]) + np.arange(3) / N * kl_of(layer)
    np.testing.assert_allclose(parts, history["loss"], rtol=1e-5)


def test_a_layer_that_is_called_twice_has_its_kl_once():
    tf_keras.utils.set_random_seed(0)
    inputs, layer = tf_keras.Input((5,)), dense(5, 0.2, activation="tanh")
    outputs = tf_keras.layers.Dense(3)(layer(layer(inputs)))
    model = standing(tf_keras.Model(inputs, outputs), CLASSES)
    assert len(model.losses) == 2
    history = fit(model, monitor=monitor())
    np.testing.assert_allclose(history["kl"], kl_of(layer), rtol=1e-5)


def test_mse_is_no_likelihood_and_that_is_said(capsys):
    model = standing(network(), "mse")
    history = fit(model, y=X[:, :3], monitor=monitor())
    said = capsys.readouterr().out.strip()
    assert said.startswith("ElboMonitor: nll and elbo are not logged: ")
    assert "mean_squared_error is no log-likelihood" in said
    assert "\n" not in said
    assert set(history) == {"loss", "kl", "kl_first", "kl_second"}


def test_what_the_loss_does_not_tell_can_be_said(capsys):
    model = standing(network(sigma=1e-6), "mse")
    y = X[:, :3]
    likelihood = lambda outputs: tfd.Normal(outputs, 0.7)  # noqa: E731
    history = fit(model, y=y, monitor=monitor(likelihood=likelihood))
    error = (y - logits_at_means(model, X)) / 0.7
    nats = 0.5 * error**2 + np.log(0.7) + 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(history["nll"], nats.sum(axis=1).mean(), rtol=1e-5)
    assert capsys.readouterr().out == ""


def no_kl(units):
    return tfpl.DenseFlipout(units, kernel_divergence_fn=None, name="bare")


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([no_kl(4), dense(3)], "bare (kernel) has a posterior, but adds no KL"),
        ([tf_keras.layers.Dense(3)], "no layer adds the KL of its weights"),
        (
            [
                tfpl.DenseFlipout(
                    3, kernel_divergence_fn=lambda q, p, _: tfd.kl_divergence(q, p) - 2
                )
            ],
            "and that constant is no KL",
        ),
    ],
)
def test_a_kl_that_is_not_known_is_not_logged(layers, words, capsys):
    model = standing(tf_keras.Sequential([tf_keras.Input((5,)), *layers]), CLASSES)
    history = fit(model, monitor=monitor())
    said = capsys.readouterr().out.strip()
    assert said.startswith("ElboMonitor: kl and elbo are not logged: ")
    assert words in said
    assert "\n" not in said
    assert not {"kl", "elbo"} & set(history)
    assert "nll" in history


def test_a_step_of_ones_own_that_is_not_seen_is_told(capsys):
    class Own(tf_keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = CLASSES(y, self(x, training=True)) + sum(self.losses)
            self.optimizer.minimize(loss, self.trainable_variables, tape)
            return {"loss": loss}

    model = standing(Own(network().layers), CLASSES)
    assert set(fit(model, monitor=monitor())) == {"loss"}
    assert "self.compiled_loss" in capsys.readouterr().out


def test_a_step_of_ones_own_that_calls_the_compiled_loss_is_seen(capsys):
    class Own(tf_keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compiled_loss(y, self(x, training=True)) + sum(self.losses)
            self.optimizer.minimize(loss, self.trainable_variables, tape)
            return {"loss": loss}

    model = standing(Own(network(sigma=1e-6).layers), CLASSES)
    history = fit(model, monitor=monitor())
    nll = minus_log_softmax(logits_at_means(model, X), LABELS).mean()
    np.testing.assert_allclose(history["nll"], nll, rtol=1e-5)
    assert capsys.readouterr().out == ""


def test_the_check_up_alarms_in_one_line(capsys):
    model = network(count=1)
    model.compile("adam", CLASSES)
    fit(model, monitor=ElboMonitor(N))
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("ElboMonitor: the check-up alarms (kl-not-scaled). ")
    healthy = network()
    healthy.compile("adam", CLASSES)
    fit(healthy, monitor=ElboMonitor(N))
    assert capsys.readouterr().out == ""


def test_another_number_of_examples_is_told(capsys):
    model = network()
    model.compile("adam", CLASSES)
    fit(model, monitor=ElboMonitor(N + 9, check=False), epochs=3)
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1
    assert "showed 77 examples, not num_examples=86" in said[0]


@pytest.mark.parametrize("number", [0, -3, 2.5, "77", True])
def test_num_examples_is_a_whole_number(number):
    with pytest.raises(ValueError, match="give the number of training examples"):
        ElboMonitor(number)


@pytest.fixture
def trained(request):
    """Weights after two fits of a network with dropout, with and without the monitor."""
    options, layer, is_built = request.param

    def weights(made):
        tf_keras.utils.set_random_seed(1)
        begin = [tf_keras.Input((5,))] if is_built else []
        layers = [dense(4, layer=layer), tf_keras.layers.Dropout(0.3), dense(3, layer=layer)]
        model = tf_keras.Sequential([*begin, *layers])
        model.compile(tf_keras.optimizers.Adam(0.02), CLASSES, **options)
        before = set(vars(model))
        data = tf.data.Dataset.from_tensor_slices((X, LABELS)).shuffle(N, seed=3).batch(9)
        history = [fit(model, data, None, made, batch_size=None, validation_data=HELD_OUT)]
        history.append(fit(model, monitor=made, shuffle=True))
        return model.get_weights(), history, set(vars(model)) - before

    return weights(None), weights(ElboMonitor(N))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "trained",
    [
        ({}, tfpl.DenseFlipout, True),
        ({}, tfpl.DenseReparameterization, False),
        ({"steps_per_execution": 4}, tfpl.DenseFlipout, True),
        ({"steps_per_execution": 5}, tfpl.DenseLocalReparameterization, False),
        ({"run_eagerly": True}, tfpl.DenseFlipout, True),
    ],
    indirect=True,
    ids=["plain", "not built", "4 steps", "5 steps, not built", "eager"],
)
def test_weights_and_network_are_those_of_a_fit_without_it(trained):
    (weights, history, changed), (ours, monitored, also_changed) = trained
    for wanted, found in zip(weights, ours, strict=True):
        np.testing.assert_array_equal(found, wanted)
    for wanted, found in zip(history, monitored, strict=True):
        np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-6)
        np.testing.assert_allclose(
            found["loss"], np.array(found["nll"]) + np.array(found["kl"]) / N, rtol=1e-5
        )
    assert also_changed == changed


def test_steps_that_xla_compiles_are_counted_too():
    model = network(layer=tfpl.DenseFlipout)
    model.compile(tf_keras.optimizers.Adam(0.02), CLASSES, jit_compile=True)
    history = pd.DataFrame(fit(model, monitor=monitor(), epochs=1))
    np.testing.assert_allclose(history["elbo"], -N * history["loss"], rtol=1e-5)


def test_what_fit_calls_is_put_back_and_the_steps_are_compiled_once(monkeypatch):
    model = network()
    model.compile("adam", CLASSES)
    fit(model, validation_data=HELD_OUT)
    names = ("compiled_loss", "train_function", "train_tf_function", "test_function")
    before = {name: vars(model)[name] for name in names}
    made = monitor()
    fit(model, monitor=made, validation_data=HELD_OUT)
    assert all(vars(model)[name] is value for name, value in before.items())
    assert "_validate_and_get_metrics_result" not in vars(model)
    monkeypatch.setattr(model, "make_train_function", lambda force=False: vars(model)[names[1]])
    history = fit(model, monitor=made)
    np.testing.assert_allclose(np.array(history["elbo"]), -N * np.array(history["loss"]), 1e-5)


def test_an_interrupted_fit_leaves_nothing_behind():
    model = network()
    model.compile("adam", CLASSES)
    before = dict(vars(model))

    def batches():
        yield X[:7], LABELS[:7]
        raise KeyboardInterrupt

    spec = (tf.TensorSpec([None, 5], tf.float32), tf.TensorSpec([None], tf.int64))
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    with pytest.raises((KeyboardInterrupt, tf.errors.OpError)):
        fit(model, data, None, monitor(), batch_size=None)
    assert model.compiled_loss is before["compiled_loss"]
    assert set(vars(model)) == set(before)
    assert "nll" not in fit(model)


def test_every_callback_sees_the_columns_wherever_it_stands(tmp_path):
    table = tmp_path / "log.csv"
    first = [
        tf_keras.callbacks.CSVLogger(str(table)),
        tf_keras.callbacks.EarlyStopping("val_nll", patience=9),
        tf_keras.callbacks.ModelCheckpoint(
            str(tmp_path / "best.keras"), monitor="elbo", mode="max", save_best_only=True
        ),
        tf_keras.callbacks.ModelCheckpoint(str(tmp_path / "folder"), save_format="tf"),
    ]
    model = network()
    model.compile("adam", CLASSES)
    history = fit(model, monitor=monitor(), callbacks=first, validation_data=HELD_OUT)
    columns = ["nll", "kl", "kl_first", "kl_second", "elbo", "val_nll"]
    read = pd.read_csv(table)
    for column in columns:
        np.testing.assert_allclose(read[column], history[column], rtol=1e-6)
    assert (tmp_path / "best.keras").exists()
    assert first[1].best == min(history["val_nll"])
    assert "val_kl" not in history


def test_the_progress_bar_shows_the_columns_at_the_end_of_an_epoch(capsys):
    model = network()
    model.compile("adam", CLASSES)
    history = fit(model, monitor=monitor(), epochs=1, verbose=1, validation_data=HELD_OUT)
    shown = capsys.readouterr().out
    for column in ("nll", "kl", "kl_first", "val_nll"):
        assert f"- {column}: {history[column][0]:.4f}" in shown


def test_an_evaluation_by_another_callback_does_not_mix_in():
    model = standing(network(sigma=1e-6), CLASSES)
    seen = []
    other = tf_keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_: seen.append(
            model.evaluate(X[:7], LABELS[:7], verbose=0, return_dict=True)
        )
    )
    history = fit(model, monitor=monitor(), callbacks=[other], validation_data=HELD_OUT)
    nll = minus_log_softmax(logits_at_means(model, X), LABELS).mean()
    np.testing.assert_allclose(history["nll"], nll, rtol=1e-5)
    held_out = minus_log_softmax(logits_at_means(model, HELD_OUT[0]), HELD_OUT[1]).mean()
    np.testing.assert_allclose(history["val_nll"], held_out, rtol=1e-5)
    assert all(set(logs) == {"loss"} for logs in seen)


def test_validation_split_and_a_frequency(capsys):
    model = standing(network(sigma=1e-6), CLASSES)
    made = ElboMonitor(70, check=False)
    history = fit(model, monitor=made, validation_split=7 / 77, validation_freq=2)
    nats = minus_log_softmax(logits_at_means(model, X), LABELS)
    np.testing.assert_allclose(history["nll"], [nats[:70].mean()] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_nll"], [nats[70:].mean()], rtol=1e-5)
    assert capsys.readouterr().out == ""


PROGRAM = """
import runpy
runpy.run_module("monitor_on_devices", run_name="__main__")
"""


def test_two_replicas_log_what_one_does():
    (done,) = run_programs({2: PROGRAM}).values()
    assert done.error == ""
    *said, printed = done.output.splitlines()
    one, two = json.loads(printed)
    assert ["does not run in a strategy's scope" in line for line in said[-1:]] == [True]
    assert set(one) == set(two) >= {"nll", "kl", "elbo", "val_nll"}
    for column, values in one.items():
        np.testing.assert_allclose(two[column], values, rtol=1e-4, err_msg=column)
