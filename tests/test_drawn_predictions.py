"""What predictions by draws say: against exact posteriors, mixtures in NumPy, entropies by hand."""

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.exact.linear_regression import exact_posterior
from helpers.prediction import HeadsPredictions, predict_by_draws
from helpers.training import train_by_elbo

tfd, tfpl = tfp.distributions, tfp.layers

# One worker for the file: its fixtures are drawn once.
pytestmark = pytest.mark.xdist_group("drawn_predictions")

RNG = np.random.default_rng(5)
INPUTS = RNG.normal(size=(7, 5)).astype(np.float32)
CLASS_NUMBERS = np.array([0, 2, 1, 1, 0, 2, 2])
LOGITS = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
NUM_DRAWS = 60


def ending_in(function):
    return tfpl.DistributionLambda(function)


def positive(t):
    return 1e-3 + tf.nn.softplus(t)


def softplus(x):
    return np.logaddexp(0, x)


def log_mean_exp(logs):
    return scipy.special.logsumexp(logs, axis=0) - np.log(len(logs))


def layer_and_draws(num_outputs):
    """Return a layer, and what it puts out under draws 0, 1, … of seed 1 [draws, examples, …]."""
    layer = tfpl.DenseFlipout(num_outputs)
    layer(INPUTS)
    layer.trainable_weights[0].assign(RNG.normal(size=(5, num_outputs)))
    layer.trainable_weights[1].assign(np.full((5, num_outputs), -1.0))
    values = predict_by_draws(
        tf_keras.Sequential([layer]), INPUTS, NUM_DRAWS, 1, likelihood=lambda t: tfd.Normal(t, 1.0)
    )
    return layer, values.draws


# A model that can be solved

NOISE = 0.4


@pytest.fixture(scope="module")
def solved():
    """The predictions under the exact posterior of a linear model, and the exact ones."""
    features, weights = RNG.normal(size=(23, 5)), RNG.normal(size=5)
    exact = exact_posterior(features, features @ weights + NOISE * RNG.normal(size=23), NOISE)
    tril = np.linalg.cholesky(exact.covariance).astype(np.float32)
    mean = exact.mean.astype(np.float32)
    posterior = ending_in(lambda _: tfd.MultivariateNormalTriL(mean, tril))
    prior = ending_in(lambda _: tfd.MultivariateNormalDiag(tf.zeros(5)))
    layer = tfpl.DenseVariational(1, lambda *_: posterior, lambda *_: prior, use_bias=False)
    neural_net = tf_keras.Sequential([layer, ending_in(lambda t: tfd.Normal(t, NOISE))])
    predicted = predict_by_draws(neural_net, INPUTS, 2000, seed=2)
    x = INPUTS.astype(float)
    return predicted, x @ exact.mean, np.einsum("ni,ij,nj->n", x, exact.covariance, x)


def test_mean_and_variances_are_those_of_the_exact_posterior(solved):
    predicted, mean, variance = solved
    error = np.sqrt(variance / 2000)
    assert np.all(np.abs(predicted.mean[:, 0] - mean) < 4 * error)
    np.testing.assert_allclose(predicted.epistemic[:, 0], variance, rtol=0.15)
    np.testing.assert_allclose(predicted.aleatoric, NOISE**2, rtol=1e-6)
    total = np.sqrt(variance + NOISE**2)
    np.testing.assert_allclose(predicted.stddev[:, 0], total, rtol=0.04)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_hold_the_share_that_they_say(solved, level):
    predicted, mean, variance = solved
    for of, spread in (("observation", variance + NOISE**2), ("mean", variance)):
        low, high = predicted.interval(level, of=of)
        exact = scipy.stats.norm(mean, np.sqrt(spread))
        np.testing.assert_allclose(exact.cdf(high[:, 0]) - exact.cdf(low[:, 0]), level, atol=0.035)
        np.testing.assert_allclose(exact.cdf(low[:, 0]), (1 - level) / 2, atol=0.03)


def test_the_score_is_the_exact_predictive_density(solved):
    predicted, mean, variance = solved
    targets = mean + RNG.normal(size=7)
    exact = scipy.stats.norm.logpdf(targets, mean, np.sqrt(variance + NOISE**2))
    found = predicted.log_predictive_density(targets)
    assert found.shape == (7,)
    np.testing.assert_allclose(found, exact, atol=0.12)


# Every family, against SciPy in float64

FAMILIES = {
    "normal": (
        2,
        ending_in(lambda t: tfd.Normal(t[..., :1], tf.nn.softplus(t[..., 1:]))),
        lambda t: scipy.stats.norm(t[..., :1], softplus(t[..., 1:])),
        RNG.normal(size=7),
    ),
    "normal of known noise": (
        1,
        ending_in(lambda t: tfd.Normal(t, 0.7)),
        lambda t: scipy.stats.norm(t, 0.7),
        RNG.normal(size=(7, 1)),
    ),
    "independent normal": (
        4,
        tfpl.IndependentNormal(2),
        lambda t: scipy.stats.norm(t[..., :2], softplus(t[..., 2:])),
        RNG.normal(size=(7, 2)),
    ),
    "student": (
        2,
        ending_in(lambda t: tfd.StudentT(3.5, t[..., :1], tf.nn.softplus(t[..., 1:]))),
        lambda t: scipy.stats.t(3.5, t[..., :1], softplus(t[..., 1:])),
        RNG.normal(size=(7, 1)),
    ),
    "log-normal": (
        2,
        ending_in(lambda t: tfd.LogNormal(t[..., :1], 0.1 + tf.nn.sigmoid(t[..., 1:]))),
        lambda t: scipy.stats.lognorm(
            0.1 + scipy.special.expit(t[..., 1:]), scale=np.exp(t[..., :1])
        ),
        np.exp(RNG.normal(size=7)),
    ),
    "gamma": (
        2,
        ending_in(lambda t: tfd.Gamma(1 + tf.nn.softplus(t[..., 0]), tf.nn.softplus(t[..., 1]))),
        lambda t: scipy.stats.gamma(1 + softplus(t[..., 0]), scale=1 / softplus(t[..., 1])),
        np.exp(RNG.normal(size=7)),
    ),
    "poisson": (
        1,
        ending_in(lambda t: tfd.Poisson(log_rate=t)),
        lambda t: scipy.stats.poisson(np.exp(t)),
        RNG.poisson(2.0, size=7),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_moments_density_and_interval_are_those_of_the_mixture(name):
    num_outputs, head, law_of, targets = FAMILIES[name]
    layer, raw = layer_and_draws(num_outputs)
    predicted = predict_by_draws(tf_keras.Sequential([layer, head]), INPUTS, NUM_DRAWS, 1)
    law = law_of(raw)
    assert predicted.kind == "values"
    means = law.mean()
    np.testing.assert_allclose(predicted.draws, means, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(predicted), predicted.draws)
    np.testing.assert_allclose(predicted.mean, means.mean(axis=0), rtol=2e-4, atol=1e-5)
    epistemic, aleatoric = means.var(axis=0), law.var().mean(axis=0)
    np.testing.assert_allclose(predicted.epistemic, epistemic, rtol=1e-3)
    aleatoric = np.broadcast_to(aleatoric, epistemic.shape)
    np.testing.assert_allclose(predicted.aleatoric, aleatoric, rtol=1e-3)
    np.testing.assert_allclose(predicted.stddev, np.sqrt(aleatoric + epistemic), rtol=1e-3)
    density = law.logpmf if name == "poisson" else law.logpdf
    logs = density(targets.reshape(means.shape[1:])).reshape(NUM_DRAWS, 7, -1).sum(axis=-1)
    found = predicted.log_predictive_density(targets)
    np.testing.assert_allclose(found, log_mean_exp(logs), rtol=1e-3, atol=1e-3)
    low, high = predicted.interval(0.8)
    assert low.shape == high.shape == means.shape[1:]
    upper, lower = law.cdf(high).mean(axis=0), law.cdf(low).mean(axis=0)
    if name == "poisson":  # counts: at least the level, and whole
        np.testing.assert_array_equal(high, np.round(high))
        assert np.all(upper > 0.88)
        assert np.all(law.cdf(low - 1).mean(axis=0) < 0.12)
    else:
        np.testing.assert_allclose(
            (lower, upper), (np.full_like(low, 0.1), np.full_like(low, 0.9)), atol=0.025
        )


def test_an_interval_depends_on_its_seed_alone():
    layer, _ = layer_and_draws(1)
    neural_net = tf_keras.Sequential([layer, ending_in(lambda t: tfd.Normal(t, 0.7))])
    predicted = predict_by_draws(neural_net, INPUTS, 9, 1)
    first = predicted.interval(0.9)
    tf.random.set_seed(99)
    np.testing.assert_array_equal(predicted.interval(0.9), first)
    assert np.all(predicted.interval(0.9, seed=1).low != first.low)
    assert np.all(predicted.interval(0.99).high > first.high)


def test_columns_with_a_covariance_are_scored_together():
    layer, raw = layer_and_draws(tfpl.MultivariateNormalTriL.params_size(2))
    neural_net = tf_keras.Sequential([layer, tfpl.MultivariateNormalTriL(2)])
    predicted = predict_by_draws(neural_net, INPUTS, NUM_DRAWS, 1)
    targets, logs = RNG.normal(size=(7, 2)), np.empty((NUM_DRAWS, 7))
    variances = np.empty((NUM_DRAWS, 7, 2))
    for draw, n in np.ndindex(NUM_DRAWS, 7):
        t = raw[draw, n].astype(np.float32)
        scale = tfp.bijectors.FillScaleTriL(diag_shift=1e-5)(t[2:]).numpy().astype(float)
        covariance = scale @ scale.T
        variances[draw, n] = np.diag(covariance)
        logs[draw, n] = scipy.stats.multivariate_normal(t[:2], covariance).logpdf(targets[n])
    np.testing.assert_allclose(predicted.draws, raw[..., :2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predicted.aleatoric, variances.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(
        predicted.log_predictive_density(targets), log_mean_exp(logs), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_mixture_is_averaged_as_one(by_hand):
    """MixtureNormal's distribution does not come apart; MixtureSameFamily's does."""
    layer, _ = layer_and_draws(9)
    head = tfpl.MixtureNormal(3, [1])
    if by_hand:
        head = ending_in(
            lambda t: tfd.MixtureSameFamily(
                tfd.Categorical(logits=t[..., :3]),
                tfd.Normal(t[..., 3:6], tf.nn.softplus(t[..., 6:])),
            )
        )
    neural_net = tf_keras.Sequential([layer, head])
    predicted = predict_by_draws(neural_net, INPUTS, 11, 1)
    again = predict_by_draws(neural_net, INPUTS, 4, 1)
    np.testing.assert_allclose(again.draws, predicted.draws[:4], rtol=1e-5)
    targets = RNG.normal(size=(7,) if by_hand else (7, 1))

    def read(parameter):
        values = predicted._drawn.evaluate(0, lambda some, _: parameter(some.outputs))
        return values.reshape(11, 7, 3)

    def normal(outputs):
        parts = outputs.components_distribution
        return parts if by_hand else parts.distribution

    mixture = scipy.special.softmax(read(lambda o: o.mixture_distribution.logits), axis=-1)
    loc, scale = read(lambda o: normal(o).loc), read(lambda o: normal(o).scale)
    means = (mixture * loc).sum(axis=-1)
    squares = (mixture * (loc**2 + scale**2)).sum(axis=-1)
    flat = predicted.draws.reshape(11, 7)
    np.testing.assert_allclose(flat, means, rtol=1e-3, atol=1e-5)
    aleatoric = (squares - means**2).mean(axis=0)
    np.testing.assert_allclose(predicted.aleatoric.reshape(7), aleatoric, rtol=1e-3)
    logs = np.log(mixture) + scipy.stats.norm.logpdf(targets.reshape(7, 1), loc, scale)
    expected = log_mean_exp(scipy.special.logsumexp(logs, axis=-1))
    np.testing.assert_allclose(predicted.log_predictive_density(targets), expected, rtol=1e-3)


# Classes

CLASS_HEADS = {
    "logits": (None, LOGITS, CLASS_NUMBERS),
    "softmax": (tf_keras.layers.Softmax(), None, CLASS_NUMBERS),
    "one-hot": (tfpl.OneHotCategorical(3), None, np.eye(3)[CLASS_NUMBERS]),
    "categorical": (ending_in(lambda t: tfd.Categorical(logits=t)), None, CLASS_NUMBERS),
    "function": (None, lambda t: tfd.Categorical(logits=t), CLASS_NUMBERS),
}


@pytest.mark.parametrize("name", CLASS_HEADS)
def test_classes_are_averaged_as_probabilities_and_squashed_once(name):
    head, likelihood, targets = CLASS_HEADS[name]
    layer, raw = layer_and_draws(3)
    neural_net = tf_keras.Sequential([layer, *([head] if head else [])])
    predicted = predict_by_draws(neural_net, INPUTS, NUM_DRAWS, 1, likelihood=likelihood)
    probabilities = scipy.special.softmax(raw, axis=-1)
    assert predicted.kind == "classes"
    np.testing.assert_allclose(predicted.draws, probabilities, rtol=1e-4, atol=2e-7)
    mean = probabilities.mean(axis=0)
    np.testing.assert_allclose(predicted.mean, mean, rtol=1e-4, atol=2e-7)
    expected = -(probabilities * np.log(probabilities)).sum(axis=-1).mean(axis=0)
    total = -(mean * np.log(mean)).sum(axis=-1)
    np.testing.assert_allclose(predicted.aleatoric, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predicted.epistemic, total - expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(predicted.stddev, probabilities.std(axis=0), rtol=1e-3, atol=1e-6)
    score = predicted.log_predictive_density(targets)
    np.testing.assert_allclose(score, np.log(mean[np.arange(7), CLASS_NUMBERS]), rtol=1e-3)
    low, high = predicted.interval(0.8)
    np.testing.assert_allclose(high, np.quantile(probabilities, 0.9, axis=0), rtol=1e-3, atol=1e-6)
    assert np.all(low < high)
    with pytest.raises(ValueError, match=r'of="mean"\) is that of the probability'):
        predicted.interval(0.8, of="observation")


@pytest.mark.parametrize("targets", ["numbers", "one-hot", "columns"])
def test_a_tiny_probability_counts_in_full(targets):
    logits = np.array([[-40.0, 0.0, -2.0], [0.0, -60.0, -1.0]], np.float32)
    inputs = np.asarray(tf.nn.softmax(logits))
    if targets == "columns":
        inputs = np.exp(np.array([[-40.0], [-25.0]], np.float32))
    labels, loss = {
        "numbers": (np.array([0, 1]), "sparse_categorical_crossentropy"),
        "one-hot": (np.eye(3)[[0, 1]], "categorical_crossentropy"),
        "columns": (np.ones((2, 1)), "binary_crossentropy"),
    }[targets]
    network = tf_keras.Sequential([tf_keras.layers.Lambda(tf.identity)])
    found = predict_by_draws(network, inputs, 2, likelihood=loss).log_predictive_density(labels)
    expected = np.log(inputs.astype(float))
    expected = expected[:, 0] if targets == "columns" else expected[[0, 1], [0, 1]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("form", ["sigmoid", "logit", "bernoulli"])
def test_one_column_is_yes_or_no(form):
    layer, raw = layer_and_draws(1)
    heads = {"sigmoid": [tf_keras.layers.Activation("sigmoid")], "logit": []}
    heads["bernoulli"] = [tfpl.IndependentBernoulli(1)]
    likelihood = tf_keras.losses.BinaryCrossentropy(from_logits=True) if form == "logit" else None
    neural_net = tf_keras.Sequential([layer, *heads[form]])
    predicted = predict_by_draws(neural_net, INPUTS, NUM_DRAWS, 1, likelihood=likelihood)
    yes = scipy.special.expit(raw)
    assert predicted.kind == "yes or no"
    np.testing.assert_allclose(predicted.draws, yes, rtol=1e-4, atol=2e-7)
    both = np.concatenate([1 - yes, yes], axis=-1)
    mean = both.mean(axis=0)
    expected = scipy.special.entr(both).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(predicted.aleatoric[:, 0], expected, rtol=1e-3)
    disagreement = scipy.special.entr(mean).sum(axis=-1) - expected
    np.testing.assert_allclose(predicted.epistemic[:, 0], disagreement, rtol=1e-3, atol=1e-6)
    targets = np.array([[0], [1], [1], [0], [1], [0], [0]])
    score = predicted.log_predictive_density(targets)
    np.testing.assert_allclose(score, np.log(mean[np.arange(7), targets[:, 0]]), rtol=1e-3)
    with pytest.raises(ValueError, match=r"targets\[0, 0\] is 2"):
        predicted.log_predictive_density(targets + 2)


# Several predictions for each example


def test_pixels_are_scored_together_and_described_one_by_one():
    images = RNG.normal(size=(7, 4, 2, 3)).astype(np.float32)
    neural_net = tf_keras.Sequential([tfpl.Convolution2DFlipout(3, 1)])
    predicted = predict_by_draws(neural_net, images, 9, likelihood=LOGITS)
    labels = RNG.integers(0, 3, size=(7, 4, 2))
    assert predicted.draws.shape == (9, 7, 4, 2, 3)
    assert predicted.epistemic.shape == predicted.aleatoric.shape == (7, 4, 2)
    true = np.take_along_axis(predicted.draws, labels[None, ..., None], axis=-1)
    expected = log_mean_exp(np.log(true).sum(axis=(2, 3, 4)))
    np.testing.assert_allclose(predicted.log_predictive_density(labels), expected, rtol=1e-6)


def test_padded_steps_count_for_nothing():
    tokens = np.array([[3, 1, 2, 4], [2, 5, 0, 0], [1, 0, 0, 0], [4, 4, 1, 0], [5, 0, 0, 0]])
    layer = tfpl.DenseReparameterization(3)
    layer.supports_masking = True  # TFP's layers drop the mask otherwise, under fit as well
    neural_net = tf_keras.Sequential([tf_keras.layers.Embedding(6, 5, mask_zero=True), layer])
    predicted = predict_by_draws(neural_net, tokens, 9, likelihood=LOGITS)
    labels = RNG.integers(0, 3, size=tokens.shape)
    true = np.take_along_axis(predicted.draws, labels[None, ..., None], axis=-1)[..., 0]
    expected = log_mean_exp((np.log(true) * (tokens > 0)).sum(axis=2))
    np.testing.assert_allclose(predicted.log_predictive_density(labels), expected, rtol=1e-6)


# Several inputs and outputs


def two_headed(as_dict=False):
    left, right = tf_keras.Input((3,), name="left"), tf_keras.Input((2,), name="right")
    both = tf_keras.layers.Concatenate()([left, right])
    hidden = tfpl.DenseReparameterization(4, "relu", name="hidden")(both)
    value = tfpl.DenseReparameterization(2, name="value")(hidden)
    value = ending_in(lambda t: tfd.Normal(t[..., :1], positive(t[..., 1:])))(value)
    kind = tfpl.DenseReparameterization(3, activation="softmax", name="kind")(hidden)
    outputs = {"value": value, "kind": kind} if as_dict else [value, kind]
    return tf_keras.Model([left, right], outputs)


@pytest.mark.parametrize("as_dict", [False, True])
def test_several_outputs_are_predicted_each_and_scored_together(as_dict):
    neural_net = two_headed(as_dict)
    predicted = predict_by_draws(neural_net, [INPUTS[:, :3], INPUTS[:, 3:]], 9, seed=4)
    assert isinstance(predicted, HeadsPredictions)
    value, kind = (predicted["value"], predicted["kind"]) if as_dict else predicted
    assert (value.kind, kind.kind) == ("values", "classes")
    assert value.draws.shape == (9, 7, 1)
    assert kind.draws.shape == (9, 7, 3)
    ys, labels = RNG.normal(size=(7, 1)), CLASS_NUMBERS
    scale = value._drawn.evaluate(0 if not as_dict else 1, lambda some, _: some.outputs.scale)
    by_value = scipy.stats.norm.logpdf(ys, value.draws, scale)[..., 0]
    by_kind = np.log(kind.draws[:, np.arange(7), labels])
    targets = {"value": ys, "kind": labels} if as_dict else [ys, labels]
    joint = predicted.log_predictive_density(targets)
    np.testing.assert_allclose(joint, log_mean_exp(by_value + by_kind), rtol=1e-4)
    apart = value.log_predictive_density(ys) + kind.log_predictive_density(labels)
    assert np.abs(joint - apart).max() > 5e-6  # they share the weights; rounding is 1e-7
    with pytest.raises(ValueError, match=r"There are 1 targets, but the network has 2 outputs"):
        predicted.log_predictive_density(ys)
    with pytest.raises(TypeError, match="several outputs"):
        np.asarray(predicted)


# Inputs of other forms


def test_words_and_whole_numbers_are_predicted():
    words = np.array(["a", "b", "c", "a", "d", "b", "a"])
    lookup = tf_keras.layers.StringLookup(vocabulary=["a", "b", "c"], output_mode="one_hot")
    dense = tfpl.DenseReparameterization(3)
    of_words = predict_by_draws(tf_keras.Sequential([lookup, dense]), words, 9, likelihood=LOGITS)
    rows = np.eye(4, dtype=np.float32)[[1, 2, 3, 1, 0, 2, 1]]
    of_rows = predict_by_draws(tf_keras.Sequential([dense]), rows, 9, likelihood=LOGITS)
    np.testing.assert_allclose(of_words.draws, of_rows.draws, rtol=1e-5)
    numbers = np.array([[1], [2], [3], [1], [0], [2], [1]])
    embedding = tf_keras.layers.Embedding(4, 4, embeddings_initializer="identity")
    flat = tf_keras.layers.Flatten()
    by_number = tf_keras.Sequential([embedding, flat, dense])
    of_numbers = predict_by_draws(by_number, numbers, 9, likelihood=LOGITS)
    np.testing.assert_allclose(of_numbers.draws, of_rows.draws, rtol=1e-5)
    frame = pd.DataFrame(rows, columns=list("wxyz"))
    of_frame = predict_by_draws(tf_keras.Sequential([dense]), frame, 9, likelihood=LOGITS)
    np.testing.assert_array_equal(of_frame.draws, of_rows.draws)


MANY = np.random.default_rng(8).normal(size=(107, 5)).astype(np.float32)
MANY_TARGETS = np.random.default_rng(9).integers(0, 3, size=107)


class Batches(tf_keras.utils.Sequence):
    def __len__(self):
        return 11

    def __getitem__(self, index):
        rows = slice(10 * index, 10 * index + 10)
        return MANY[rows], MANY_TARGETS[rows]


def _datasets():
    rows = tf.data.Dataset.from_tensor_slices
    yield rows(MANY).batch(25)
    yield rows((MANY, MANY_TARGETS)).batch(32)
    yield rows((MANY, MANY_TARGETS, np.ones(107))).batch(107).prefetch(1)
    yield Batches()


@pytest.mark.parametrize("small_blocks", [False, True])
def test_a_dataset_gives_what_its_arrays_give_whatever_the_batches(small_blocks, monkeypatch):
    if small_blocks:
        monkeypatch.setattr("helpers.prediction.input_blocks.MOST_OF_A_STREAM", 64)
    neural_net = tf_keras.Sequential([tfpl.DenseFlipout(4, "relu"), tfpl.DenseFlipout(3)])
    whole = predict_by_draws(neural_net, MANY, 7, seed=3, likelihood=LOGITS)
    density = whole.log_predictive_density(MANY_TARGETS)
    for number, dataset in enumerate(_datasets()):
        predicted = predict_by_draws(neural_net, dataset, 7, seed=3, likelihood=LOGITS)
        np.testing.assert_allclose(predicted.draws, whole.draws, rtol=1e-4, atol=1e-6)
        if number == 0:
            with pytest.raises(ValueError, match="the inputs brought none"):
                predicted.log_predictive_density()
        else:
            np.testing.assert_allclose(predicted.log_predictive_density(), density, rtol=1e-4)
        with pytest.raises(TypeError, match="may come in another order"):
            predicted.log_predictive_density(dataset)


def test_the_targets_of_a_shuffled_dataset_stay_beside_their_predictions():
    rows = tf.data.Dataset.from_tensor_slices((MANY, MANY_TARGETS)).shuffle(107).batch(20)
    neural_net = tf_keras.Sequential([tfpl.DenseReparameterization(3)])
    whole = predict_by_draws(neural_net, MANY, 7, seed=3, likelihood=LOGITS)
    predicted = predict_by_draws(neural_net, rows, 7, seed=3, likelihood=LOGITS)
    found, wanted = predicted.log_predictive_density(), whole.log_predictive_density(MANY_TARGETS)
    np.testing.assert_allclose(np.sort(found), np.sort(wanted), rtol=1e-4)
    assert np.abs(found - wanted).max() > 0.1


def test_batches_of_different_shapes_are_refused():
    batches = [np.ones((3, 5, 2), np.float32), np.ones((3, 6, 2), np.float32)]
    spec = tf.TensorSpec([None, None, 2])
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    with pytest.raises(ValueError, match="pad all to one length"):
        predict_by_draws(tf_keras.Sequential([tfpl.DenseFlipout(3)]), dataset, 2, likelihood=LOGITS)


# Asked for, or refused


def test_outputs_of_which_nothing_is_known_are_asked_for():
    neural_net = tf_keras.Sequential([tfpl.DenseFlipout(3)])
    with pytest.raises(ValueError, match=r"nothing says what they are\. Pass likelihood="):
        predict_by_draws(neural_net, INPUTS, 3)
    neural_net.compile("adam", "mse")
    with pytest.raises(ValueError, match="no log-likelihood"):
        predict_by_draws(neural_net, INPUTS, 3)
    neural_net.compile("adam", LOGITS)
    assert predict_by_draws(neural_net, INPUTS, 3).kind == "classes"


def test_a_network_that_was_trained_is_known():
    neural_net = tf_keras.Sequential([tfpl.DenseFlipout(3)])
    train_by_elbo(neural_net, INPUTS, CLASS_NUMBERS, num_epochs=1, batch_size=4)
    assert predict_by_draws(neural_net, INPUTS, 3).kind == "classes"


def test_a_function_of_targets_and_outputs_is_a_distribution_only_where_it_takes_a_log_prob():
    layer, raw = layer_and_draws(1)
    neural_net = tf_keras.Sequential([layer])

    def of_log_prob(targets, outputs):
        return -tfd.Laplace(outputs, 0.5).log_prob(targets)

    def by_hand(targets, outputs):
        return tf.abs(targets - outputs) / 0.5 + tf.math.log(1.0)

    predicted = predict_by_draws(neural_net, INPUTS, NUM_DRAWS, 1, likelihood=of_log_prob)
    np.testing.assert_allclose(predicted.aleatoric, 2 * 0.5**2, rtol=1e-6)
    unknown = predict_by_draws(neural_net, INPUTS, NUM_DRAWS, 1, likelihood=by_hand)
    targets = RNG.normal(size=7)
    for found in (predicted, unknown):  # 2 · 0.5 = 1 normalises
        logs = -np.abs(targets - raw[..., 0]) / 0.5
        np.testing.assert_allclose(
            found.log_predictive_density(targets), log_mean_exp(logs), rtol=1e-4, atol=1e-5
        )
    for use in (lambda: unknown.mean, lambda: unknown.interval(0.9), lambda: unknown.aleatoric):
        with pytest.raises(ValueError, match=r"likelihood=lambda outputs: tfd\.Normal"):
            use()


def test_levels_draws_and_ends_that_say_nothing_are_refused():
    layer, _ = layer_and_draws(1)
    neural_net = tf_keras.Sequential([layer, ending_in(lambda t: tfd.Normal(t, 1.0))])
    predicted = predict_by_draws(neural_net, INPUTS, 38, 1)
    for level in (0, 1, 95, -0.1, np.nan):
        with pytest.raises(ValueError, match="give a share between 0 and 1"):
            predicted.interval(level)
    with pytest.raises(ValueError, match="needs at least 39 draws"):
        predicted.interval(0.95, of="mean")
    with pytest.raises(ValueError, match='say "observation" or "mean"'):
        predicted.interval(0.95, of="weights")
    one = predict_by_draws(neural_net, INPUTS, 1, 1)
    for use in (lambda: one.epistemic, lambda: one.stddev):
        with pytest.raises(ValueError, match="num_draws of at least 2"):
            use()


def test_a_network_without_noise_has_no_epistemic_part():
    neural_net = tf_keras.Sequential(
        [tf_keras.layers.Dense(1), ending_in(lambda t: tfd.Normal(t, 0.5))]
    )
    predicted = predict_by_draws(neural_net, INPUTS, 3)
    np.testing.assert_allclose(predicted.epistemic, 0, atol=1e-12)
    exact = scipy.stats.norm(neural_net.layers[0](INPUTS).numpy(), 0.5)
    low, high = predicted.interval(0.8)
    np.testing.assert_allclose(exact.cdf(high) - exact.cdf(low), 0.8, atol=0.03)
    np.testing.assert_allclose(predicted.stddev, 0.5, rtol=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (CLASS_NUMBERS[:5], r"\[5, 7\] rows"),
        (CLASS_NUMBERS + 1, r"targets\[1\] is 3, but the network has 3 outputs"),
        (CLASS_NUMBERS + 0.5, "must be whole numbers"),
        (np.eye(3)[CLASS_NUMBERS], "pass one class number for each prediction"),
        (np.array(list("abcabca")), "must be numbers"),
        ([CLASS_NUMBERS, CLASS_NUMBERS], "There are 2 targets, but the network has 1 outputs"),
        (None, "Pass the targets"),
    ],
)
@pytest.mark.parametrize("as_distribution", [False, True])
def test_targets_are_checked(targets, message, as_distribution):
    layer, _ = layer_and_draws(3)
    head = [ending_in(lambda t: tfd.Categorical(logits=t))] if as_distribution else []
    likelihood = None if as_distribution else LOGITS
    predicted = predict_by_draws(
        tf_keras.Sequential([layer, *head]), INPUTS, 5, likelihood=likelihood
    )
    with pytest.raises(ValueError, match=message):
        predicted.log_predictive_density(targets)


def test_targets_that_would_be_broadcast_or_have_no_density_are_refused():
    layer, _ = layer_and_draws(2)
    flat = ending_in(lambda t: tfd.Normal(t[..., 0], 1.0))
    predicted = predict_by_draws(tf_keras.Sequential([layer, flat]), INPUTS, 5)
    with pytest.raises(ValueError, match="every target under every prediction"):
        predicted.log_predictive_density(np.ones((7, 1)))
    positive_only = ending_in(lambda t: tfd.LogNormal(t[..., 0], 1.0))
    predicted = predict_by_draws(tf_keras.Sequential([layer, positive_only]), INPUTS, 5)
    with pytest.raises(
        ValueError, match=r"of 2 of 7 targets is not a number, the first at index 3"
    ):
        predicted.log_predictive_density(np.array([1, 2, 3, -4, 5, -6, 7.0]))


def test_a_mean_that_does_not_exist_or_is_unknown_is_refused_but_not_the_rest():
    layer, raw = layer_and_draws(1)
    bijector = tfp.bijectors.Softplus()
    heads = {
        "has no mean": lambda t: tfd.Cauchy(t, 1.0),
        "knows no formula": lambda t: tfd.TransformedDistribution(tfd.Normal(t, 1.0), bijector),
    }
    for message, head in heads.items():
        neural_net = tf_keras.Sequential([layer, ending_in(head)])
        predicted = predict_by_draws(neural_net, INPUTS, NUM_DRAWS, 1)
        with pytest.raises(ValueError, match=message):
            _ = predicted.mean
        _, high = predicted.interval(0.5)
        back = high if "no mean" in message else np.log(np.expm1(high))
        law = scipy.stats.cauchy if "no mean" in message else scipy.stats.norm
        np.testing.assert_allclose(law(raw, 1).cdf(back).mean(axis=0), 0.75, atol=0.03)


def test_outputs_that_are_no_numbers_or_no_rows_are_refused():
    layer, _ = layer_and_draws(1)
    layer.trainable_weights[2].assign([np.nan])  # of the bias

    def log_rates(outputs):
        return tfd.Poisson(log_rate=outputs)

    with pytest.raises(ValueError, match="puts out NaN"):
        predict_by_draws(tf_keras.Sequential([layer]), INPUTS, 3, likelihood=log_rates)
    mean = tf_keras.layers.Lambda(lambda x: tf.reduce_mean(x, axis=0))
    with pytest.raises(ValueError, match="the first axis must count the examples"):
        predict_by_draws(tf_keras.Sequential([mean]), INPUTS, 3, likelihood=LOGITS)


def test_predictions_say_what_they_are():
    layer, _ = layer_and_draws(3)
    predicted = predict_by_draws(tf_keras.Sequential([layer]), INPUTS, 5, likelihood=LOGITS)
    assert repr(predicted) == "<Predictions of classes: 5 draws of 7 examples>"
    assert (predicted.num_draws, predicted.num_examples) == (5, 7)
    assert np.asarray(predicted, np.float32).dtype == np.float32
