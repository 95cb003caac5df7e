"""Trainings as others write them: what `fit` does for them, the trainer does or refuses."""

import re

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import THIRD

from helpers.losses.by_layer import losses_by_layer
from helpers.model import inputs as model_inputs
from helpers.prediction import predict as predict_module
from helpers.prediction.predict import predict_by_draws
from helpers.training import ElboMonitor, stepper, train_by_elbo

pytestmark = THIRD
tfd, tfpl = tfp.distributions, tfp.layers
keras = tf_keras
N, FEATURES, CLASSES, STEPS = 41, 5, 3, 4
RNG = np.random.default_rng(11)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS = RNG.integers(0, CLASSES, N)
BY_CLASS = {0: 1.0, 1: 2.0, 2: 5.0}
entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def kl(q, p, _):
    return tfd.kl_divergence(q, p) / N


def flipout(units, rho=None, **options):
    """Return a layer; with rho of -12 its draws are its means."""
    if rho is not None:
        options["kernel_posterior_fn"] = tfpl.default_mean_field_normal_fn(
            untransformed_scale_initializer=keras.initializers.Constant(rho)
        )
    return tfpl.DenseFlipout(units, kernel_divergence_fn=kl, **options)


def classifier():
    network = keras.Sequential([keras.Input([FEATURES]), flipout(CLASSES)])
    network.compile("adam", entropy)
    return network


def train(network, *data, **options):
    return train_by_elbo(network, *data, num_epochs=1, progress=False, **options)


def first_nll(network, inputs, targets, **options):
    """Return the negative log-likelihood per example before the first step, in nats."""
    options |= {"batch_size": len(inputs), "learning_rate": 1e-9}
    return train(network, inputs, targets, **options).negative_log_likelihood[0]


@pytest.mark.parametrize("make", [keras.optimizers.Adam, keras.optimizers.AdamW])
def test_constraints_hold_after_each_step(make):
    posterior = tfpl.default_mean_field_normal_fn(loc_constraint=keras.constraints.NonNeg())
    network = keras.Sequential(
        [
            keras.layers.Dense(6, "relu", kernel_constraint=keras.constraints.MaxNorm(0.5)),
            flipout(CLASSES, kernel_posterior_fn=posterior),
        ]
    )
    train(network, INPUTS, LABELS, likelihood=entropy, batch_size=7, optimizer=make(0.1))
    assert np.linalg.norm(network.layers[0].kernel, axis=0).max() <= 0.5 + 1e-5
    assert network.layers[1].kernel_posterior.mean().numpy().min() >= 0


@pytest.mark.parametrize("interrupted", [False, True])
def test_averages_of_an_optimizer_are_the_weights_in_the_end_and_not_in_between(
    interrupted, tmp_path
):
    def trained(epochs, folder, **options):
        tf_keras.utils.set_random_seed(1)
        network = classifier()
        optimizer = keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9)
        train_by_elbo(
            network,
            INPUTS,
            LABELS,
            batch_size=7,
            optimizer=optimizer,
            folder=folder,
            progress=False,
            num_epochs=epochs,
            **options,
        )
        return network, optimizer

    if interrupted:
        trained(2, tmp_path / "a")
    network, optimizer = trained(4, tmp_path / "a", resume=True)
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(network.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(variable, average)
    whole, _ = trained(4, tmp_path / "b")
    for one, other in zip(network.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def per_step():
    network = keras.Sequential([keras.Input([STEPS, FEATURES]), flipout(CLASSES, rho=-12.0)])
    network.compile("adam", entropy)
    inputs = RNG.normal(size=(N, STEPS, FEATURES)).astype("float32")
    return network, inputs, RNG.integers(0, CLASSES, (N, STEPS))


def test_class_weights_of_steps_are_those_of_the_class_of_each_step():
    network, inputs, labels = per_step()
    factors = np.vectorize(BY_CLASS.get)(labels)
    logits = np.asarray(network(inputs), float)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    nats = -np.take_along_axis(logs, labels[..., None], axis=-1)[..., 0]
    found = first_nll(network, inputs, labels, class_weight=BY_CLASS)
    assert found == pytest.approx(np.mean(np.sum(factors * nats, axis=1)), rel=1e-5)
    both = first_nll(network, inputs, labels, class_weight=BY_CLASS, sample_weight=factors)
    assert both == pytest.approx(np.mean(np.sum(factors**2 * nats, axis=1)), rel=1e-5)
    rows = RNG.uniform(size=N)
    both = first_nll(network, inputs, labels, class_weight=BY_CLASS, sample_weight=rows)
    assert both == pytest.approx(np.mean(rows * np.sum(factors * nats, axis=1)), rel=1e-5)


@pytest.mark.parametrize("kind", ["numbers", "column", "one-hot", "one-hot distribution"])
def test_class_weights_are_those_of_the_examples_of_a_class(kind):
    network = keras.Sequential([keras.Input([FEATURES]), flipout(CLASSES, rho=-12.0)])
    targets, loss = LABELS, entropy
    if kind == "column":
        targets = LABELS[:, None]
    if kind.startswith("one-hot"):
        targets, loss = (
            np.eye(CLASSES)[LABELS],
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )
    logits = np.asarray(network(INPUTS), float)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = -np.mean(np.vectorize(BY_CLASS.get)(LABELS) * logs[np.arange(N), LABELS])
    if kind == "one-hot distribution":
        network.add(tfpl.OneHotCategorical(CLASSES))
        loss = None
    found = first_nll(network, INPUTS, targets, class_weight=BY_CLASS, likelihood=loss)
    assert found == pytest.approx(expected, rel=1e-5)


def test_class_weights_leave_ignored_steps_out():
    network, inputs, labels = per_step()
    labels[:, 0] = -1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    factors = np.vectorize((BY_CLASS | {-1: 1.0}).get)(labels)
    found = first_nll(network, inputs, labels, class_weight=BY_CLASS, likelihood=loss)
    again = first_nll(network, inputs, labels, sample_weight=factors, likelihood=loss)
    assert found == pytest.approx(again, rel=1e-6)


REFUSED_CLASSES = {
    "several labels": (
        tfpl.IndependentBernoulli(2),
        RNG.integers(0, 2, (N, 2)),
        "not one-hot|one class",
    ),
    "yes or no in columns": (
        tfpl.DistributionLambda(lambda t: tfd.Bernoulli(logits=t)),
        RNG.integers(0, 2, (N, 2)),
        "one class",
    ),
    "two values": (
        tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1.0)),
        RNG.normal(size=(N, 2)),
        "one class",
    ),
    "shares": (tfpl.OneHotCategorical(2), np.full((N, 2), 0.5), "not one-hot"),
}


@pytest.mark.parametrize("name", REFUSED_CLASSES)
def test_class_weights_of_targets_that_are_no_classes_are_refused(name):
    output, targets, words = REFUSED_CLASSES[name]
    network = keras.Sequential([flipout(2), output])
    with pytest.raises(ValueError, match=words) as raised:
        train(network, INPUTS, targets.astype("float32"), class_weight={0: 1.0, 1: 5.0})
    assert "sample_weight" in str(raised.value)


def test_a_class_without_a_weight_is_named_and_many_are_not_listed():
    with pytest.raises(ValueError, match="2 have none"):
        train(classifier(), INPUTS, LABELS, class_weight={0: 1.0, 1: 1.0})
    values = keras.Sequential([flipout(1), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1.0))])
    with pytest.raises(ValueError, match="and others have none") as raised:
        train(values, INPUTS, RNG.normal(size=N), class_weight={0: 1.0})
    assert len(str(raised.value)) < 200


def two_heads():
    inputs = keras.Input([FEATURES])
    heads = {"yes": flipout(1, -12.0, name="yes"), "many": flipout(CLASSES, -12.0, name="many")}
    network = keras.Model(inputs, {name: layer(inputs) for name, layer in heads.items()})
    losses = {"yes": keras.losses.BinaryCrossentropy(from_logits=True), "many": entropy}
    network.compile("sgd", losses)
    return network


@pytest.mark.parametrize("form", ["dict", "list", "dataset"])
def test_each_output_has_its_own_example_weights(form):
    network = two_heads()
    targets = {"yes": RNG.integers(0, 2, N).astype("float32"), "many": LABELS}
    weights = {"yes": RNG.uniform(size=N), "many": RNG.uniform(size=N)}
    outputs = {name: np.asarray(out, float) for name, out in network(INPUTS).items()}
    logs = outputs["many"] - np.log(np.exp(outputs["many"]).sum(axis=-1, keepdims=True))
    signs = 2 * targets["yes"] - 1
    nats = {
        "yes": np.logaddexp(0, -signs * outputs["yes"][:, 0]),
        "many": -logs[np.arange(N), LABELS],
    }
    expected = np.mean(sum(weights[name] * nats[name] for name in weights))
    if form == "dataset":
        data = tf.data.Dataset.from_tensor_slices((INPUTS, targets, weights)).batch(N)
        found = train(network, data, learning_rate=1e-9).negative_log_likelihood[0]
    else:
        given = weights if form == "dict" else [weights["many"], weights["yes"]]
        found = first_nll(network, INPUTS, targets, sample_weight=given)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"yes": np.ones(N)}, "by its name"),
        ([np.ones(N)] * 3, "by its name"),
        ({"yes": np.ones(N), "many": np.ones((N, 2))}, r"shape \(41, 2\)"),
        ({"yes": np.ones(N), "many": -np.ones(N)}, "at least 0"),
    ],
)
def test_weights_of_outputs_that_do_not_fit_are_refused(weights, words):
    targets = {"yes": np.ones(N), "many": LABELS}
    with pytest.raises(ValueError, match=words):
        train(two_heads(), INPUTS, targets, sample_weight=weights)


def test_class_weights_beside_sample_weights_of_another_shape_get_the_sentence():
    with pytest.raises(ValueError, match=r"sample_weight has shape \(41, 3\)"):
        train(
            classifier(), INPUTS, LABELS, class_weight=BY_CLASS, sample_weight=np.ones((N, CLASSES))
        )


def endless():
    while True:
        yield INPUTS, LABELS


GENERATED = (tf.TensorSpec((None, FEATURES)), tf.TensorSpec((None,), tf.int64))


def repeated():
    data = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)).repeat()
    return data.filter(lambda x, y: True).batch(7)


@pytest.mark.parametrize("tool", ["train", "predict"])
def test_a_dataset_that_never_ends_is_refused(tool, monkeypatch):
    monkeypatch.setattr(model_inputs, "MOST_BATCHES", 50)
    monkeypatch.setattr(model_inputs, "SECONDS_UNSAID", 0.0)

    def use(data):
        network = classifier()
        return predict_by_draws(network, data, 2) if tool == "predict" else train(network, data)

    data = tf.data.Dataset.from_generator(endless, output_signature=GENERATED)
    with (
        pytest.warns(UserWarning, match="does not say its length"),
        pytest.raises(ValueError, match=r"not ended after 50 batches.*\.take\(batches\)"),
    ):
        use(data)
    with pytest.raises(ValueError, match=r"\.repeat\(\) without a number"):
        use(repeated())
    assert use(data.take(3)) is not None
    assert use(repeated().take(3)) is not None
    known = data.take(60).apply(tf.data.experimental.assert_cardinality(60))
    assert use(known) is not None


def test_the_refusal_of_a_generator_and_of_a_loader_says_what_to_pass():
    class Loader:
        def __iter__(self):
            return endless()

        def __len__(self):
            return 3

    for inputs in (endless(), Loader()):
        with pytest.raises(TypeError, match=r"from_generator, with \.take"):
            train(classifier(), inputs)


def test_an_optimizer_of_another_network_is_refused_and_that_of_the_same_goes_on():
    optimizer, network = keras.optimizers.Adam(0.01), classifier()
    train(network, INPUTS, LABELS, optimizer=optimizer)
    train(network, INPUTS, LABELS, optimizer=optimizer, seed=1)
    with pytest.raises(ValueError, match=r"a new one for each network"):
        train(classifier(), INPUTS, LABELS, optimizer=optimizer)
    train(classifier(), INPUTS, LABELS, optimizer=keras.optimizers.Adam(0.01))


def test_one_callback_and_none_are_taken_as_by_fit():
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    train(classifier(), INPUTS, LABELS, callbacks=callback)
    assert seen == [0]
    train(classifier(), INPUTS, LABELS, callbacks=None)


def test_targets_by_the_name_of_the_only_output_are_read_by_trainer_and_predictions():
    inputs = keras.Input([FEATURES])
    network = keras.Model(inputs, flipout(CLASSES, name="kind")(inputs))
    network.compile("adam", {"kind": entropy})
    data = tf.data.Dataset.from_tensor_slices((INPUTS, {"kind": LABELS})).batch(7)
    train(network, data)
    predictions = predict_by_draws(network, data, 3)
    plain = predictions.log_predictive_density(LABELS)
    np.testing.assert_array_equal(predictions.log_predictive_density(), plain)
    np.testing.assert_array_equal(predictions.log_predictive_density({"kind": LABELS}), plain)
    with pytest.raises(ValueError, match="2 targets"):
        predictions.log_predictive_density({"kind": LABELS, "other": LABELS})


def test_an_interval_of_angles_is_refused():
    angles = tfpl.DistributionLambda(lambda t: tfd.VonMises(t, 50.0))
    predictions = predict_by_draws(keras.Sequential([flipout(1), angles]), INPUTS, 2)
    with pytest.raises(ValueError, match="describes angles"):
        predictions.interval(0.9)


@pytest.mark.parametrize("floor", [0.1, 0.5])
@pytest.mark.parametrize("slowness", [1.0, 0.05])
def test_a_drawn_kl_is_known_by_its_densities_where_its_slope_is_not(floor, slowness):
    def posterior(kernel, bias=0, dtype=None):
        size = kernel + bias
        return keras.Sequential(
            [
                tfpl.VariableLayer(2 * size, dtype=dtype),
                tfpl.DistributionLambda(
                    lambda t: tfd.Independent(
                        tfd.Normal(t[..., :size], floor + tf.nn.softplus(slowness * t[..., size:])),
                        1,
                    )
                ),
            ]
        )

    def prior(kernel, bias=0, dtype=None):
        return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel + bias), 1.0), 1)

    for sign in (1, -1):
        layer = tfpl.DenseVariational(CLASSES, posterior, prior, kl_weight=sign / N)
        network = keras.Sequential([keras.Input([FEATURES]), layer])
        network(INPUTS)
        [divisor] = losses_by_layer(network, INPUTS).divisor
        assert divisor == pytest.approx(sign * N, rel=1e-3)


def test_an_output_without_a_loss_is_left_out_as_the_sentence_says():
    class Net(keras.Model):
        def __init__(self, *names):
            super().__init__()
            self.hidden, self.last, self.names = flipout(4), flipout(CLASSES), names

        def call(self, inputs):
            hidden = self.hidden(inputs)
            every = {"logits": self.last(hidden), "features": hidden}
            return {name: every[name] for name in self.names}

    network = Net("logits", "features")
    network.compile("adam", {"logits": entropy})
    with pytest.raises(ValueError, match=re.escape("a network with a call of its own")):
        train(network, INPUTS, {"logits": LABELS})
    network = Net("logits")
    network.compile("adam", {"logits": entropy})
    train(network, INPUTS, {"logits": LABELS})


def of_images(*front):
    network = keras.Sequential(
        [keras.Input([4, 4, 1]), *front, keras.layers.Flatten(), flipout(CLASSES)]
    )
    network.compile(keras.optimizers.SGD(0.01), entropy)
    return network, RNG.normal(size=(N, 4, 4, 1)).astype("float32")


WITHOUT_XLA = {
    "an image made larger": lambda: of_images(keras.layers.Dense(1), keras.layers.UpSampling2D()),
    "hashes": lambda: (
        keras.Sequential(
            [
                keras.layers.Hashing(7),
                keras.layers.Embedding(7, 2),
                keras.layers.Flatten(),
                flipout(CLASSES),
            ]
        ),
        RNG.integers(0, 100, (N, FEATURES)),
    ),
}


@pytest.mark.parametrize("name", WITHOUT_XLA)
def test_what_xla_lacks_is_trained_and_predicted_without_it(name, monkeypatch):
    monkeypatch.setattr(stepper, "UPDATES_THAT_PAY", 0)
    monkeypatch.setattr(predict_module, "BYTES_THAT_PAY", 0)
    network, inputs = WITHOUT_XLA[name]()
    network(inputs)
    history = train(network, inputs, LABELS, likelihood=entropy, batch_size=7)
    assert len(history) == 6
    draws = predict_by_draws(network, inputs, 3).draws
    np.testing.assert_allclose(draws.sum(axis=-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="leave jit_compile out"):
        train(network, inputs, LABELS, likelihood=entropy, batch_size=7, jit_compile=True)
    if name == "hashes":  # an image is made larger by XLA too, and only its gradient is not
        with pytest.raises(ValueError, match="leave jit_compile out"):
            predict_by_draws(network, inputs, 3, jit_compile=True)


def test_what_xla_takes_is_compiled_by_it_where_that_pays(monkeypatch):
    monkeypatch.setattr(stepper, "UPDATES_THAT_PAY", 0)
    network, inputs = of_images()
    chosen = stepper.Stepper(
        network, inputs, LABELS, batch_size=7, num_epochs=1, optimizer=network.optimizer
    )
    assert chosen.options.jit_compile


def test_a_recurrent_layer_under_jit_compile_gets_a_sentence():
    network = keras.Sequential([keras.layers.LSTM(4), flipout(CLASSES)])
    inputs = RNG.normal(size=(N, STEPS, FEATURES)).astype("float32")
    with pytest.raises(ValueError, match="leave jit_compile out"):
        train(network, inputs, LABELS, likelihood=entropy, jit_compile=True)


def column(loss=None):
    network = keras.Sequential([keras.Input([FEATURES]), flipout(1)])
    if loss is not None:
        network.compile("adam", loss)
    return network


def narrow(outputs):
    return tfd.Normal(outputs, 0.25)


@pytest.mark.parametrize("loss", [None, "mse", keras.losses.BinaryCrossentropy(from_logits=True)])
def test_predictions_take_what_the_trainer_was_told_until_compile_says_otherwise(loss):
    network, targets = column(loss), RNG.uniform(size=(N, 1))
    train(network, INPUTS, targets, likelihood=narrow, learning_rate=0.01)
    predictions = predict_by_draws(network, INPUTS, 2)
    assert predictions.kind == "values"
    np.testing.assert_allclose(predictions.aleatoric, 0.25**2, rtol=1e-6)
    network.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    assert predict_by_draws(network, INPUTS, 2).kind == "yes or no"


@pytest.mark.parametrize("form", ["arrays", "dataset"])
def test_validation_data_that_the_network_does_not_take_get_the_sentence(form):
    held_out = INPUTS[:, :2], LABELS
    if form == "dataset":
        held_out = tf.data.Dataset.from_tensor_slices(held_out).batch(7)
    with pytest.raises(ValueError, match=r"^validation_data: The network does not take inputs of"):
        train(classifier(), INPUTS, LABELS, validation_data=held_out)


def test_targets_of_a_float64_network_are_as_fine_as_it_is():
    targets = 1e9 + RNG.normal(size=(N, 1))
    posterior = tfpl.default_mean_field_normal_fn(
        untransformed_scale_initializer=keras.initializers.Constant(-14.0)
    )
    network = keras.Sequential(
        [
            flipout(1, dtype="float64", kernel_posterior_fn=posterior),
            keras.layers.Rescaling(1.0, 1e9, dtype="float64"),
            tfpl.DistributionLambda(lambda t: tfd.Normal(t, tf.ones_like(t)), dtype="float64"),
        ]
    )
    means = network(INPUTS).mean().numpy()
    expected = scipy.stats.norm.logpdf(targets, means, 1.0)[:, 0]
    found = predict_by_draws(network, INPUTS, 2).log_predictive_density(targets)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    nll = first_nll(network, INPUTS, targets)
    assert nll == pytest.approx(-expected.mean(), abs=1e-3)
    data = tf.data.Dataset.from_tensor_slices((INPUTS, targets)).batch(N)
    history = train(network, data, learning_rate=1e-9)
    assert history.negative_log_likelihood[0] == pytest.approx(-expected.mean(), abs=1e-3)


def mixture(unit):
    def make(t):
        parts = tf.stack([t, 3 * t, t - 1], axis=-1)
        normals = tfd.Normal(unit * parts, unit * tf.constant([0.1, 1.0, 2.0]))
        shares = tfd.Categorical(probs=[0.2, 0.3, 0.5])
        return tfd.Independent(tfd.MixtureSameFamily(shares, normals), 1)

    return tfpl.DistributionLambda(make)


@pytest.mark.parametrize("unit", [1e30, 1.0, 1e-25])
@pytest.mark.parametrize("kind", ["normal", "mixture"])
def test_standard_deviations_hold_in_any_unit(kind, unit):
    head = mixture(unit)
    if kind == "normal":
        head = tfpl.DistributionLambda(lambda t: tfd.Normal(unit * t, unit * (1 + t**2)))
    network = keras.Sequential([keras.Input([FEATURES]), flipout(1), head])
    predictions = predict_by_draws(network, INPUTS, 50)
    interval = predictions.interval(0.95)
    wide = (interval.high - interval.low) / (2 * 1.96)
    assert np.all(predictions.stddev < 3 * wide)
    assert np.all(wide < 3 * predictions.stddev)
    if unit != 1:
        head = mixture(1.0)
        if kind == "normal":
            head = tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1 + t**2))
        plain = keras.Sequential([keras.Input([FEATURES]), network.layers[0], head])
        expected = predict_by_draws(plain, INPUTS, 50)
        np.testing.assert_allclose(predictions.stddev, unit * expected.stddev, rtol=1e-4)
        np.testing.assert_allclose(predictions.aleatoric, unit**2 * expected.aleatoric, rtol=1e-4)


def test_moments_of_a_mixture_are_those_of_its_formula():
    network = keras.Sequential([keras.layers.Dense(2), mixture(1.0)])
    found = predict_by_draws(network, INPUTS, 1)
    t = np.asarray(network.layers[0](INPUTS), float)
    shares, scales = np.array([0.2, 0.3, 0.5]), np.array([0.1, 1.0, 2.0])
    parts = np.stack([t, 3 * t, t - 1], axis=-1)
    mean = (shares * parts).sum(axis=-1)
    second = (shares * (scales**2 + parts**2)).sum(axis=-1)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.aleatoric, second - mean**2, rtol=1e-4)


def test_an_infinite_mean_is_refused():
    heavy = tfpl.DistributionLambda(lambda t: tfd.Pareto(0.1 + 0.1 * tf.sigmoid(t), 1.0))
    predictions = predict_by_draws(keras.Sequential([flipout(1), heavy]), INPUTS, 3)
    for name in ("mean", "epistemic", "stddev"):
        with pytest.raises(ValueError, match="has no mean"):
            getattr(predictions, name)


def test_nan_in_a_later_pass_is_laid_to_the_data():
    passes = []

    def data():
        passes.append(1)
        for start in range(0, 40, 8):
            factor = np.nan if len(passes) > 2 and start == 16 else 1.0
            yield INPUTS[start : start + 8] * np.float32(factor), LABELS[start : start + 8]

    stream = tf.data.Dataset.from_generator(data, output_signature=GENERATED)
    with pytest.raises(ValueError, match=r"8 of 8 examples of inputs hold NaN"):
        train(classifier(), stream)


@pytest.mark.parametrize("factor", [np.nan, -1.0, "two"])
def test_class_weights_are_numbers(factor):
    with pytest.raises(ValueError, match="class_weight is"):
        train(classifier(), INPUTS, LABELS, class_weight=BY_CLASS | {1: factor})


def test_the_monitor_leaves_metrics_of_its_names_to_the_reader(capsys):
    network, inputs, labels = per_step()

    def nll(targets, outputs):
        return entropy(targets, outputs)

    network.compile(keras.optimizers.SGD(0.0), entropy, metrics=[nll])
    options = {"verbose": 0, "batch_size": N, "validation_data": (inputs, labels)}
    plain = network.fit(inputs, labels, **options).history
    monitor = ElboMonitor(N, check=False)
    history = network.fit(inputs, labels, callbacks=[monitor], **options).history
    for name in ("nll", "val_nll"):
        np.testing.assert_allclose(history[name], plain[name], rtol=1e-3)
    assert "your own metric of that name" in capsys.readouterr().out
    assert history["elbo"][0] == pytest.approx(
        -N * STEPS * plain["nll"][0] - history["kl"][0], rel=1e-3
    )


@pytest.mark.parametrize("place", ["train", "validation"])
def test_a_fit_that_is_stopped_between_steps_leaves_no_sums_behind(place):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if place == "train":
                raise KeyboardInterrupt

        def on_test_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    network = classifier()
    options = {"batch_size": 7, "verbose": 0}
    held_out = {"validation_data": (INPUTS, LABELS)}
    with pytest.raises(KeyboardInterrupt):
        network.fit(
            INPUTS, LABELS, callbacks=[ElboMonitor(N, check=False), Stop()], **options, **held_out
        )
    assert set(network.evaluate(INPUTS, LABELS, return_dict=True, verbose=0)) == {"loss"}
    history = network.fit(INPUTS, LABELS, epochs=2, **options, **held_out).history
    assert set(history) == {"loss", "val_loss"}
    history = network.fit(
        INPUTS, LABELS, callbacks=[ElboMonitor(N, check=False)], **options
    ).history
    expected = history["loss"][0] - history["kl"][0] / N
    assert history["nll"][0] == pytest.approx(expected, rel=1e-4)


def test_an_evaluation_by_another_callback_does_not_stop_the_sums():
    class Evaluate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch in (2, 5):
                self.model.evaluate(INPUTS[:7], LABELS[:7], verbose=0)

    network = keras.Sequential([keras.Input([FEATURES]), flipout(CLASSES, rho=-12.0)])
    network.compile(keras.optimizers.SGD(0.0), entropy)  # the weights stay, and so does the nll
    expected = float(entropy(LABELS, network(INPUTS)))
    callbacks = [ElboMonitor(N, check=False), Evaluate()]
    history = network.fit(
        INPUTS, LABELS, batch_size=7, epochs=3, verbose=0, callbacks=callbacks
    ).history
    assert history["nll"] == pytest.approx([expected] * 3, rel=1e-4)
