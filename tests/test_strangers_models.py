"""Models as strangers publish them: each tool is right, or says what to write."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import NIGHTLY, THIRD

from helpers.checkup import checkup
from helpers.checkup.measure.known_losses import smoothing
from helpers.prediction.predict import predict_by_draws
from helpers.training import train_by_elbo

pytestmark = THIRD

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers
ROWS, FEATURES, WIDTH, CLASSES = 7, 4, 5, 3
RNG = np.random.default_rng(23)
INPUTS = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0, 2, 1])
ONE_HOT = np.eye(CLASSES, dtype=np.float32)[LABELS]
COUNTS = np.array([[3], [0], [1], [7], [2], [0], [4]])


def flipout(units, activation=None, count=ROWS, **options):
    """A layer so narrow that every draw is its mean."""
    start = tf_keras.initializers.Constant(-12.0)
    posterior = tfpl.default_mean_field_normal_fn(untransformed_scale_initializer=start)
    options["kernel_divergence_fn"] = lambda q, p, _: tfd.kl_divergence(q, p) / count
    return tfpl.DenseFlipout(units, activation, kernel_posterior_fn=posterior, **options)


def divided():
    return {"kernel_divergence_fn": lambda q, p, _: tfd.kl_divergence(q, p) / ROWS}


def minus_log_prob(y, rv):
    return -rv.log_prob(y)


def counts_network():
    """A negative binomial of counts, whose log_prob takes no whole numbers."""

    def make(t):
        return tfd.NegativeBinomial(tf.math.softplus(t[..., :1]), logits=t[..., 1:])

    network = tf_keras.Sequential([flipout(2), tfpl.DistributionLambda(make)])
    network.compile(tf_keras.optimizers.SGD(1e-9), minus_log_prob)
    return network


@pytest.mark.parametrize("likelihood", [None, minus_log_prob], ids=["compiled", "said"])
def test_whole_counts_beside_a_distribution_of_floats_train(likelihood):
    network = counts_network()
    made = network(INPUTS)
    totals, logits = (np.asarray(x, float) for x in (made.total_count, made.logits))
    nats = -scipy.stats.nbinom.logpmf(COUNTS, totals, 1 - scipy.special.expit(logits))
    options = {"likelihood": likelihood, "batch_size": ROWS, "progress": False}
    history = train_by_elbo(network, INPUTS, COUNTS, num_epochs=1, **options)
    np.testing.assert_allclose(history["negative_log_likelihood"][0], nats.mean(), rtol=1e-4)


@pytest.mark.parametrize("eagerly", [True, False])
def test_whole_counts_are_blamed_and_not_the_inputs(eagerly):
    network = counts_network()
    network.compile("sgd", minus_log_prob, run_eagerly=eagerly)
    (alarm,) = checkup(network, INPUTS, COUNTS, num_examples=ROWS).alarms
    assert alarm.kind == "cannot-run"
    assert alarm.cure == "targets.astype('float32')."
    assert "requested dtype float32 for Tensor with dtype int" in alarm.message
    assert 'File "' not in alarm.message


def test_whole_inputs_are_still_blamed():
    network = tf_keras.Sequential([flipout(2)])
    (alarm,) = checkup(network, (10 * INPUTS).astype(int), COUNTS, num_examples=ROWS).alarms
    assert "inputs.astype('float32')" in alarm.cure


def rescaled(outputs, slope, spread):
    """Minus the mean log-likelihood of labels of which a share is spread over all classes."""
    logs = scipy.special.log_softmax(outputs, axis=-1)
    return -(slope * logs[np.arange(ROWS), LABELS] + spread * logs.mean(axis=-1)).mean()


def test_smoothing_is_what_is_left_beside_the_labels_own():
    states = [RNG.normal(size=(ROWS, CLASSES)) for _ in range(3)]
    known = np.array([rescaled(outputs, 1, 0) for outputs in states])
    even = np.array([rescaled(outputs, 0, 1) for outputs in states])
    rest = np.array([rescaled(outputs, 0.8, 0.2) for outputs in states]) - 0.8 * known
    assert smoothing(rest, even, 0.8) == pytest.approx(0.2)
    assert np.isnan(smoothing(0.0 * rest, even, 0.8))
    assert np.isnan(smoothing(rest + np.array([0.0, 0.5, 0.0]), even, 0.8))  # another penalty
    assert np.isnan(smoothing(rest, np.ones(3), 0.8))  # a constant is no smoothing


def smoothed_by_hand(y, outputs):
    options = {"from_logits": True, "label_smoothing": 0.2}
    return tf_keras.losses.categorical_crossentropy(y, outputs, **options)


SEVERAL = np.stack([LABELS > 0, LABELS > 1], axis=1).astype(np.float32)
SMOOTHED = {
    "softmax": (
        CLASSES,
        "softmax",
        tf_keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        ONE_HOT,
        0.1,
    ),
    "by hand": (CLASSES, None, smoothed_by_hand, ONE_HOT, 0.2),
    "two columns of yes or no": (
        2,
        "sigmoid",
        tf_keras.losses.BinaryCrossentropy(label_smoothing=0.3),
        SEVERAL,
        0.3,
    ),
}


@pytest.mark.parametrize("case", SMOOTHED)
def test_smoothed_labels_are_named_and_the_kl_is_not_blamed(case):
    units, activation, loss, targets, share = SMOOTHED[case]
    network = tf_keras.Sequential([tfpl.DenseFlipout(units, activation, **divided())])
    network.compile(tf_keras.optimizers.Adam(0.01), loss)
    report = checkup(network, INPUTS, targets, num_examples=ROWS)
    (alarm,) = report.alarms
    assert alarm.kind == "no-likelihood"
    assert alarm.value == pytest.approx(share, abs=1e-3)
    assert "label_smoothing at 0" in alarm.cure
    with pytest.raises(ValueError, match=r"smooths the labels|loss of your own"):
        train_by_elbo(network, INPUTS, targets, num_epochs=1, batch_size=ROWS)


MIXTURES = {
    "MixtureNormal": lambda: tfpl.MixtureNormal(3, [1]),
    "MixtureLogistic": lambda: tfpl.MixtureLogistic(3, [1]),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_the_components_of_a_mixture_are_no_codes(name):
    head = MIXTURES[name]()
    layer = tfpl.DenseReparameterization(head.params_size(3, [1]), **divided())
    network = tf_keras.Sequential([layer, head])
    network.compile(tf_keras.optimizers.Adam(0.01), minus_log_prob)
    report = checkup(network, INPUTS, INPUTS[:, :1], num_examples=ROWS)
    assert report.ok, str(report)
    assert "kl-missing" not in report.kinds()


HEADS = {"OneHotCategorical": tfpl.OneHotCategorical, "Bernoulli": tfpl.IndependentBernoulli}


@pytest.mark.parametrize("name", HEADS)
def test_class_numbers_beside_rows_of_classes_are_not_right(name):
    network = tf_keras.Sequential([tfpl.DenseFlipout(CLASSES, **divided()), HEADS[name](CLASSES)])
    network.compile(tf_keras.optimizers.Adam(0.01), minus_log_prob)
    wrong = checkup(network, INPUTS, LABELS, num_examples=ROWS)
    assert {finding.kind for finding in wrong.alarms} == {"targets-not-paired"}, str(wrong)
    assert "tf.one_hot(targets, 3)" in wrong.alarms[0].cure
    assert checkup(network, INPUTS, ONE_HOT, num_examples=ROWS).ok


TEXTS = np.array([["good"], ["bad film"], ["good film"], ["bad"], ["so so"], ["good"], ["bad"]])


def text_network(texts=TEXTS):
    """A classifier of texts whose vocabulary was learned: the layer holds it beside its weights."""
    vectorize = layers.TextVectorization(max_tokens=9, output_sequence_length=3)
    vectorize.adapt(texts)
    return tf_keras.Sequential(
        [
            tf_keras.Input((1,), dtype=tf.string),
            vectorize,
            layers.Embedding(9, WIDTH, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            flipout(CLASSES, "softmax"),
        ]
    )


def test_texts_with_a_learned_vocabulary_are_predicted(tmp_path):
    network = text_network()
    network.compile(tf_keras.optimizers.SGD(1e-9), "sparse_categorical_crossentropy")
    options = {"num_epochs": 1, "batch_size": ROWS, "progress": False, "folder": tmp_path}
    history = train_by_elbo(network, TEXTS, LABELS, **options)
    found = predict_by_draws(network, TEXTS, 4)
    expected = np.asarray(network(tf.constant(TEXTS)), float)
    np.testing.assert_allclose(found.mean, expected, rtol=1e-4)
    nats = -np.log(expected[np.arange(ROWS), LABELS])
    np.testing.assert_allclose(history["negative_log_likelihood"][0], nats.mean(), rtol=1e-4)


def test_a_training_on_texts_goes_on_with_the_same_vocabulary_only(tmp_path):
    def train(texts, num_epochs):
        tf_keras.utils.set_random_seed(1)
        network = text_network(texts)
        network.compile(tf_keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        options = {"batch_size": 4, "progress": False, "folder": tmp_path, "resume": True}
        return train_by_elbo(network, TEXTS, LABELS, num_epochs=num_epochs, **options)

    first, both = train(TEXTS, 1), train(TEXTS, 2)
    assert len(both) == 2 * len(first)
    np.testing.assert_array_equal(both["loss"][: len(first)], first["loss"])
    with pytest.raises(ValueError, match="vocabulary"):
        train(TEXTS[:2], 3)


@pytest.mark.parametrize("given", ["adam", tf_keras.optimizers.Adam(0.01)], ids=["name", "object"])
def test_an_optimizer_that_scales_the_loss_is_looked_into(given):
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        head = tfpl.DenseReparameterization(CLASSES, dtype="float32", **divided())
        network = tf_keras.Sequential([layers.Dense(WIDTH, "relu"), head])
        network.compile(given, tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        report = checkup(network, INPUTS, LABELS, num_examples=ROWS)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert report.ok, str(report)
    assert not {"not-checked", "learning-rate-default"} & report.kinds()


def full_posterior(kernel_size, bias_size=0, dtype=None):
    """The posterior of keras.io's tutorial: all covariances are learned."""
    size = kernel_size + bias_size
    normal = tfpl.MultivariateNormalTriL
    return tf_keras.Sequential(
        [tfpl.VariableLayer(normal.params_size(size), dtype=dtype), normal(size)]
    )


def still_prior(kernel_size, bias_size=0, dtype=None):
    """Its prior."""
    zeros = tf.zeros(kernel_size + bias_size, dtype)
    make = lambda _: tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))  # noqa: E731
    return tf_keras.Sequential([tfpl.DistributionLambda(make)])


ENDS = {
    "softmax": (CLASSES, "softmax", "sparse_categorical_crossentropy", LABELS),
    "one-hot": (CLASSES, "softmax", "categorical_crossentropy", ONE_HOT),
    "sigmoid": (1, "sigmoid", "binary_crossentropy", ONE_HOT[:, :1]),
}


@pytest.mark.parametrize(
    "end", ["softmax", *(pytest.param(end, marks=NIGHTLY) for end in ("one-hot", "sigmoid"))]
)
def test_probabilities_that_saturate_are_known(end):
    units, activation, loss, targets = ENDS[end]
    options = {"kl_weight": 1 / ROWS, "kl_use_exact": True, "activation": activation}
    network = tf_keras.Sequential(
        [tfpl.DenseVariational(units, full_posterior, still_prior, **options)]
    )
    network.compile(tf_keras.optimizers.Adam(0.01), loss)
    report = checkup(network, 9 * INPUTS, targets, num_examples=ROWS)
    assert report.ok, str(report)


@pytest.mark.parametrize("end", ENDS)
def test_small_probabilities_count_in_full_as_for_keras(end):
    tf_keras.utils.set_random_seed(4)
    units, activation, loss, targets = ENDS[end]
    network = tf_keras.Sequential([flipout(units, activation)])
    network.compile(tf_keras.optimizers.SGD(1e-9), loss)
    inputs = 1500 * INPUTS  # whatever start the initialiser of all layers drew
    options = {"num_epochs": 1, "batch_size": ROWS, "progress": False}
    history = train_by_elbo(network, inputs, targets, **options)
    total = network.evaluate(inputs, targets, verbose=0)
    network(inputs)
    nats = total - float(sum(network.losses))
    assert nats > 17  # a mean that a bound of 16 nats for each would not let be
    np.testing.assert_allclose(history["negative_log_likelihood"][0], nats, rtol=1e-3)


@pytest.mark.parametrize("end", ENDS)
def test_predictions_score_small_probabilities_in_full_too(end):
    """Logits up to some hundreds: a sigmoid of them is 1 in float32, and says nothing of no."""
    tf_keras.utils.set_random_seed(4)
    units, activation, loss, targets = ENDS[end]
    network = tf_keras.Sequential([tf_keras.layers.Dense(units, activation)])
    network.compile("adam", loss)
    inputs = 300 * INPUTS
    found = predict_by_draws(network, inputs, 2).log_predictive_density(targets)
    kernel, bias = (weight.astype(float) for weight in network.get_weights())
    logits = inputs.astype(float) @ kernel + bias
    targets = np.asarray(targets)
    if end == "sigmoid":
        expected = -np.logaddexp(0, np.where(targets > 0, -logits, logits)).sum(axis=1)
    else:
        logs = logits - scipy.special.logsumexp(logits, axis=1, keepdims=True)
        labels = targets.argmax(axis=1) if end == "one-hot" else targets.ravel()
        expected = logs[np.arange(len(logs)), labels]
    assert expected.min() < -150
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_yes_or_no_beside_a_softmax_is_refused():
    network = tf_keras.Sequential([tfpl.DenseFlipout(2, "softmax", **divided())])
    network.compile(tf_keras.optimizers.Adam(0.01), "binary_crossentropy")
    rows = np.eye(2, dtype=np.float32)[LABELS % 2]
    with pytest.raises(ValueError, match="beside a softmax is no likelihood"):
        train_by_elbo(network, INPUTS, rows, num_epochs=1, batch_size=ROWS)
    with pytest.raises(ValueError, match="take categorical_crossentropy"):
        predict_by_draws(network, INPUTS, 3)
    assert not checkup(network, INPUTS, rows, num_examples=ROWS).ok


@pytest.mark.parametrize(("reduce", "kinds"), [("sum", ["kl-wrong-count"]), ("mean", [])])
def test_a_divergence_that_sums_over_draws_is_told_to_take_their_mean(reduce, kinds):
    combine = {"sum": tf.reduce_sum, "mean": tf.reduce_mean}[reduce]

    def drawn(q, p, _):
        weights = q.sample(6)
        return combine(q.log_prob(weights) - p.log_prob(weights)) / ROWS

    layer = tfpl.DenseFlipout(CLASSES, kernel_divergence_fn=drawn)
    network = tf_keras.Sequential([layer])
    network.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    report = checkup(network, INPUTS, LABELS, num_examples=ROWS)
    assert [alarm.kind for alarm in report.alarms] == kinds
    for alarm in report.alarms:
        assert "sums over 6 draws of the weights" in alarm.message
        assert (
            alarm.cure
            == f"Take the mean over the draws (tf.reduce_mean), and divide it by {ROWS}, once."
        )
