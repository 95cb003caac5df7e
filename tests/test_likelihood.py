"""What a network puts out, and the log-likelihood of it: SciPy's numbers, or a question."""

import re

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.model.likelihood import predictions_per_example
from helpers.model.outputs import find_likelihood, remember_likelihood

tfd, tfpl = tfp.distributions, tfp.layers
K, L = tf_keras.losses, tf_keras.layers
RNG = np.random.default_rng(0)
BATCH, CLASSES = 7, 3
LABELS = RNG.integers(0, CLASSES, BATCH)
ROWS = np.eye(CLASSES, dtype=np.float32)[LABELS]
LOGITS = RNG.normal(size=(BATCH, CLASSES)).astype(np.float32)
SHARES = scipy.special.softmax(LOGITS, axis=-1)
VALUES = RNG.normal(size=(BATCH, 1)).astype(np.float32)
ONE = RNG.normal(size=(BATCH, 1)).astype(np.float32)
YES = RNG.integers(0, 2, (BATCH, 1)).astype(np.float32)
MANY = RNG.integers(0, 2, (BATCH, 4)).astype(np.float32)
FOUR = RNG.normal(size=(BATCH, 4)).astype(np.float32)
PIXELS = RNG.normal(size=(BATCH, 4, 6, CLASSES)).astype(np.float32)
MAP = RNG.integers(0, CLASSES, (BATCH, 4, 6))
COUNTS = RNG.poisson(2.0, (BATCH, 1)).astype(np.float32)
NOISE = 0.3


class Puts(tf_keras.Model):
    """A network that puts out what it is told."""

    def __init__(self, outputs, activation=None):
        super().__init__()
        self.made, self.last = outputs, L.Activation(activation or "linear")

    def call(self, inputs):
        return self.made


def found(outputs, targets, given=None, compiled=None):
    """Return the negative log-likelihoods [batch] and the likelihood, for constant outputs."""
    outputs = tf.nest.map_structure(tf.constant, outputs)
    network = Puts(outputs)
    if compiled is not None:
        network.compile("adam", compiled)
    targets = None if targets is None else tf.nest.map_structure(tf.constant, targets)
    likelihood = find_likelihood(network, outputs, targets, given)
    return likelihood.of_examples(targets, outputs).numpy(), likelihood


def of_classes(logits, labels):
    logs = scipy.special.log_softmax(logits.astype(float), axis=-1)
    chosen = np.take_along_axis(logs, labels[..., None], -1)
    return -chosen.reshape(len(labels), -1).sum(axis=1)


def of_yes(logits, yes):
    sign = 2.0 * yes - 1.0
    return np.logaddexp(0.0, -sign * logits.astype(float)).sum(axis=1)


def gaussian(targets, outputs):
    return -tfd.Normal(outputs, NOISE).log_prob(targets)


def mean_gaussian(targets, outputs):
    return tf.reduce_mean(gaussian(targets, outputs))


def own_cross_entropy(targets, outputs):
    labels = tf.cast(tf.reshape(targets, [-1]), tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)


OF_VALUES = -scipy.stats.norm.logpdf(VALUES, ONE, NOISE)[:, 0]
ACCEPTED = {
    "class numbers beside columns": (LOGITS, LABELS, None, None, of_classes(LOGITS, LABELS)),
    "class numbers in a column": (LOGITS, LABELS[:, None], None, None, of_classes(LOGITS, LABELS)),
    "probabilities": (SHARES, LABELS, None, None, of_classes(LOGITS, LABELS)),
    "probabilities, one-hot": (SHARES, ROWS, None, None, of_classes(LOGITS, LABELS)),
    "compiled, logits": (
        LOGITS,
        LABELS,
        None,
        K.SparseCategoricalCrossentropy(from_logits=True),
        of_classes(LOGITS, LABELS),
    ),
    "compiled by name": (
        SHARES,
        LABELS,
        None,
        "sparse_categorical_crossentropy",
        of_classes(LOGITS, LABELS),
    ),
    "compiled, one-hot": (
        LOGITS,
        ROWS,
        None,
        K.CategoricalCrossentropy(from_logits=True),
        of_classes(LOGITS, LABELS),
    ),
    "pixels": (
        PIXELS,
        MAP,
        K.SparseCategoricalCrossentropy(from_logits=True),
        None,
        of_classes(PIXELS, MAP),
    ),
    "pixels with a last axis": (
        PIXELS,
        MAP[..., None],
        None,
        K.SparseCategoricalCrossentropy(from_logits=True),
        of_classes(PIXELS, MAP),
    ),
    "yes or no": (ONE, YES, K.BinaryCrossentropy(from_logits=True), None, of_yes(ONE, YES)),
    "yes or no, one axis": (
        ONE,
        YES[:, 0],
        K.BinaryCrossentropy(from_logits=True),
        None,
        of_yes(ONE, YES),
    ),
    "many labels": (
        FOUR,
        MANY,
        None,
        K.BinaryCrossentropy(from_logits=True),
        of_yes(FOUR, MANY),
    ),
    "many probabilities": (
        scipy.special.expit(FOUR),
        MANY,
        "binary_crossentropy",
        None,
        of_yes(FOUR, MANY),
    ),
    "counts": (
        np.exp(ONE),
        COUNTS,
        "poisson",
        None,
        -scipy.stats.poisson.logpmf(COUNTS, np.exp(ONE))[:, 0],
    ),
    "a function": (ONE, VALUES, gaussian, None, OF_VALUES),
    "a function, targets of one axis": (ONE, VALUES[:, 0], gaussian, None, OF_VALUES),
    "a function of outputs": (ONE, VALUES, lambda t: tfd.Normal(t, NOISE), None, OF_VALUES),
    "compiled function": (ONE, VALUES, None, gaussian, OF_VALUES),
    "compiled mean": (ONE, VALUES, None, mean_gaussian, OF_VALUES),
    "compiled own cross-entropy": (
        LOGITS,
        LABELS,
        None,
        own_cross_entropy,
        of_classes(LOGITS, LABELS),
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_log_likelihood_of_an_example_is_scipys(case):
    outputs, targets, given, compiled, expected = ACCEPTED[case]
    nats, _ = found(outputs, targets, given, compiled)
    np.testing.assert_allclose(nats, expected, rtol=2e-5, atol=1e-5)


def normal(t):
    return tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:]))


def flat_normal(t):
    return tfd.Normal(t[..., 0], 1e-3 + tf.nn.softplus(t[..., 1]))


TWO = RNG.normal(size=(BATCH, 2)).astype(np.float32)


def of_distribution(make, outputs, targets, compiled=None, given=None):
    network = tf_keras.Sequential([L.Layer(), tfpl.DistributionLambda(make)])
    made = network(tf.constant(outputs))
    if compiled is not None:
        network.compile("adam", compiled)
    likelihood = find_likelihood(network, made, tf.constant(targets), given)
    return likelihood.of_examples(tf.constant(targets), made).numpy()


@pytest.mark.parametrize(
    ("make", "targets"),
    [(normal, VALUES), (normal, VALUES[:, 0]), (flat_normal, VALUES[:, 0])],
)
@pytest.mark.parametrize("compiled", [None, lambda y, rv: -rv.log_prob(y)])
def test_a_distribution_has_its_own_log_likelihood(make, targets, compiled):
    stddev = 1e-3 + np.logaddexp(0, TWO[:, 1].astype(float))
    expected = -scipy.stats.norm.logpdf(VALUES[:, 0], TWO[:, 0], stddev)
    nats = of_distribution(make, TWO, targets, compiled)
    np.testing.assert_allclose(nats, expected, rtol=1e-4)


def test_categorical_distributions_take_class_numbers_and_one_hot_rows():
    expected = of_classes(LOGITS, LABELS)
    by_number = of_distribution(lambda t: tfd.Categorical(logits=t), LOGITS, LABELS)
    by_row = of_distribution(lambda t: tfd.OneHotCategorical(logits=t), LOGITS, ROWS)
    np.testing.assert_allclose(by_number, expected, rtol=1e-5)
    np.testing.assert_allclose(by_row, expected, rtol=1e-5)


REFUSED = {
    "broadcast": (flat_normal, TWO, VALUES, None, r"t\[\.\.\., :1\] in place of t\[\.\.\., 0\]"),
    "broadcast, compiled": (
        flat_normal,
        TWO,
        VALUES,
        lambda y, rv: -rv.log_prob(y),
        "every target under every prediction",
    ),
    "class numbers beside one-hot": (
        lambda t: tfd.OneHotCategorical(logits=t),
        LOGITS,
        LABELS,
        None,
        r"tf.one_hot\(targets, 3\)",
    ),
    "mse beside a distribution": (normal, TWO, VALUES, "mse", "compares the targets with a draw"),
    "another number": (
        normal,
        TWO,
        VALUES,
        lambda y, rv: -rv.log_prob(y) * rv.stddev(),
        "another number than -log_prob",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_targets_that_do_not_belong_to_a_distribution_are_refused(case):
    make, outputs, targets, compiled, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        of_distribution(make, outputs, targets, compiled)


FLOATS = LABELS.astype(np.float32)
SMOOTH = K.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
ASKED = {
    "mse": (ONE, VALUES, None, "mse", "mean_squared_error is no log-likelihood.*tfd.Normal"),
    "mae": (ONE, VALUES, None, "mae", "as one it would be a Laplace distribution"),
    "hinge": (ONE, VALUES, K.Hinge(), None, "hinge is no log-likelihood"),
    "own and unknown": (
        ONE,
        VALUES,
        None,
        lambda y, m: tf.abs(y - m) ** 1.5,
        "it is not known whether that is a negative log-likelihood",
    ),
    "weighted by targets": (
        ONE,
        VALUES,
        None,
        lambda y, m: (1 + y) * gaussian(y, m),
        "it is not known whether",
    ),
    "logits as probabilities": (
        LOGITS,
        LABELS,
        None,
        "sparse_categorical_crossentropy",
        r"do not sum to 1.*from_logits=True",
    ),
    "probabilities as logits": (
        SHARES,
        LABELS,
        K.SparseCategoricalCrossentropy(from_logits=True),
        None,
        "softmax once more",
    ),
    "no sigmoid": (ONE, YES, None, "binary_crossentropy", r"they leave \[0, 1\]"),
    "one column of classes": (ONE, YES, None, "sparse_categorical_crossentropy", "there is one"),
    "rates below 0": (ONE, COUNTS, "poisson", None, "nothing keeps them above 0.*softplus"),
    "smoothed": (LOGITS, ROWS, SMOOTH, None, "smooths the labels"),
    "one number for the batch": (ONE, VALUES, mean_gaussian, None, "one for each example"),
    "broadcast by a function": (
        ONE[:, 0],
        VALUES,
        gaussian,
        None,
        "depends on targets or predictions of others",
    ),
    "real numbers": (ONE, VALUES, None, None, "the noise must be known"),
    "0 and 1 beside a column": (ONE, YES, None, None, "logits of yes or no"),
    "rows of 0 and 1": (LOGITS, ROWS, None, None, "if each row is one class"),
    "whole numbers as floats": (LOGITS, FLOATS, None, None, r"targets.astype\(int\)"),
    "other columns": (
        FOUR,
        MANY[:, :3],
        K.BinaryCrossentropy(from_logits=True),
        None,
        "one target for each output",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_cannot_be_told_or_is_no_likelihood_is_refused(case):
    outputs, targets, given, compiled, sentence = ASKED[case]
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the sentence is compared below)
        found(outputs, targets, given, compiled)
    assert re.search(sentence, str(raised.value)), str(raised.value)


NEARLY_HALF = tf.constant([[0.4], [0.5], [0.6], [0.5], [0.4], [0.6], [0.5]])  # logits by chance


@pytest.mark.parametrize("way", ["said", "compiled"])
@pytest.mark.parametrize(
    ("activation", "loss", "sentence"),
    [
        (None, "binary_crossentropy", r"nothing keeps them in \[0, 1\]"),
        (None, "poisson", "nothing keeps them above 0"),
        ("sigmoid", K.BinaryCrossentropy(from_logits=True), "sigmoid once more"),
    ],
)
def test_outputs_that_look_right_by_chance_are_told_by_the_activation(
    way, activation, loss, sentence
):
    network = tf_keras.Sequential([L.Dense(1, activation)])
    network(tf.ones([1, 5]))
    if way == "compiled":
        network.compile("sgd", loss)
    said = loss if way == "said" else None
    targets = tf.constant(np.asarray(YES, np.float32))
    with pytest.raises(ValueError, match=sentence):
        find_likelihood(network, NEARLY_HALF, targets, said)


FROM_LOGITS = K.BinaryCrossentropy(from_logits=True)


def functional():
    inputs = tf_keras.Input([5])
    return tf_keras.Model(inputs, L.Reshape((1, 1))(L.Dense(1, "sigmoid")(inputs)))


# What stands last, the loss, and what is said of it, None for nothing.
BEHIND = {
    "sigmoid, then another shape": (
        [L.Dense(1, "sigmoid"), L.Reshape((1,))],
        FROM_LOGITS,
        "once more",
    ),
    "sigmoid by a function": ([L.Dense(1), L.Lambda(tf.sigmoid)], FROM_LOGITS, "probs=outputs"),
    "sigmoid for each step": (
        [L.Reshape((5, 1)), L.TimeDistributed(L.Dense(1, "sigmoid"))],
        FROM_LOGITS,
        "once more",
    ),
    "sigmoid in a functional model": ([functional(), L.Flatten()], FROM_LOGITS, "once more"),
    "nothing, then dropout": ([L.Dense(1), L.Dropout(0.1)], "binary_crossentropy", "nothing keeps"),
    "nothing, then another shape": ([L.Dense(1), L.Reshape((1, 1))], "poisson", "nothing keeps"),
    "right: sigmoid, then another shape": (
        [L.Dense(1, "sigmoid"), L.Reshape((1,))],
        "binary_crossentropy",
        None,
    ),
    "right: logits": ([L.Dense(1), L.Reshape((1,))], FROM_LOGITS, None),
}


@pytest.mark.parametrize("way", ["said", "compiled"])
@pytest.mark.parametrize("case", BEHIND)
def test_layers_that_hand_values_on_hide_no_activation(way, case):
    layers, loss, sentence = BEHIND[case]
    network = tf_keras.Sequential(list(layers))
    shape = network(tf.ones([BATCH, 5])).shape
    outputs = tf.random.stateless_uniform(shape, [3, 4], 0.2, 0.8)
    if way == "compiled":
        network.compile("sgd", loss)
    given = loss if way == "said" else None
    if sentence is None:
        assert find_likelihood(network, outputs, None, given).kind == "yes or no"
        return
    with pytest.raises(ValueError, match=sentence):
        find_likelihood(network, outputs, None, given)


def test_several_heads_are_the_sum_of_each_under_its_own():
    inputs = tf_keras.Input([5])
    heads = {"kind": L.Dense(CLASSES, name="kind")(inputs), "size": L.Dense(1, name="size")(inputs)}
    network = tf_keras.Model(inputs, heads)
    x = tf.constant(RNG.normal(size=(BATCH, 5)).astype(np.float32))
    outputs = network(x)
    given = {"kind": K.SparseCategoricalCrossentropy(from_logits=True), "size": gaussian}
    targets = {"kind": tf.constant(LABELS), "size": tf.constant(VALUES)}
    likelihood = find_likelihood(network, outputs, targets, given)
    expected = of_classes(outputs["kind"].numpy(), LABELS)
    expected = expected - scipy.stats.norm.logpdf(VALUES, outputs["size"].numpy(), NOISE)[:, 0]
    np.testing.assert_allclose(likelihood.of_examples(targets, outputs), expected, rtol=1e-4)
    with pytest.raises(ValueError, match=r"Output 'size'.*the noise must be known"):
        find_likelihood(network, outputs, targets)


def test_weights_of_examples_and_of_predictions_multiply_their_own():
    nats, likelihood = found(PIXELS, MAP, K.SparseCategoricalCrossentropy(from_logits=True))
    by_example = np.linspace(0.0, 2.0, BATCH, dtype=np.float32)
    weighted = likelihood.of_examples(tf.constant(MAP), tf.constant(PIXELS), by_example)
    np.testing.assert_allclose(weighted, by_example * nats, rtol=1e-5)
    left = np.zeros((BATCH, 4, 6), np.float32)
    left[:, :, :2] = 1.0
    halved = likelihood.of_examples(tf.constant(MAP), tf.constant(PIXELS), left)
    expected = of_classes(PIXELS[:, :, :2], MAP[:, :, :2])
    np.testing.assert_allclose(halved, expected, rtol=1e-5)
    assert predictions_per_example(likelihood, MAP, tf.constant(PIXELS)) == 24


def test_the_likelihood_of_the_training_is_remembered():
    outputs = tf.constant(LOGITS)
    network = Puts(outputs)
    with pytest.raises(ValueError, match="nothing says what they are"):
        find_likelihood(network, outputs)
    _, likelihood = found(LOGITS, LABELS)
    remember_likelihood(network, likelihood)
    assert find_likelihood(network, outputs) is likelihood


def test_mixed_up_targets_of_several_heads_are_refused():
    outputs = tf.constant(LOGITS)
    with pytest.raises(ValueError, match="one output, but several targets"):
        find_likelihood(Puts(outputs), outputs, [tf.constant(LABELS), tf.constant(LABELS)])
