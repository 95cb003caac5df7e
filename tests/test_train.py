"""Training by the ELBO: steps worked out in NumPy, the history, and what is refused."""

import signal

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

import helpers.training.data
import helpers.training.stepper
from helpers.losses import losses_by_layer
from helpers.model.checks import check_optimizer
from helpers.networks.dense import bayesian_network, plain_network
from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.training import train_by_elbo
from helpers.training.batches import BatchOrder
from helpers.training.stepper import UPDATES_THAT_PAY, pays_to_compile

# One worker for the file: its fixtures are trained once.
pytestmark = pytest.mark.xdist_group("training")

RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(17, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 17).astype(np.int32)
NOISE = RNG.normal(size=(5, 3)).astype(np.float32)
SGD = tf_keras.optimizers.SGD


def fixed_draw_network(noise=NOISE, seed=3):
    """A single layer 5 → 3 whose draw is always μ + σ · noise, so that a step can be worked out."""
    return bayesian_network(
        [3],
        seed=seed,
        layer_class=tfp.layers.DenseReparameterization,
        kernel_posterior_tensor_fn=lambda posterior: posterior.mean() + posterior.stddev() * noise,
    )


def train(neural_net=None, images=IMAGES, labels=LABELS, **options):
    neural_net = fixed_draw_network() if neural_net is None else neural_net
    options = {"num_epochs": 1, "batch_size": 7, "progress": False, **options}
    return train_by_elbo(neural_net, images, labels, **options)


def batches_of(num_epochs, seed):
    """The examples of each step, one step at a time."""
    order = BatchOrder(17, 7, num_epochs, seed)
    return [order.rows(step, most=1)[0] for step in range(order.num_steps)]


def kl_of(mean, stddev):
    return np.sum(0.5 * (mean**2 + stddev**2 - 1) - np.log(stddev))


class ByHand:
    """The same layer and the same steepest descent, in float64 NumPy with derivatives on paper."""

    def __init__(self, neural_net):
        self.mean, self.rho, self.bias = (
            weight.numpy().astype(np.float64) for weight in neural_net.trainable_weights
        )

    def step(self, images, labels, kl_weight, learning_rate):
        """Move along the gradient of mean NLL + kl_weight · KL; return both terms before."""
        images, stddev = images.astype(np.float64), np.log1p(np.exp(self.rho))
        logits = images @ (self.mean + stddev * NOISE) + self.bias
        log_probabilities = scipy.special.log_softmax(logits, axis=1)
        nll = -log_probabilities[np.arange(len(labels)), labels].mean()
        kl = kl_of(self.mean, stddev)
        by_logits = (np.exp(log_probabilities) - np.eye(3)[labels]) / len(labels)
        by_weights = images.T @ by_logits
        by_stddev = by_weights * NOISE + kl_weight * (stddev - 1 / stddev)
        self.mean -= learning_rate * (by_weights + kl_weight * self.mean)
        self.rho -= learning_rate * by_stddev * scipy.special.expit(self.rho)
        self.bias -= learning_rate * by_logits.sum(axis=0)
        return nll, kl


@pytest.mark.parametrize(
    ("given", "meant"), [(None, 1 / 17), (0.25, 0.25), (0.0, 0.0)], ids=["None is 1/N", "¼", "0"]
)
def test_two_epochs_equal_the_steps_worked_out_by_hand(given, meant):
    neural_net = fixed_draw_network()
    neural_net(IMAGES[:1])
    by_hand = ByHand(neural_net)
    options = {"kl_weight": given, "optimizer": SGD(0.3), "seed": 4, "num_epochs": 2}
    history = train(neural_net, **options)
    expected = [
        by_hand.step(IMAGES[batch], LABELS[batch], meant, learning_rate=0.3)
        for batch in batches_of(num_epochs=2, seed=4)
    ]
    nll, kl = np.transpose(expected)
    assert list(history) == [
        "step",
        "epoch",
        "negative_log_likelihood",
        "kl",
        "kl logits",
        "penalty",
        "elbo",
        "loss",
    ]
    assert history["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["epoch"].tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(history["negative_log_likelihood"], nll, rtol=1e-4)
    np.testing.assert_allclose(history["kl"], kl, rtol=1e-5)
    np.testing.assert_allclose(history["kl logits"], kl, rtol=1e-5)
    np.testing.assert_allclose(history["elbo"], -17 * nll - kl, rtol=1e-4)
    np.testing.assert_allclose(history["loss"], nll + meant * kl, rtol=1e-4)
    trained = [weight.numpy() for weight in neural_net.trainable_weights]
    for weight, value in zip(trained, (by_hand.mean, by_hand.rho, by_hand.bias), strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-4, atol=1e-5)


def test_the_kl_of_every_layer_moves_its_scales_with_full_weight():
    layer_class = tfp.layers.DenseReparameterization
    at_the_mean = {"kernel_posterior_tensor_fn": lambda posterior: posterior.mean()}
    neural_net = bayesian_network([4, 3], layer_class=layer_class, **at_the_mean)
    neural_net(IMAGES[:1])
    scales = [w for w in neural_net.trainable_weights if "untransformed_scale" in w.name]
    starts = [scale.numpy().astype(np.float64) for scale in scales]
    train(neural_net, batch_size=17, kl_weight=0.05, optimizer=SGD(0.3))
    for scale, rho in zip(scales, starts, strict=True):  # only the KL depends on them
        stddev = np.log1p(np.exp(rho))
        moved = -0.3 * 0.05 * (stddev - 1 / stddev) * scipy.special.expit(rho)
        np.testing.assert_allclose(scale.numpy() - rho, moved, rtol=1e-4)


def test_with_the_default_weight_the_loss_is_minus_the_elbo_per_example():
    history = train()
    np.testing.assert_allclose(history["loss"], -history["elbo"] / 17, rtol=1e-12)


def test_adam_takes_the_given_learning_rate():
    neural_net = fixed_draw_network()
    neural_net(IMAGES[:1])
    before = neural_net.trainable_weights[0].numpy()
    train(neural_net, batch_size=17, learning_rate=0.03)
    moved = np.abs(neural_net.trainable_weights[0].numpy() - before)
    np.testing.assert_allclose(moved, np.full((5, 3), 0.03), rtol=1e-3)  # Adam's first step


@pytest.fixture(scope="module")
def two_layers():
    """A trained network with two layers, and its history."""
    neural_net = bayesian_network([4, 3], seed=2)
    return neural_net, train(neural_net, num_epochs=3, seed=6)


def test_the_history_has_the_kl_of_each_layer_as_it_was_before_the_step(two_layers):
    _, history = two_layers
    start = bayesian_network([4, 3], seed=2)
    start(IMAGES[:1])
    posteriors = {layer.name: layer.kernel_posterior for layer in start.layers}
    for name, posterior in posteriors.items():
        expected = kl_of(posterior.mean().numpy(), posterior.stddev().numpy())
        assert history[f"kl {name}"].iloc[0] == pytest.approx(expected, rel=1e-5)
    total = history["kl hidden_1"] + history["kl logits"]
    np.testing.assert_allclose(history["kl"], total, rtol=1e-12)
    assert history["kl"].is_monotonic_decreasing


def test_the_seed_fixes_the_draws_and_the_order(two_layers):
    _, first = two_layers
    tf.random.set_seed(99)
    again = train(bayesian_network([4, 3], seed=2), num_epochs=3, seed=6)
    pd.testing.assert_frame_equal(first, again)


def test_another_seed_gives_other_draws_even_where_the_batch_is_the_same():
    histories = [
        train(bayesian_network([4, 3], seed=2), batch_size=17, seed=seed) for seed in (6, 7)
    ]
    first, other = (history["negative_log_likelihood"].item() for history in histories)
    assert first != pytest.approx(other, rel=1e-6)


def test_an_optimizer_that_is_passed_on_continues_where_it_stopped():
    options = {"batch_size": 17, "seed": 0}
    whole = train(num_epochs=4, optimizer=tf_keras.optimizers.Adam(0.05), **options)
    neural_net, optimizer = fixed_draw_network(), tf_keras.optimizers.Adam(0.05)
    parts = [train(neural_net, num_epochs=2, optimizer=optimizer, **options) for _ in range(2)]
    assert int(optimizer.iterations) == 4
    np.testing.assert_allclose(
        pd.concat(parts)["loss"].to_numpy(), whole["loss"].to_numpy(), rtol=1e-5
    )


@pytest.mark.parametrize("bytes_per_call", [1, 300])
def test_however_few_images_are_copied_at_a_time_the_history_is_the_same(
    monkeypatch, bytes_per_call
):
    expected = train(fixed_draw_network(), optimizer=SGD(0.3), num_epochs=3)
    copied, compile_steps = [], helpers.training.stepper.compile_steps_for_devices

    def watched(*arguments):
        steps = compile_steps(*arguments)
        return lambda images, *rest: copied.append(images) or steps(images, *rest)

    monkeypatch.setattr(helpers.training.stepper, "compile_steps_for_devices", watched)
    monkeypatch.setattr(helpers.training.data, "BYTES_PER_CALL", bytes_per_call)
    pd.testing.assert_frame_equal(
        train(fixed_draw_network(), optimizer=SGD(0.3), num_epochs=3), expected
    )
    one = max(images.shape[1] for images in copied)  # the batch, the last one may be smaller
    sizes = {images.numpy().nbytes for images in copied}
    row = copied[0].numpy()[0, 0].nbytes  # of the images; the labels lie beside them
    assert max(sizes) <= max(bytes_per_call, one * row)


def interrupt_at(monkeypatch, number):
    """Send the signal of Ctrl-C while step `number` is computed."""
    compile_steps = helpers.training.stepper.compile_steps_for_devices

    def compile_interrupted(*arguments):
        steps = compile_steps(*arguments)

        def interrupted(images, labels, first):
            taken = steps(images[:1], labels[:1], first)
            if int(first) + 1 == number:
                signal.raise_signal(signal.SIGINT)
            return taken

        return interrupted

    monkeypatch.setattr(helpers.training.stepper, "compile_steps_for_devices", compile_interrupted)


def test_an_interrupted_training_returns_the_history_so_far(monkeypatch, capsys):
    neural_net = fixed_draw_network()
    interrupt_at(monkeypatch, number=2)
    history = train(neural_net, optimizer=SGD(0.3), num_epochs=5)
    monkeypatch.undo()
    assert history["step"].tolist() == [1, 2]
    assert "Stopped after 2 steps" in capsys.readouterr().out
    uninterrupted = train(optimizer=SGD(0.3)).iloc[:2]
    pd.testing.assert_frame_equal(history, uninterrupted)
    kl_after = losses_by_layer(neural_net, IMAGES)["nats"].item()
    assert kl_after < history["kl"].iloc[-1]  # what was learnt is kept


def test_xla_pays_in_long_trainings_without_convolutions():
    dense = fixed_draw_network()
    dense(IMAGES[:1])
    steps = int(UPDATES_THAT_PAY / dense.count_params()) + 1
    assert [pays_to_compile(dense, n) for n in (steps - 2, steps)] == [False, True]
    convolution = tf_keras.Sequential([tfp.layers.Convolution2DFlipout(2, 3)])
    convolution(np.zeros([1, 5, 5, 1], np.float32))
    assert not pays_to_compile(convolution, 10**12)


def recurrent_network():
    """A network with a loop over time, and dropout in it."""
    cell = tf_keras.layers.LSTM(4, dropout=0.2, recurrent_dropout=0.1)
    return tf_keras.Sequential([cell, *bayesian_network([3], seed=1).layers])


SEQUENCES = RNG.normal(size=(17, 6, 2)).astype(np.float32)


def test_xla_is_not_chosen_for_a_loop_over_time_however_long_the_training(monkeypatch):
    monkeypatch.setattr("helpers.training.stepper.UPDATES_THAT_PAY", 0.0)
    history = train(recurrent_network(), SEQUENCES, num_epochs=15, learning_rate=0.05)
    assert len(history) == 45
    assert history["loss"].iloc[-3:].mean() < history["loss"].iloc[:3].mean()


def test_one_trace_serves_all_batches_of_a_training():
    traces = []

    class Watched(tf_keras.layers.Layer):
        def call(self, inputs):
            if tf.is_symbolic_tensor(inputs):
                traces.append(tuple(inputs.shape))
            return inputs

    train(tf_keras.Sequential([Watched(), *fixed_draw_network().layers]), num_epochs=2)
    sizes = {size for size, _ in traces}
    assert sizes == {7, None}  # Keras' own, of the few rows it is tried on; ours
    one_size, traces = len(traces), []
    train(tf_keras.Sequential([Watched(), *fixed_draw_network().layers]), batch_size=17)
    assert len(traces) == one_size


def test_a_network_that_asks_for_the_size_of_its_batch_trains_as_the_same_without():
    class Asking(tf_keras.layers.Layer):
        def call(self, inputs):
            return inputs * tf.ones([int(inputs.shape[0]), 1])

    options = {"optimizer": SGD(0.3), "num_epochs": 2}
    asking = tf_keras.Sequential([Asking(), *fixed_draw_network().layers])
    expected = train(fixed_draw_network(), **options | {"optimizer": SGD(0.3)})
    pd.testing.assert_frame_equal(train(asking, **options), expected, rtol=1e-5)


def test_a_mistake_in_a_network_is_told_once():
    class Mistaken(tf_keras.layers.Layer):
        def call(self, inputs):
            if tf.is_symbolic_tensor(inputs):
                raise TypeError("a mistake of the reader's")
            return inputs

    with pytest.raises(TypeError, match="a mistake of the reader's") as caught:
        train(tf_keras.Sequential([Mistaken(), *fixed_draw_network().layers]))
    error, told = caught.value, []
    while error is not None:
        told.append(str(error))
        error = error.__context__
    assert any("shape=(7, 5)" in text for text in told)
    assert not any("shape=(None, 5)" in text for text in told)


def test_a_layer_that_keras_repeats_over_time_counts_once():
    repeated = tfp.layers.DenseFlipout(4, name="repeated")
    layers = [tf_keras.layers.TimeDistributed(repeated), tf_keras.layers.Flatten()]
    neural_net = tf_keras.Sequential([*layers, *bayesian_network([3], seed=1).layers])
    history = train(neural_net, SEQUENCES)
    assert [name for name in history if name.startswith("kl ")] == ["kl repeated", "kl logits"]
    neural_net(SEQUENCES[:1])
    assert len(neural_net.losses) == 8  # called by hand: six time steps, and once for the shape


def test_no_epochs_give_an_empty_history():
    history = train(num_epochs=0)
    assert len(history) == 0
    assert {"step", "epoch", "kl", "kl logits", "elbo", "loss"} < set(history)


def test_a_layer_called_twice_in_a_pass_counts_once():
    class CalledTwice(tf_keras.Model):
        def __init__(self):
            super().__init__()
            make = tfp.layers.DenseFlipout
            starts = {"bias_posterior_fn": point_posterior()}
            first, last = gaussian_posterior(1), gaussian_posterior(2)
            self.shared = make(5, kernel_posterior_fn=first, name="shared", **starts)
            self.head = make(3, kernel_posterior_fn=last, name="head", **starts)

        def call(self, inputs):
            return self.head(self.shared(self.shared(inputs)))

    neural_net = CalledTwice()
    once, again, head = losses_by_layer(neural_net, IMAGES)["nats"]
    assert once == again
    history = train(neural_net, batch_size=17)
    names = [name for name in history if name.startswith("kl ")]
    assert names == ["kl shared", "kl head"]
    np.testing.assert_allclose(history.loc[0, names].astype(float), [once, head], rtol=1e-6)
    assert history["kl"].item() == pytest.approx(once + head, rel=1e-6)


def test_the_bias_has_a_column_beside_its_kernel():
    prior = tfp.layers.default_multivariate_normal_fn
    options = {"bias_posterior_fn": gaussian_posterior(9), "bias_prior_fn": prior}
    history = train(bayesian_network([3], **options), batch_size=17)
    assert [n for n in history if n.startswith("kl ")] == ["kl logits kernel", "kl logits bias"]
    assert history["kl"].item() == pytest.approx(
        history["kl logits kernel"].item() + history["kl logits bias"].item(), rel=1e-12
    )


def test_the_progress_bar_shows_steps_and_both_terms_and_can_be_switched_off(capsys):
    train(num_epochs=2)
    assert capsys.readouterr() == ("", "")
    train(num_epochs=2, progress=True)
    bar = capsys.readouterr().err
    assert "6/6" in bar
    assert "nll=" in bar
    assert "kl=" in bar


NAN_AT_2 = np.where(np.arange(17)[:, None] == 2, np.nan, IMAGES)
INFINITE_AT_5 = np.where(np.arange(17)[:, None] == 5, np.inf, IMAGES)
REFUSED = {
    "NaN": ({"images": NAN_AT_2}, "1 of 17 examples of inputs hold NaN.*first at index 2: remove"),
    "infinity": ({"images": INFINITE_AT_5}, "infinite values, the first at index 5"),
    "single image": ({"images": IMAGES[0]}, r"have \[5, 17\] rows: pass the same number of both"),
    "no image": (
        {"images": IMAGES[:0]},
        r"have \[0, 17\] rows.*examples count along the first axis",
    ),
    "label too high": ({"labels": LABELS + 1}, r"is 3, but the network has 3.*0 … 2.*from 0"),
    "label below 0": ({"labels": LABELS - 1}, r"is -1, but the network has 3 outputs"),
    "half a label": ({"labels": LABELS + 0.5}, "For values the noise must be known"),
    "whole labels of a floating type": (
        {"labels": LABELS.astype(float)},
        r"If they are class numbers, pass targets.astype\(int\)",
    ),
    "names": ({"labels": np.array(list("abc"))[LABELS]}, "np.unique.*return_inverse=True"),
    "one-hot": ({"labels": np.eye(3)[LABELS]}, "CategoricalCrossentropy.*if each row is one class"),
    "too few labels": ({"labels": LABELS[:9]}, r"have \[9, 17\] rows"),
    "batch too large": ({"batch_size": 18}, "batch_size is 18.* from 1 to 17"),
    "empty batch": ({"batch_size": 0}, "batch_size is 0.* from 1 to 17"),
}


@pytest.fixture(scope="module")
def untrained():
    return fixed_draw_network()


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_cannot_work_are_refused_with_the_cure(case, untrained):
    options, advice = REFUSED[case]
    with pytest.raises(ValueError, match=advice):
        train(untrained, **options)


def test_the_index_of_a_wrong_label_is_named(untrained):
    labels = LABELS.copy()
    labels[11] = 8
    with pytest.raises(ValueError, match=r"targets\[11\] is 8"):
        train(untrained, labels=labels)


def test_labels_and_images_may_be_lists(untrained):
    before = untrained.get_weights()
    history = train(untrained, IMAGES.tolist(), LABELS.tolist(), optimizer=SGD(0.0))
    assert len(history) == 3
    for weight, start in zip(untrained.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, start)


def test_a_network_without_kl_is_refused():
    with pytest.raises(ValueError, match=r"no entry in losses.*maximum likelihood, not an ELBO"):
        train(plain_network([3]))


def test_a_network_that_does_not_give_logits_per_class_is_refused():
    images = np.ones((17, 2, 5), np.float32)
    with pytest.raises(ValueError, match=r"Class numbers would be of shape.*flatten"):
        train(fixed_draw_network(), images=images)


def test_a_keras_3_network_is_refused():
    with pytest.raises(TypeError, match="is a Keras 3 model"):
        train(keras.Sequential([keras.layers.Dense(3)]))


@pytest.mark.parametrize(
    ("optimizer", "found"),
    [(keras.optimizers.Adam(0.01), "keras"), ("adam", "builtins.str"), (SGD, "builtins.type")],
    ids=["Keras 3", "name", "class"],
)
def test_an_optimizer_that_is_not_of_tf_keras_is_refused(optimizer, found, untrained):
    advice = rf"Expected a tf_keras optimizer, but got one of type {found}.*tf_keras\.optimizers"
    with pytest.raises(TypeError, match=advice):
        train(untrained, optimizer=optimizer)


def test_both_kinds_of_tf_keras_optimizers_are_accepted():
    check_optimizer(SGD(0.1))
    check_optimizer(tf_keras.optimizers.legacy.SGD(0.1))


def test_a_diverging_training_stops_and_names_the_step_and_both_terms():
    message = r"stopped being finite at step 2: negative log-likelihood .*KL per layer .* smaller"
    with pytest.raises(ValueError, match=message):
        train(optimizer=SGD(1e30))
