"""Networks for the tests of the check-up's view of the data term, and the cure of each.

`SICK` maps a name to what a check-up must find and to the functions that do what the cures say, as
a reader would; they get the text of the cures, and take numbers from there. `HEALTHY` maps a name
to a function that makes a network on which nothing is wrong.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers

N = 210
random = np.random.default_rng(0)
INPUTS = random.normal(size=(N, 5)).astype("float32")
COLUMN = (INPUTS @ [[1.0], [2.0], [-1.0], [0.5], [0.0]] + 0.1 * random.normal(size=(N, 1))).astype(
    "float32"
)
COLUMNS = np.hstack([COLUMN, -COLUMN, INPUTS[:, :1]])
LABELS = (INPUTS[:, 0] > 0).astype("int32") + (INPUTS[:, 1] > 0).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
YES = (INPUTS[:, :1] > 0).astype("float32")
SETS = (INPUTS[:, :4] > 0).astype("float32")
IMAGES = random.normal(size=(N, 6, 5, 2)).astype("float32")
PIXELS = (IMAGES[..., 0] > 0).astype("int32") + (IMAGES[..., 1] > 1).astype("int32")
ONE_HOT_PIXELS = np.eye(3, dtype="float32")[PIXELS]
STEPS = random.normal(size=(N, 7, 4)).astype("float32")
STEP_LABELS = (STEPS[..., 0] > 0).astype("int32")
SPARSE = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BINARY = tf_keras.losses.BinaryCrossentropy(from_logits=True)


@dataclass
class Patient:
    """What is handed to `checkup`."""

    network: Any
    inputs: Any
    targets: Any = None
    loss: Any = None
    batch_size: int | None = None
    num_examples: int | None = N


@dataclass
class Sick:
    """A patient, the kinds that are to be found, and functions that follow the cures."""

    make: Callable[[], Patient]
    kinds: set[str]
    cures: dict[str, Callable[[str], Patient]] = field(default_factory=dict)


SICK: dict[str, Sick] = {}
HEALTHY: dict[str, Callable[[], Patient]] = {}
USUAL = {"bias-point-estimate", "twin-layers", "learning-rate-default", "monte-carlo-kl"}


def sick(*kinds):
    """Register a network in which these kinds are to be found, those of `USUAL` aside."""

    def register(make):
        SICK[make.__name__] = Sick(make, set(kinds))
        return make

    return register


def cure(name, words):
    """Register a function that follows a cure, which must hold these words."""

    def register(mend):
        SICK[name].cures[words] = mend
        return mend

    return register


def healthy(make):
    """Register a network on which nothing is wrong and nothing is unknown."""
    HEALTHY[make.__name__] = make
    return make


def number_in(cures, before):
    """Return the number that a cure has after some words."""
    return float(re.search(re.escape(before) + r"([0-9.]+)", cures)[1].rstrip("."))


def minus_log_prob(y, rv):
    """The loss of a network that puts out a distribution."""
    return -rv.log_prob(y)


def divided(by):
    """The closed form divided by a number."""
    return lambda q, p, _: tfd.kl_divergence(q, p) / by


def flipout(units, activation=None, by=N, **options):
    """A Bayesian layer with the KL divided by `by`."""
    return tfpl.DenseFlipout(
        units, activation=activation, kernel_divergence_fn=divided(by), **options
    )


def compiled(network, loss, **options):
    """Compile with a learning rate of its own."""
    network.compile(tf_keras.optimizers.Adam(0.005), loss, **options)
    return network


def mlp(*tail, loss=SPARSE, by=N, **options):
    """A compiled network with a Bayesian hidden layer."""
    return compiled(tf_keras.Sequential([flipout(8, "tanh", by), *tail]), loss, **options)


def normal(narrow=False, noise=1.0):
    """The output distribution; `narrow` makes its means [batch] in place of [batch, 1]."""

    def distribution(t):
        loc, raw = (t[..., 0], t[..., 1]) if narrow else (t[..., :1], t[..., 1:])
        return tfd.Normal(loc, 1e-3 + tf.nn.softplus(noise * raw))

    return tfpl.DistributionLambda(distribution)


def regression(*middle, narrow=False, **options):
    """A regression with learned noise."""
    parts = [*(middle or [flipout(2)]), normal(narrow)]
    return mlp(*parts, loss=minus_log_prob, **options)


# ------------------------------------------------------------------------------ pairing (kind c)


@sick("targets-not-paired")
def means_without_a_column():
    return Patient(regression(narrow=True), INPUTS, COLUMN)


@cure("means_without_a_column", "Write t[..., :1] in place of t[..., 0]")
def _(_):
    return Patient(regression(), INPUTS, COLUMN)


@cure("means_without_a_column", "pass targets[:, 0]")
def _(_):
    return Patient(regression(narrow=True), INPUTS, COLUMN[:, 0])


def own_gaussian(by_row):
    """An objective of the reader's; `by_row` maps targets and outputs to what is compared."""
    network = tf_keras.Sequential([flipout(8, "tanh", 1), flipout(1, None, 1)])

    def objective(model, inputs, targets):
        y, mean = by_row(targets, model(inputs))
        return -tf.reduce_mean(tfd.Normal(mean, 0.7).log_prob(y)) + sum(model.losses) / N

    return network, objective


@sick("targets-not-paired")
def column_of_outputs_beside_flat_targets():
    network, objective = own_gaussian(lambda y, out: (y, out))
    return Patient(network, INPUTS, COLUMN[:, 0], objective)


@cure("column_of_outputs_beside_flat_targets", "Pass targets[:, None]")
def _(_):
    network, objective = own_gaussian(lambda y, out: (y, out))
    return Patient(network, INPUTS, COLUMN[:, 0][:, None], objective)


@cure("column_of_outputs_beside_flat_targets", "take outputs[:, 0] in the loss")
def _(_):
    network, objective = own_gaussian(lambda y, out: (y, out[:, 0]))
    return Patient(network, INPUTS, COLUMN[:, 0], objective)


@sick("targets-not-paired")
def broadcast_inside_the_loss_with_tiny_outputs():
    network, objective = own_gaussian(lambda y, out: (y, out[:, 0]))
    network(INPUTS[:1])
    for variable in network.trainable_variables:
        variable.assign(1e-4 * variable)
    return Patient(network, INPUTS, COLUMN, objective)


@cure("broadcast_inside_the_loss_with_tiny_outputs", "the same shape where the loss compares them")
def _(_):
    network, objective = own_gaussian(lambda y, out: (y[:, 0], out[:, 0]))
    return Patient(network, INPUTS, COLUMN, objective)


class OwnStep(tf_keras.Sequential):
    """A train_step that pairs every target with every prediction, or not."""

    narrow = True

    def train_step(self, data):
        inputs, targets = data
        with tf.GradientTape() as tape:
            outputs = self(inputs, training=True)
            mean = outputs[:, 0] if self.narrow else outputs[:, :1]
            nll = -tf.reduce_mean(tfd.Laplace(mean, 0.5).log_prob(targets))
            loss = nll + tf.add_n(self.losses) / N
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def own_step(narrow):
    network = OwnStep([flipout(8, "tanh", 1), flipout(1, None, 1)])
    network.narrow = narrow
    network.compile(tf_keras.optimizers.Adam(0.01))
    return Patient(network, INPUTS, COLUMN)


@sick("targets-not-paired")
def broadcast_in_a_train_step():
    return own_step(narrow=True)


@cure("broadcast_in_a_train_step", "the same shape where the loss compares them")
def _(_):
    return own_step(narrow=False)


@sick("targets-not-paired")
def one_target_beside_three_columns():
    tail = [flipout(3), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1.0))]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMN)


@cure("one_target_beside_three_columns", "as many outputs as there are targets")
def _(_):
    tail = [flipout(1), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1.0))]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMN)


# --------------------------------------------------------- several predictions per example (kind d)


def segmentation(by, loss=SPARSE, targets=PIXELS, activation=None):
    """One class for each of 30 pixels."""
    kl = {"kernel_divergence_fn": divided(by)}
    parts = [
        tfpl.Convolution2DFlipout(4, 3, padding="same", activation="relu", **kl),
        tfpl.Convolution2DFlipout(3, 1, activation=activation, **kl),
    ]
    return Patient(compiled(tf_keras.Sequential(parts), loss), IMAGES, targets)


@sick("likelihood-averaged")
def pixels_beside_kl_over_n():
    return segmentation(N)


@cure("pixels_beside_kl_over_n", "Divide the KL by")
def _(text):
    return segmentation(number_in(text, "Divide the KL by "))


@cure("pixels_beside_kl_over_n", "multiply the loss by")
def _(text):
    factor = number_in(text, "multiply the loss by ")
    return segmentation(N, lambda y, out: factor * SPARSE(y, out))


@sick("kl-not-scaled")
def pixels_beside_kl_in_nats():
    return segmentation(1)


@cure("pixels_beside_kl_in_nats", "tfd.kl_divergence(q, p) /")
def _(text):
    return segmentation(number_in(text, "tfd.kl_divergence(q, p) / "))


@sick("kl-wrong-count")
def one_hot_pixels_beside_kl_over_batches():
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True)
    return segmentation(7, loss, ONE_HOT_PIXELS)


@cure("one_hot_pixels_beside_kl_over_batches", "Divide the sum of the KLs by")
def _(text):
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True)
    return segmentation(number_in(text, "the KLs by "), loss, ONE_HOT_PIXELS)


@healthy
def pixels_beside_kl_over_pixels():
    return segmentation(30 * N)


def steps(by, masked=False):
    """One class for each of 7 steps; `masked` ends the sequences after 2 to 6 of them."""
    inputs, data = layers.Input((7, 4)), STEPS.copy()
    if masked:
        for row in range(N):
            data[row, 2 + row % 5 :] = 0
    hidden = layers.GRU(5, return_sequences=True)(layers.Masking()(inputs) if masked else inputs)
    if masked:
        codes = flipout(3, by=by)(inputs)
        hidden = layers.Lambda(lambda pair: pair[0] + 0 * pair[1][..., :1], mask=lambda _, m: m[0])(
            [hidden, codes]
        )
        outputs = layers.Dense(2)(hidden)
    else:
        outputs = flipout(2, by=by)(hidden)
    return Patient(compiled(tf_keras.Model(inputs, outputs), SPARSE), data, STEP_LABELS)


@sick("likelihood-averaged")
def steps_beside_kl_over_n():
    return steps(N)


@cure("steps_beside_kl_over_n", "Divide the KL by")
def _(text):
    return steps(number_in(text, "Divide the KL by "))


@sick("likelihood-averaged")
def columns_of_a_gaussian():
    tail = [flipout(3), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 0.5))]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMNS)


@cure("columns_of_a_gaussian", "multiply the loss by")
def _(text):
    factor = number_in(text, "multiply the loss by ")
    tail = [flipout(3), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 0.5))]
    network = mlp(*tail, loss=lambda y, rv: -factor * tf.reduce_mean(rv.log_prob(y), -1))
    return Patient(network, INPUTS, COLUMNS)


def two_heads(weights=None, images=True):
    """Classes of pixels, or of the whole, and one yes or no."""
    inputs = layers.Input((6, 5, 2))
    kl = {"kernel_divergence_fn": divided(N)}
    hidden = tfpl.Convolution2DFlipout(4, 3, padding="same", activation="tanh", **kl)(inputs)
    wide = tfpl.Convolution2DFlipout(3, 1, name="wide", **kl)(hidden)
    flat = layers.Flatten()(hidden)
    first = wide if images else flipout(3, name="wide")(flat)
    network = tf_keras.Model(inputs, {"wide": first, "one": flipout(1, name="one")(flat)})
    compiled(network, {"wide": SPARSE, "one": BINARY}, loss_weights=weights)
    return Patient(network, IMAGES, {"wide": PIXELS if images else LABELS, "one": YES})


@sick("likelihood-averaged", "kl-weight")
def heads_of_unequal_size():
    return two_heads()


@cure("heads_of_unequal_size", "loss_weights=")
def _(text):
    return two_heads(ast.literal_eval(re.search(r"loss_weights=(\{.*?\})", text)[1]))


@sick("likelihood-weighted", "kl-weight")
def heads_with_weights():
    return two_heads({"wide": 1.0, "one": 0.25}, images=False)


@cure("heads_with_weights", "loss_weights=")
def _(text):
    weights = ast.literal_eval(re.search(r"loss_weights=(\{.*?\})", text)[1])
    return two_heads(weights, images=False)


# --------------------------------------------------------------------- no likelihood, or unknown


def dice(y, p):
    """The usual loss of segmentation."""
    both = tf.reduce_sum(y * p, [1, 2])
    sizes = tf.reduce_sum(y, [1, 2]) + tf.reduce_sum(p, [1, 2])
    return 1 - tf.reduce_mean((2 * both + 1) / (sizes + 1), -1)


@sick("likelihood-unknown", "kl-weight")
def dice_loss():
    return segmentation(30 * N, dice, ONE_HOT_PIXELS, "softmax")


@cure("dice_loss", "for classes or pixels the cross-entropy")
def _(_):
    return segmentation(30 * N, "categorical_crossentropy", ONE_HOT_PIXELS, "softmax")


def beta_nll(y, t):
    """The β-NLL with β = 1."""
    variance = 1e-3 + tf.nn.softplus(t[..., 1:])
    nll = 0.5 * (tf.math.log(variance) + (y - t[..., :1]) ** 2 / variance)
    return tf.stop_gradient(variance) * nll


@sick("likelihood-unknown", "kl-weight")
def weighted_nll():
    return Patient(mlp(flipout(2), loss=beta_nll), INPUTS, COLUMN)


@cure("weighted_nll", "lambda y, rv: -rv.log_prob(y) beside a network that ends in")
def _(_):
    tail = [flipout(2), tfpl.IndependentNormal(1)]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMN)


@sick("likelihood-unknown", "kl-weight")
def one_distribution_for_all_rows():
    """Its log_prob is a sum over the batch, which Keras takes for the mean."""
    tail = [
        flipout(1),
        tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 2)),
    ]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMN)


@cure("one_distribution_for_all_rows", "reinterpreted_batch_ndims=1")
def _(_):
    tail = [
        flipout(1),
        tfpl.DistributionLambda(
            lambda t: tfd.Independent(tfd.Normal(t, 1.0), reinterpreted_batch_ndims=1)
        ),
    ]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMN)


def _gaussian_of(targets):
    tail = [flipout(1), tfpl.DistributionLambda(lambda t: tfd.Normal(t, 1.0))]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, targets)


@sick("likelihood-unknown", "kl-weight")
def targets_far_from_zero():
    return _gaussian_of(COLUMN / COLUMN.std() + np.float32(1e6))


@cure("targets_far_from_zero", "(targets - targets.mean()) / targets.std()")
def _(_):
    return _gaussian_of((COLUMN - COLUMN.mean()) / COLUMN.std())


@sick("no-likelihood", "kl-weight")
def focal_loss():
    loss = tf_keras.losses.CategoricalFocalCrossentropy(from_logits=True)
    return Patient(mlp(flipout(3), loss=loss), INPUTS, ONE_HOT)


@cure("focal_loss", "for classes, with the cross-entropy")
def _(_):
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True)
    return Patient(mlp(flipout(3), loss=loss), INPUTS, ONE_HOT)


@sick("no-likelihood")
def squared_error_of_columns():
    return Patient(mlp(flipout(3), loss="mse"), INPUTS, COLUMNS)


@cure("squared_error_of_columns", "-tfd.Independent(tfd.Normal(outputs, noise), 1).log_prob(y)")
def _(_):
    loss = lambda y, out: -tfd.Independent(tfd.Normal(out, 0.6), 1).log_prob(y)  # noqa: E731
    return Patient(mlp(flipout(3), loss=loss), INPUTS, COLUMNS)


@sick("no-likelihood")
def a_drawn_class_as_logits():
    loss = tf_keras.losses.CategoricalCrossentropy(from_logits=True)
    return Patient(mlp(flipout(3), tfpl.OneHotCategorical(3), loss=loss), INPUTS, ONE_HOT)


@cure("a_drawn_class_as_logits", "loss=lambda y, rv: -rv.log_prob(y)")
def _(_):
    network = mlp(flipout(3), tfpl.OneHotCategorical(3), loss=minus_log_prob)
    return Patient(network, INPUTS, ONE_HOT)


@sick("no-likelihood", "kl-weight")
def one_column_under_softmax():
    return Patient(
        mlp(flipout(1, "softmax"), loss=tf_keras.losses.CategoricalCrossentropy()), INPUTS, YES
    )


@cure("one_column_under_softmax", "BinaryCrossentropy(from_logits=True)")
def _(_):
    return Patient(mlp(flipout(1), loss=BINARY), INPUTS, YES)


@sick("cannot-run")
def one_column_beside_class_numbers():
    return Patient(mlp(flipout(1)), INPUTS, YES)


@cure("one_column_beside_class_numbers", "BinaryCrossentropy(from_logits=True)")
def _(_):
    return Patient(mlp(flipout(1), loss=BINARY), INPUTS, YES)


@sick("no-likelihood")
def logits_taken_for_probabilities():
    return Patient(mlp(flipout(1), loss="binary_crossentropy"), INPUTS, YES)


@cure("logits_taken_for_probabilities", "from_logits=True")
def _(_):
    return Patient(mlp(flipout(1), loss=BINARY), INPUTS, YES)


def own_sigmoid(activation):
    network = tf_keras.Sequential([flipout(8, "tanh", 1), flipout(1, activation, 1)])

    def objective(model, x, y):
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=model(x))
        return tf.reduce_mean(entropy) + sum(model.losses) / N

    return Patient(network, INPUTS, YES, objective)


@sick("outputs-cut-off")
def sigmoid_twice():
    return own_sigmoid("sigmoid")


@cure("sigmoid_twice", "Take the activation off the layer")
def _(_):
    return own_sigmoid(None)


# ------------------------------------------------------------------ outputs and metrics (kind i)


@sick("outputs-cut-off")
def relu_before_the_distribution():
    return Patient(regression(flipout(2, "relu")), INPUTS, COLUMN)


@cure("relu_before_the_distribution", "Take the activation off the layer")
def _(_):
    return Patient(regression(flipout(2)), INPUTS, COLUMN)


@sick("outputs-cut-off")
def mean_within_tanh():
    squash = layers.Lambda(lambda t: tf.concat([tf.tanh(t[..., :1]), t[..., 1:]], -1))
    return Patient(regression(flipout(2), squash), INPUTS, COLUMN)


@cure("mean_within_tanh", "Take the activation off the layer")
def _(_):
    return Patient(regression(flipout(2)), INPUTS, COLUMN)


@sick("outputs-cut-off")
def clipped_mean():
    clip = layers.Lambda(
        lambda t: tf.concat([tf.clip_by_value(t[..., :1], -0.5, 9), t], -1)[..., :2]
    )
    return Patient(regression(flipout(2), clip), INPUTS, COLUMN)


@cure("clipped_mean", "Take the activation off the layer")
def _(_):
    return Patient(regression(flipout(2)), INPUTS, COLUMN)


@sick("outputs-cut-off")
def relu_before_a_logit():
    return Patient(mlp(flipout(1, "relu"), loss=BINARY), INPUTS, YES)


@cure("relu_before_a_logit", "Take the activation off the layer that puts out the mean (or the")
def _(_):
    return Patient(mlp(flipout(1), loss=BINARY), INPUTS, YES)


@sick("outputs-cut-off")
def noise_that_is_at_least_log_two():
    tail = tfpl.DistributionLambda(
        lambda t: tfd.Normal(t[..., :1], tf.nn.softplus(tf.nn.relu(t[..., 1:])))
    )
    return Patient(mlp(flipout(2), tail, loss=minus_log_prob), INPUTS, COLUMN / 4)


@cure("noise_that_is_at_least_log_two", "make the noise positive once")
def _(_):
    return Patient(regression(flipout(2)), INPUTS, COLUMN / 4)


@sick("metric-of-a-draw")
def accuracy_of_a_drawn_class():
    network = mlp(flipout(3), tfpl.OneHotCategorical(3), loss=minus_log_prob, metrics=["accuracy"])
    return Patient(network, INPUTS, ONE_HOT)


@cure("accuracy_of_a_drawn_class", "convert_to_tensor_fn=tfd.Distribution.mode")
def _(_):
    last = tfpl.OneHotCategorical(3, convert_to_tensor_fn=tfd.Distribution.mode)
    network = mlp(flipout(3), last, loss=minus_log_prob, metrics=["accuracy"])
    return Patient(network, INPUTS, ONE_HOT)


@sick("metric-of-a-draw")
def squared_error_of_a_draw():
    return Patient(regression(metrics=["mse", "mae"]), INPUTS, COLUMN)


@cure("squared_error_of_a_draw", "convert_to_tensor_fn=tfd.Distribution.mean")
def _(_):
    last = tfpl.IndependentNormal(1, convert_to_tensor_fn=tfd.Distribution.mean)
    network = mlp(flipout(2), last, loss=minus_log_prob, metrics=["mse", "mae"])
    return Patient(network, INPUTS, COLUMN)


@sick("metric-of-a-draw")
def accuracy_of_a_logit():
    return Patient(mlp(flipout(1), loss=BINARY, metrics=["accuracy"]), INPUTS, YES)


@cure("accuracy_of_a_logit", "metrics=[tf_keras.metrics.BinaryAccuracy(threshold=0.0)]")
def _(_):
    metrics = [tf_keras.metrics.BinaryAccuracy(threshold=0.0)]
    return Patient(mlp(flipout(1), loss=BINARY, metrics=metrics), INPUTS, YES)


# ---------------------------------------------------------------------------- inputs (kind j)

BYTES = np.clip(np.abs(INPUTS) * 80, 0, 255).round()
GAPS = np.where(np.arange(N)[:, None] == 3, np.nan, INPUTS).astype("float32")


@sick("inputs-not-scaled")
def bytes_as_inputs():
    return Patient(mlp(flipout(3)), BYTES, LABELS)


@cure("bytes_as_inputs", "inputs / 255")
def _(_):
    return Patient(mlp(flipout(3)), BYTES / 255, LABELS)


@sick("not-finite")
def gaps_in_the_inputs():
    return Patient(mlp(flipout(3)), GAPS, LABELS)


@cure("gaps_in_the_inputs", "Remove these examples")
def _(_):
    kept = np.isfinite(GAPS).all(axis=1)
    return Patient(mlp(flipout(3)), GAPS[kept], LABELS[kept])


class Batches(tf_keras.utils.Sequence):
    """35 examples at a time."""

    def __len__(self):
        return N // 35

    def __getitem__(self, index):
        rows = slice(35 * index, 35 * index + 35)
        return INPUTS[rows], LABELS[rows]


def classifier():
    return mlp(flipout(3))


@healthy
def keras_sequence():
    return Patient(classifier(), Batches(), num_examples=None)


@healthy
def dataset_with_weights():
    weights = np.linspace(0.5, 2, N).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS, weights)).batch(35).prefetch(2)
    return Patient(classifier(), data, num_examples=None)


@healthy
def frames():
    return Patient(classifier(), pd.DataFrame(INPUTS), pd.Series(LABELS))


@healthy
def dict_of_inputs():
    left, right = layers.Input((2,), name="left"), layers.Input((3,), name="right")
    joined = layers.Concatenate()([left, right])
    network = tf_keras.Model({"left": left, "right": right}, flipout(3)(joined))
    inputs = {"left": INPUTS[:, :2], "right": INPUTS[:, 2:]}
    return Patient(compiled(network, SPARSE), inputs, LABELS)


@healthy
def lists_of_numbers():
    return Patient(classifier(), INPUTS.tolist(), LABELS.tolist())


@healthy
def whole_numbers_into_an_embedding():
    network = compiled(
        tf_keras.Sequential([layers.Embedding(9, 4, input_length=5), layers.Flatten(), flipout(3)]),
        SPARSE,
    )
    return Patient(network, (np.abs(INPUTS) * 3).astype("int32").clip(0, 8), LABELS)


# ---------------------------------------------------------- right, and taken for wrong before


@healthy
def softmax_at_the_end():
    return Patient(
        mlp(flipout(3, "softmax"), loss="sparse_categorical_crossentropy"), INPUTS, LABELS
    )


@healthy
def counts():
    return Patient(mlp(flipout(1, "softplus"), loss="poisson"), INPUTS, np.abs(COLUMN).round())


@healthy
def targets_in_a_large_unit():
    return Patient(regression(), INPUTS, 1e5 * COLUMN)


@healthy
def mixture_of_two():
    tail = [flipout(tfpl.MixtureNormal.params_size(2, 1)), tfpl.MixtureNormal(2, 1)]
    return Patient(mlp(*tail, loss=minus_log_prob), INPUTS, COLUMN)


@healthy
def gaussian_written_by_hand():
    def nll(y, t):  # without log(2 pi) / 2, as many write it
        return 0.5 * (t[..., 1:] + (y - t[..., :1]) ** 2 * tf.exp(-t[..., 1:]))

    return Patient(mlp(flipout(2), loss=nll), INPUTS, COLUMN)


@healthy
def laplace_in_the_loss():
    def nll(y, t):
        return -tfd.Laplace(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:])).log_prob(y)

    return Patient(mlp(flipout(2), loss=nll), INPUTS, COLUMN)


@healthy
def positive_means_for_positive_targets():
    squash = layers.Lambda(lambda t: tf.concat([tf.nn.softplus(t[..., :1]), t[..., 1:]], -1))
    return Patient(regression(flipout(2), squash), INPUTS, np.abs(COLUMN))


def tutorial_posterior(kernel_size, bias_size=0, dtype=None):
    """Of TFP's regression tutorial: the means start at 0."""
    n, constant = kernel_size + bias_size, np.log(np.expm1(1.0))
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(2 * n, dtype=dtype),
            tfpl.DistributionLambda(
                lambda t: tfd.Independent(
                    tfd.Normal(t[..., :n], 1e-5 + tf.nn.softplus(constant + t[..., n:])), 1
                )
            ),
        ]
    )


def standard_prior(kernel_size, bias_size=0, dtype=None):
    """N(0, 1) for every weight."""
    n = kernel_size + bias_size
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(n, dtype), 1.0), 1)


def tutorial(epochs):
    """TFP's regression tutorial, with a fixed prior."""
    layer = tfpl.DenseVariational(2, tutorial_posterior, standard_prior, kl_weight=1 / N)
    last = tfpl.DistributionLambda(
        lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(0.01 * t[..., 1:]))
    )
    network = compiled(tf_keras.Sequential([layer, last]), minus_log_prob)
    inputs = INPUTS[:, :1] * 20
    targets = (0.1 * inputs * (1 + np.sin(inputs)) + 5).astype("float32")
    if epochs:
        network.fit(inputs, targets, epochs=epochs, verbose=0)
    return Patient(network, inputs, targets)


@healthy
def tutorial_at_its_start():
    return tutorial(0)


@healthy
def tutorial_after_an_epoch():
    return tutorial(1)


def triangular_posterior(kernel_size, bias_size=0, dtype=None):
    """Of keras.io's wine network."""
    n = kernel_size + bias_size
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(tfpl.MultivariateNormalTriL.params_size(n), dtype=dtype),
            tfpl.MultivariateNormalTriL(n),
        ]
    )


@healthy
def wine_at_its_start():
    inputs = {f"f{i}": layers.Input((1,), name=f"f{i}") for i in range(5)}
    hidden = layers.BatchNormalization()(layers.Concatenate()(list(inputs.values())))
    for _ in range(2):
        hidden = tfpl.DenseVariational(
            4, triangular_posterior, standard_prior, kl_weight=1 / N, activation="sigmoid"
        )(hidden)
    outputs = tfpl.IndependentNormal(1)(layers.Dense(2)(hidden))
    network = compiled(tf_keras.Model(inputs, outputs), minus_log_prob)
    data = {f"f{i}": INPUTS[:, i : i + 1] for i in range(5)}
    return Patient(network, data, COLUMN + 5)
