"""Networks for the tests of the check-up: correct ones of many shapes, and one for each trap.

Every function returns a `Patient`. `HEALTHY`, `UNMEASURED` and `SICK` map their names to what a
check-up of them must find: the kinds of its alarms, and the kinds of its notes (those of `USUAL`
aside).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.posteriors import gaussian_posterior, point_posterior

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers

N, FEATURES, CLASSES = 300, 6, 3
random = np.random.default_rng(0)
INPUTS = random.normal(size=(N, FEATURES)).astype("float32")
LABELS = (INPUTS[:, 0] > 0).astype("int32") + (INPUTS[:, 1] > 0).astype("int32")
ONE_HOT = np.eye(CLASSES, dtype="float32")[LABELS]
RESPONSES = (INPUTS @ random.normal(size=(FEATURES, 1)) + 0.3).astype("float32")
IMAGES = random.uniform(size=(N, 8, 8, 1)).astype("float32")
CROSS_ENTROPY = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


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
class Case:
    """A patient, and what is to be found."""

    make: Callable[[], Patient]
    alarms: set[str]
    notes: set[str]
    layer: str | None = None
    value: float | None = None


HEALTHY: dict[str, Case] = {}
UNMEASURED: dict[str, Case] = {}
SICK: dict[str, Case] = {}
USUAL = {"bias-point-estimate", "twin-layers", "learning-rate-default"}


def healthy(*notes: str):
    """Register a network on which the check-up must raise no alarm."""

    def register(make):
        HEALTHY[make.__name__] = Case(make, set(), set(notes))
        return make

    return register


def unmeasured(*notes: str):
    """Register a network with no alarm, of which something that matters cannot be measured."""

    def register(make):
        UNMEASURED[make.__name__] = Case(make, set(), set(notes))
        return make

    return register


def sick(alarm: str, *notes: str, layer: str | None = None, value: float | None = None):
    """Register a network with a trap that the check-up must name."""

    def register(make):
        SICK[make.__name__] = Case(make, {alarm}, set(notes), layer, value)
        return make

    return register


def divided(by: float):
    """A divergence that is the closed form divided by a number."""
    return lambda q, p, _: tfd.kl_divergence(q, p) / by


def bayesian(units, name, layer_class=tfpl.DenseFlipout, by=N, seed=0, **options):
    """A Bayesian layer with an initialiser of its own and the KL divided by `by`."""
    options = {
        "kernel_posterior_fn": gaussian_posterior(seed=seed + len(name) + units),
        "bias_posterior_fn": point_posterior(),
        "kernel_divergence_fn": divided(by),
        **options,
    }
    return layer_class(units, name=name, **options)


def classifier(by=N, layer_class=tfpl.DenseFlipout, **options):
    """Two Bayesian layers that put out logits."""
    return tf_keras.Sequential(
        [
            bayesian(8, "first", layer_class, by, activation="relu", **options),
            bayesian(CLASSES, "second", layer_class, by, **options),
        ]
    )


def compiled(network, loss=CROSS_ENTROPY, **options):
    """Compile with a learning rate of its own."""
    network.compile(tf_keras.optimizers.Adam(0.005), loss, **options)
    return network


def mean_nll(network, inputs, labels):
    """The mean cross-entropy of one pass."""
    logits = network(inputs, training=True)
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def own_objective(network, add, **patient):
    """A patient with an objective of the reader's: mean NLL + what `add` returns."""

    def objective(inputs, labels):
        nll = mean_nll(network, inputs, labels)
        return nll + add(inputs)

    return Patient(network, INPUTS, LABELS, objective, **patient)


# ------------------------------------------------------------------------------ correct networks


@healthy()
def sequential_flipout():
    return Patient(compiled(classifier()), INPUTS, LABELS)


@healthy()
def sequential_reparameterization():
    return Patient(compiled(classifier(layer_class=tfpl.DenseReparameterization)), INPUTS, LABELS)


@healthy()
def sequential_local_reparameterization():
    network = classifier(layer_class=tfpl.DenseLocalReparameterization)
    return Patient(compiled(network), INPUTS, LABELS)


@healthy()
def default_initialisers():
    kl = divided(N)
    network = tf_keras.Sequential(
        [
            tfpl.DenseFlipout(8, activation="relu", kernel_divergence_fn=kl),
            tfpl.DenseFlipout(8, activation="relu", kernel_divergence_fn=kl),
            tfpl.DenseFlipout(CLASSES, kernel_divergence_fn=kl),
        ]
    )
    return Patient(compiled(network), INPUTS, LABELS)


@healthy()
def functional_with_dropout_and_batch_norm():
    inputs = layers.Input((FEATURES,))
    hidden = bayesian(10, "first", activation="relu")(inputs)
    hidden = layers.Dropout(0.2)(layers.BatchNormalization()(hidden))
    hidden = layers.Concatenate()([hidden, layers.Dense(4, activation="tanh")(inputs)])
    outputs = bayesian(CLASSES, "second")(hidden)
    return Patient(compiled(tf_keras.Model(inputs, outputs)), INPUTS, LABELS)


class Subclassed(tf_keras.Model):
    """A model with its layers in a list."""

    def __init__(self, by=N):
        super().__init__()
        self.blocks = [bayesian(8, "first", by=by, activation="relu"), layers.Dense(8, "relu")]
        self.head = bayesian(CLASSES, "second", by=by)

    def call(self, inputs, training=None):
        for block in self.blocks:
            inputs = block(inputs)
        return self.head(inputs)


@healthy()
def subclassed():
    return Patient(compiled(Subclassed()), INPUTS, LABELS)


@healthy()
def nested():
    inner = tf_keras.Sequential([bayesian(8, "first", activation="relu")], name="inner")
    network = tf_keras.Sequential([layers.Flatten(), inner, bayesian(CLASSES, "second")])
    return Patient(compiled(network), INPUTS, LABELS)


def lenet(convolution):
    """A small LeNet."""
    network = tf_keras.Sequential(
        [
            convolution(
                4,
                kernel_size=3,
                padding="same",
                activation="relu",
                kernel_divergence_fn=divided(N),
                name="conv",
            ),
            layers.MaxPooling2D(),
            layers.Flatten(),
            bayesian(CLASSES, "second"),
        ]
    )
    return Patient(compiled(network), IMAGES, LABELS)


@healthy()
def convolution_flipout():
    return lenet(tfpl.Convolution2DFlipout)


@healthy()
def convolution_reparameterization():
    return lenet(tfpl.Convolution2DReparameterization)


@healthy()
def convolution_1d_and_3d():
    network = tf_keras.Sequential(
        [
            layers.Reshape((8, 8)),
            tfpl.Convolution1DFlipout(3, 3, kernel_divergence_fn=divided(N), name="conv"),
            layers.Reshape((6, 3, 1, 1)),
            tfpl.Convolution3DReparameterization(
                2, (2, 2, 1), kernel_divergence_fn=divided(N), name="volume"
            ),
            layers.Flatten(),
            bayesian(CLASSES, "second"),
        ]
    )
    return Patient(compiled(network), IMAGES, LABELS)


def tutorial_posterior(kernel_size, bias_size=0, dtype=None):
    """The posterior of TFP's regression tutorial."""
    n, constant = kernel_size + bias_size, np.log(np.expm1(1.0))
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(2 * n, dtype=dtype),
            tfpl.DistributionLambda(
                lambda t: tfd.Independent(
                    tfd.Normal(t[..., :n], 1e-5 + tf.nn.softplus(constant + t[..., n:])),
                    reinterpreted_batch_ndims=1,
                )
            ),
        ]
    )


def standard_prior(kernel_size, bias_size=0, dtype=None):
    """N(0, 1) for every weight."""
    n = kernel_size + bias_size
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(n, dtype), 1.0), 1)


def tutorial_prior(kernel_size, bias_size=0, dtype=None):
    """The trainable prior of the same tutorial."""
    n = kernel_size + bias_size
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(n, dtype=dtype),
            tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1)),
        ]
    )


def minus_log_prob(y, rv_y):
    """The tutorial's loss."""
    return -rv_y.log_prob(y)


def variational(prior=standard_prior, posterior=tutorial_posterior, weight=1 / N, **options):
    """The tutorial's network."""
    layer = tfpl.DenseVariational(1, posterior, prior, kl_weight=weight, name="first", **options)
    output = tfpl.DistributionLambda(lambda t: tfd.Normal(loc=t, scale=0.5))
    return compiled(tf_keras.Sequential([layer, output]), minus_log_prob)


@healthy("monte-carlo-kl")
def dense_variational_drawn():
    return Patient(variational(), INPUTS, RESPONSES)


@healthy()
def dense_variational_exact():
    return Patient(variational(kl_use_exact=True), INPUTS, RESPONSES)


@healthy("monte-carlo-kl", "trainable-prior")
def dense_variational_tutorial():
    return Patient(variational(tutorial_prior), INPUTS, RESPONSES)


def mixture_prior(dtype, shape, *_):
    """The scale mixture of Blundell et al. (2015)."""
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.5, 0.5]), tfd.Normal([0.0, 0.0], [1.0, 0.05])
    )
    return tfd.Sample(mixture, shape)


def drawn_kl(q, p, _):
    """A Monte Carlo KL with draws of its own."""
    w = q.sample()
    return (q.log_prob(w) - p.log_prob(w)) / N


@healthy()
def scale_mixture():
    options = {"kernel_prior_fn": mixture_prior, "kernel_divergence_fn": drawn_kl}
    return Patient(compiled(classifier(**options)), INPUTS, LABELS)


@healthy()
def bayesian_biases():
    options = {
        "bias_posterior_fn": gaussian_posterior(seed=77),
        "bias_prior_fn": tfpl.default_multivariate_normal_fn,
        "bias_divergence_fn": divided(N),
    }
    return Patient(compiled(classifier(**options)), INPUTS, LABELS)


@healthy()
def summed_regression_under_dropout():
    """Noise that is drawn anew for another batch must not make a sum look like a mean."""

    def summed_nll(y, mean):
        return -tf.reduce_sum(tfd.Normal(mean, 0.15).log_prob(y))

    network = tf_keras.Sequential(
        [
            bayesian(8, "first", by=N / 50, activation="tanh"),
            layers.Dropout(0.3),
            bayesian(1, "second", by=N / 50),
        ]
    )
    return Patient(compiled(network, summed_nll), INPUTS, RESPONSES, batch_size=50)


@healthy()
def gaussian_regression():
    network = tf_keras.Sequential(
        [
            bayesian(8, "first", activation="tanh"),
            bayesian(2, "second"),
            tfpl.DistributionLambda(
                lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:]))
            ),
        ]
    )
    return Patient(compiled(network, minus_log_prob), INPUTS, RESPONSES)


@healthy()
def learned_noise_in_own_loop():
    network = tf_keras.Sequential(
        [bayesian(8, "first", by=1, activation="tanh"), bayesian(1, "second", by=1)]
    )
    noise = tf.Variable(0.1)

    def objective(inputs, responses):
        predicted = network(inputs)
        likelihood = tfd.Normal(predicted, tf.nn.softplus(noise))
        nll = -tf.reduce_mean(likelihood.log_prob(responses))
        return nll + tf.add_n(network.losses) / N

    return Patient(network, INPUTS, RESPONSES, objective)


@healthy()
def own_loop_mean():
    network = classifier(by=1)
    return own_objective(network, lambda _: sum(network.losses) / N)


@healthy()
def own_loop_sum():
    network = classifier(by=1)

    def objective(inputs, labels):
        return mean_nll(network, inputs, labels) * len(inputs) + sum(network.losses) / (N / 50)

    return Patient(network, INPUTS, LABELS, objective, batch_size=50)


@healthy()
def own_loop_whole_elbo():
    network = classifier(by=1)

    def objective(neural_net, images, labels):
        return N * mean_nll(neural_net, images, labels) + sum(neural_net.losses)

    return Patient(network, INPUTS, LABELS, objective)


@healthy()
def own_loop_vector():
    network = classifier(by=1)

    @tf.function
    def objective(inputs, labels):
        logits = network(inputs)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        return nll + sum(network.losses) / N

    return Patient(network, INPUTS, LABELS, objective)


@healthy()
def own_training_step():
    network = classifier(by=1)
    optimizer = tf_keras.optimizers.Adam(0.01)

    @tf.function
    def step(inputs, labels):
        with tf.GradientTape() as tape:
            loss = mean_nll(network, inputs, labels) + sum(network.losses) / N
        gradients = tape.gradient(loss, network.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 0.1)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    return Patient(network, INPUTS, LABELS, step)


class OwnStep(tf_keras.Sequential):
    """A model with its own train_step."""

    weight = 1 / N

    def train_step(self, data):
        inputs, labels = data
        with tf.GradientTape() as tape:
            nll = mean_nll(self, inputs, labels)
            loss = nll + self.weight * tf.add_n(self.losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss, "nll": nll}


@healthy()
def own_train_step():
    network = OwnStep([bayesian(8, "first", by=1), bayesian(CLASSES, "second", by=1)])
    network.compile(tf_keras.optimizers.Adam(0.01))
    return Patient(network, INPUTS, LABELS)


@unmeasured("kl-in-nats")
def not_compiled():
    return Patient(classifier(by=1), INPUTS, LABELS)


@unmeasured()
def not_compiled_but_scaled():
    return Patient(classifier(), INPUTS, LABELS)


@healthy()
def keras_loss_given():
    return Patient(classifier(), INPUTS, LABELS, CROSS_ENTROPY)


@healthy()
def one_hot_targets():
    network = tf_keras.Sequential([bayesian(CLASSES, "first", activation="softmax")])
    return Patient(compiled(network, "categorical_crossentropy"), INPUTS, ONE_HOT)


@healthy("kl-weight-variable")
def warm_up():
    beta = tf.Variable(0.25 / N, trainable=False)
    kl = {"kernel_divergence_fn": lambda q, p, _: beta * tfd.kl_divergence(q, p)}
    return Patient(compiled(classifier(**kl)), INPUTS, LABELS)


@healthy("tempered")
def cold_posterior():
    return Patient(compiled(classifier(by=10 * N)), INPUTS, LABELS)


@healthy("regularisers-mixed-in")
def with_weight_decay():
    network = classifier()
    network.add(layers.Dense(CLASSES, kernel_regularizer="l2", name="plain"))
    return Patient(compiled(network), INPUTS, LABELS)


def with_penalty(of_weights, by=N):
    """A loop that adds a penalty by hand, and the KL by hand where no layer divides it."""
    network = classifier(by=by)

    def objective(inputs, labels):
        nll = mean_nll(network, inputs, labels)  # before the KLs are read
        kl = sum(network.losses) / (N / by)
        return nll + kl + 1e-3 * sum(of_weights(layer) for layer in network.layers)

    return Patient(network, INPUTS, LABELS, objective)


@healthy("regularisers-mixed-in")
def penalty_of_means_by_hand():
    return with_penalty(lambda layer: tf.nn.l2_loss(layer.kernel_posterior.distribution.loc))


@healthy("regularisers-mixed-in")
def penalty_of_means_and_point_estimates_by_hand():
    every = lambda layer: [v for v in layer.trainable_variables if "scale" not in v.name]  # noqa: E731
    return with_penalty(lambda layer: tf.add_n([tf.nn.l2_loss(v) for v in every(layer)]))


@healthy("regularisers-mixed-in")
def absolute_means_beside_an_undivided_kl():
    mean_of = lambda layer: tf.abs(layer.kernel_posterior.distribution.loc)  # noqa: E731
    return with_penalty(lambda layer: tf.reduce_sum(mean_of(layer)), by=1)


@healthy()
def penalty_of_point_estimates_by_hand():
    return with_penalty(lambda layer: tf.nn.l2_loss(layer.bias_posterior.mean()))


@healthy("regularisers-mixed-in")
def kl_and_penalty_by_hand():
    network = classifier(kernel_divergence_fn=None)

    def objective(inputs, labels):
        kernels = [(layer.kernel_posterior, layer.kernel_prior) for layer in network.layers]
        kl = sum(tfd.kl_divergence(posterior, prior) for posterior, prior in kernels)
        decay = sum(tf.nn.l2_loss(posterior.mean()) for posterior, _ in kernels)
        return mean_nll(network, inputs, labels) + kl / N + 1e-3 * decay

    return Patient(network, INPUTS, LABELS, objective)


@healthy()
def after_fit():
    network = compiled(classifier())
    network.fit(INPUTS, LABELS, epochs=30, verbose=0)
    return Patient(network, INPUTS, LABELS)


# ------------------------------------------------------------------------------ traps


@sick("kl-not-scaled", layer="first, second", value=1.0)
def not_scaled():
    return Patient(compiled(classifier(by=1)), INPUTS, LABELS)


@sick("kl-not-scaled", layer="first, second")
def docstring_example():
    network = classifier(by=1)

    def objective(inputs, labels):
        logits = network(inputs)
        nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        return nll + sum(network.losses)

    return Patient(network, INPUTS, LABELS, objective)


@sick("kl-wrong-count", layer="first, second", value=1 / 32)
def divided_by_batch_size():
    return Patient(compiled(classifier(by=32)), INPUTS, LABELS)


@sick("kl-wrong-count", layer="first, second", value=1 / 400)
def divided_by_all_data():
    return Patient(compiled(classifier(by=400)), INPUTS, LABELS)


@sick("kl-wrong-count", layer="first, second", value=1 / N**2)
def divided_twice():
    network = classifier()
    return own_objective(network, lambda _: sum(network.losses) / N)


@sick("kl-missing", layer="first, second", value=0.0)
def forgotten_in_loop():
    network = classifier(by=1)
    return own_objective(network, lambda _: 0.0)


@sick("kl-missing", layer="second", value=0.0)
def no_divergence_in_one_layer():
    network = tf_keras.Sequential(
        [
            bayesian(8, "first", activation="relu"),
            bayesian(CLASSES, "second", kernel_divergence_fn=None),
        ]
    )
    return Patient(compiled(network), INPUTS, LABELS)


@sick("kl-counted-twice", layer="first, second", value=2 / N)
def loss_adds_it_again():
    network = classifier()

    def loss(y_true, y_pred):
        nll = tf_keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return nll + sum(network.losses)

    return Patient(compiled(network, loss), INPUTS, LABELS)


@sick("kl-counted-twice", layer="first", value=2 / N)
def shared_layer():
    left, right = layers.Input((3,)), layers.Input((3,))
    shared = bayesian(4, "first", activation="relu")
    both = layers.Concatenate()([shared(left), shared(right)])
    network = tf_keras.Model([left, right], bayesian(CLASSES, "second")(both))
    return Patient(compiled(network), [INPUTS[:, :3], INPUTS[:, 3:]], LABELS)


def of_steps():
    return tf_keras.Sequential(
        [
            layers.Reshape((8, 8)),
            layers.TimeDistributed(bayesian(4, "first")),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )


@sick("kl-counted-twice", layer="first")
def time_distributed_run_eagerly():
    return Patient(compiled(of_steps(), run_eagerly=True), IMAGES, LABELS)


@healthy()
def time_distributed_compiled():
    """A compiled step, in which the size of a batch is not known, calls the layer once."""
    return Patient(compiled(of_steps()), IMAGES, LABELS)


@sick("kl-stale", layer="first, second")
def losses_read_before_the_call():
    network = classifier(by=1)

    def objective(inputs, labels):
        kl = sum(network.losses)
        return mean_nll(network, inputs, labels) + kl / N

    return Patient(network, INPUTS, LABELS, objective)


@sick("kl-stale", layer="first, second")
def kl_taken_once():
    network = classifier(by=1)
    network(INPUTS[:1])
    kl = sum(network.losses)
    return own_objective(network, lambda _: kl / N)


@sick("layer-lost")
def layer_in_a_closure():
    hidden = bayesian(8, "first", activation="relu")
    network = tf_keras.Sequential([layers.Lambda(lambda x: hidden(x)), bayesian(CLASSES, "second")])
    return Patient(compiled(network), INPUTS, LABELS)


@sick("kl-wrong-sign", layer="first, second")
def kl_subtracted():
    network = classifier(by=1)
    return own_objective(network, lambda _: -sum(network.losses) / N)


@sick("kl-wrong-count", layer="first")
def averaged_over_weights():
    def kl(q, p, _):
        return tf.reduce_mean(tfd.kl_divergence(q.distribution, p.distribution)) / N

    network = tf_keras.Sequential([bayesian(CLASSES, "first", kernel_divergence_fn=kl)])
    return Patient(compiled(network), INPUTS, LABELS)


@sick("no-scale-gradient", layer="first")
def weights_not_drawn():
    network = tf_keras.Sequential(
        [
            bayesian(
                CLASSES,
                "first",
                tfpl.DenseReparameterization,
                kernel_posterior_tensor_fn=lambda d: d.mean(),
            )
        ]
    )
    return Patient(compiled(network), INPUTS, LABELS)


def eager_scale_posterior(dtype, shape, name, trainable, add_variable_fn):
    """A posterior whose scale is computed once, from a variable that is then forgotten."""
    loc = add_variable_fn(name + "_loc", shape, dtype=dtype, trainable=trainable)
    rho = add_variable_fn(name + "_rho", shape, dtype=dtype, trainable=trainable)
    return tfd.Independent(tfd.Normal(loc, tf.nn.softplus(rho - 3.0)), len(shape))


@sick("no-scale-gradient", layer="first")
def scale_computed_once():
    network = tf_keras.Sequential(
        [bayesian(CLASSES, "first", kernel_posterior_fn=eager_scale_posterior)]
    )
    return Patient(compiled(network), INPUTS, LABELS)


def bare_prior(dtype, shape, *_):
    """A prior that is a batch of distributions, not one."""
    return tfd.Normal(tf.zeros(shape, dtype), 1.0)


@sick("wrong-shape", layer="first")
def bare_prior_in_monte_carlo():
    def kl(q, p, _):
        w = q.sample()
        return tf.reduce_sum(q.log_prob(w) - p.log_prob(w)) / N

    network = tf_keras.Sequential(
        [bayesian(CLASSES, "first", kernel_prior_fn=bare_prior, kernel_divergence_fn=kl)]
    )
    return Patient(compiled(network), INPUTS, LABELS)


def bare_posterior(kernel_size, bias_size=0, dtype=None):
    """A posterior without Independent."""
    n = kernel_size + bias_size
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(2 * n, dtype=dtype),
            tfpl.DistributionLambda(
                lambda t: tfd.Normal(t[..., :n], 1e-5 + 0.1 * tf.nn.softplus(t[..., n:]))
            ),
        ]
    )


@sick("wrong-shape", layer="first")
def dense_variational_without_independent():
    return Patient(variational(posterior=bare_posterior), INPUTS, RESPONSES)


@sick("cannot-run")
def bare_prior_in_closed_form():
    network = tf_keras.Sequential([bayesian(CLASSES, "first", kernel_prior_fn=bare_prior)])
    return Patient(compiled(network), INPUTS, LABELS)


@sick("cannot-run")
def whole_number_inputs():
    return Patient(compiled(classifier()), (255 * IMAGES).astype("uint8").reshape(N, 64), LABELS)


@sick("no-likelihood", value=0.5)
def squared_error_by_name():
    network = tf_keras.Sequential([bayesian(8, "first"), bayesian(1, "second")])
    return Patient(compiled(network, "mse"), INPUTS, RESPONSES)


@sick("no-likelihood", value=0.5)
def squared_error_by_hand():
    network = tf_keras.Sequential([bayesian(8, "first", by=1), bayesian(1, "second", by=1)])

    def objective(inputs, responses):
        error = tf.reduce_mean((network(inputs) - responses) ** 2)
        return error + sum(network.losses) / N

    return Patient(network, INPUTS, RESPONSES, objective)


@sick("no-likelihood")
def softmax_applied_twice():
    network = classifier(by=1)
    network.add(layers.Softmax())
    return own_objective(network, lambda _: sum(network.losses) / N)


@sick("no-likelihood")
def logits_taken_for_probabilities():
    return Patient(compiled(classifier(), "sparse_categorical_crossentropy"), INPUTS, LABELS)


@sick("collapsed-onto-prior")
def collapsed():
    network = compiled(classifier())
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    for layer in network.layers:
        loc, rho = layer.kernel_posterior.distribution.loc, layer.trainable_variables[1]
        loc.assign(tf.zeros_like(loc))
        rho.assign(tf.fill(rho.shape, float(np.log(np.expm1(1.0)))))
    return Patient(network, INPUTS, LABELS)


@sick("scale-shrunk")
def shrunk():
    network = compiled(classifier())
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    for layer in network.layers:
        rho = layer.trainable_variables[1]
        rho.assign(tf.fill(rho.shape, -12.0))
    return Patient(network, INPUTS, LABELS)


@sick("keras-3")
def keras_3_around_tfp():
    import keras

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = bayesian(CLASSES, "first")

        def call(self, inputs):
            return self.first(inputs)

    return Patient(Net(), INPUTS, LABELS)


@sick("kl-counted-twice", layer="first", value=5 / N)
def five_passes_in_one_call():
    class Repeating(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.first = bayesian(CLASSES, "first")

        def call(self, inputs):
            return [self.first(inputs) for _ in range(5)][-1]

    return Patient(compiled(Repeating()), INPUTS, LABELS)


@sick("no-likelihood", value=-1.0)
def log_likelihood_without_minus():
    network = classifier(by=1)

    def objective(inputs, labels):
        return -mean_nll(network, inputs, labels) + sum(network.losses) / N

    return Patient(network, INPUTS, LABELS, objective)


@sick("kl-frozen-at-trace", layer="first, second")
def weight_changed_after_fit():
    weight = {"beta": 0.0}
    kl = {"kernel_divergence_fn": lambda q, p, _: weight["beta"] * tfd.kl_divergence(q, p) / N}
    network = compiled(classifier(**kl))
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    weight["beta"] = 1.0
    return Patient(network, INPUTS, LABELS)


def autoencoder(regulariser=None, add_loss=None):
    """A small variational autoencoder of TFP's layers."""
    size = tfpl.IndependentNormal.params_size(2)
    encoder = [
        layers.Dense(size, name="parameters"),
        tfpl.IndependentNormal(2, activity_regularizer=regulariser, name="code"),
    ]
    network = tf_keras.Sequential(
        [
            *encoder,
            *([] if add_loss is None else [add_loss]),
            layers.Dense(2 * FEATURES),
            tfpl.IndependentNormal(FEATURES),
        ]
    )
    return Patient(compiled(network, minus_log_prob), INPUTS, INPUTS)


def standard_code():
    """The prior of the code."""
    return tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)


@healthy()
def autoencoder_with_added_loss():
    return autoencoder(add_loss=tfpl.KLDivergenceAddLoss(standard_code(), name="kl"))


@sick("kl-counted-twice", layer="code")
def autoencoder_with_regulariser():
    return autoencoder(tfpl.KLDivergenceRegularizer(standard_code(), use_exact_kl=True))


@sick("kl-wrong-count", layer="kl")
def autoencoder_with_summed_kl():
    layer = tfpl.KLDivergenceAddLoss(standard_code(), use_exact_kl=True, name="kl")
    return autoencoder(add_loss=layer)


@healthy()
def two_outputs():
    inputs = layers.Input((FEATURES,))
    hidden = bayesian(8, "first", activation="relu")(inputs)
    outputs = [bayesian(CLASSES, "second")(hidden), bayesian(CLASSES, "third")(hidden)]
    network = compiled(tf_keras.Model(inputs, outputs), [CROSS_ENTROPY, CROSS_ENTROPY])
    return Patient(network, INPUTS, [LABELS, LABELS])


@healthy()
def hand_written_layer():
    class ByBackprop(layers.Layer):
        def build(self, shape):
            size = (shape[-1], CLASSES)
            normal = tf_keras.initializers.RandomNormal(stddev=0.1, seed=1)
            self.kernel_mu = self.add_weight("kernel_mu", size, initializer=normal)
            self.kernel_rho = self.add_weight("kernel_rho", size, initializer=normal)

        def call(self, inputs):
            q = tfd.Normal(self.kernel_mu, tf.nn.softplus(self.kernel_rho))
            weights = self.kernel_mu + q.scale * tf.random.normal(self.kernel_mu.shape)
            log_ratio = q.log_prob(weights) - tfd.Normal(0.0, 1.0).log_prob(weights)
            self.add_loss(tf.reduce_sum(log_ratio) / N)
            return inputs @ weights

    return Patient(compiled(tf_keras.Sequential([ByBackprop()])), INPUTS, LABELS)


@sick("kl-frozen-at-trace", layer="first, second")
def weight_changed_after_trace():
    network, weight = classifier(by=1), {"beta": 0.0}

    @tf.function
    def objective(inputs, labels):
        return mean_nll(network, inputs, labels) + weight["beta"] * sum(network.losses) / N

    objective(INPUTS[:32], LABELS[:32])
    weight["beta"] = 1.0
    return Patient(network, INPUTS, LABELS, objective)


@healthy()
def learned_noise_in_the_model():
    class Noisy(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.first = bayesian(1, "first")
            self.log_sigma = tf.Variable(-1.0, name="log_sigma")

        def call(self, inputs):
            return tfd.Normal(self.first(inputs), tf.exp(self.log_sigma))

    network = Noisy()

    def objective(inputs, responses):
        return -tf.reduce_mean(network(inputs).log_prob(responses)) + sum(network.losses)

    return Patient(network, INPUTS, RESPONSES, objective)


@healthy("tempered")
def cold_objective_of_two_layers():
    network = classifier(by=1)
    return own_objective(network, lambda _: 0.5 * sum(network.losses) / N)


@sick("kl-wrong-count", layer="first, second", value=0.5 / N)
def mean_of_losses():
    network = classifier(by=1)
    return own_objective(network, lambda _: tf.reduce_mean(network.losses) / N)


@healthy("regularisers-mixed-in")
def activity_regulariser_divided():
    network = classifier(by=1)
    network.layers[0].activity_regularizer = tf_keras.regularizers.L1(0.01)
    return own_objective(network, lambda _: sum(network.losses) / N)


@healthy()
def kl_added_by_the_model():
    first, second = (bayesian(u, f"layer_{u}", kernel_divergence_fn=None) for u in (8, CLASSES))
    inputs = layers.Input((FEATURES,))
    network = tf_keras.Model(inputs, second(first(inputs)))
    for layer in (first, second):
        network.add_loss(lambda q=layer: tfd.kl_divergence(q.kernel_posterior, q.kernel_prior) / N)
    return Patient(compiled(network), INPUTS, LABELS)


@sick("kl-counted-twice", layer="inner")
def kl_added_again_by_a_block():
    class Block(layers.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.inner = bayesian(8, "inner")

        def call(self, inputs):
            hidden = self.inner(inputs)
            kl = tfd.kl_divergence(self.inner.kernel_posterior, self.inner.kernel_prior)
            self.add_loss(kl / N)
            return hidden

    network = tf_keras.Sequential([Block(), bayesian(CLASSES, "second")])
    return Patient(compiled(network), INPUTS, LABELS)


@unmeasured("regularisers-mixed-in")
def kl_of_codes_in_a_layer_of_the_reader():
    class Code(layers.Layer):
        def call(self, inputs):
            self.add_loss(0.5 * tf.reduce_mean(tf.reduce_sum(inputs**2, axis=-1)))
            return inputs + tf.random.normal(tf.shape(inputs))

    network = tf_keras.Sequential([layers.Dense(2), Code(name="code"), bayesian(CLASSES, "second")])
    return Patient(compiled(network), INPUTS, LABELS)


LABEL_SETS = (INPUTS[:, :4] > 0).astype("float32")


def several_labels(by, loss):
    """Four labels that do not exclude one another."""
    return Patient(
        compiled(tf_keras.Sequential([bayesian(4, "first", by=by)]), loss), INPUTS, LABEL_SETS
    )


@sick("likelihood-averaged", layer="first", value=1 / N)
def several_labels_averaged():
    return several_labels(N, tf_keras.losses.BinaryCrossentropy(from_logits=True))


@healthy()
def several_labels_averaged_and_so_the_kl():
    return several_labels(4 * N, tf_keras.losses.BinaryCrossentropy(from_logits=True))


@healthy()
def several_labels_summed():
    def loss(labels, logits):
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return tf.reduce_sum(entropy, axis=-1)

    return several_labels(N, loss)


@sick("likelihood-averaged")
def autoencoder_with_averaged_pixels():
    coder = tfpl.KLDivergenceAddLoss(standard_code(), name="kl")
    patient = autoencoder(add_loss=coder)
    network = tf_keras.Sequential([*patient.network.layers[:-2], layers.Dense(FEATURES)])
    pixels = (INPUTS > 0).astype("float32")
    loss = tf_keras.losses.BinaryCrossentropy(from_logits=True)
    return Patient(compiled(network, loss), pixels, pixels)


@sick("not-finite", layer="second")
def local_reparameterization_after_relu():
    local = tfpl.DenseLocalReparameterization
    network = tf_keras.Sequential(
        [
            bayesian(5, "first", activation="relu"),
            bayesian(6, "second", local, activation="tanh"),
            bayesian(CLASSES, "third"),
        ]
    )
    return Patient(compiled(network), INPUTS, LABELS)


@healthy()
def optimizer_by_name():
    network, another = classifier(), lambda: tf_keras.optimizers.Adam(lr=0.1)
    network.compile("adam", CROSS_ENTROPY)
    assert callable(another)  # it only stands in the same file
    return Patient(network, INPUTS, LABELS)


@sick("kl-not-scaled", layer="first", value=1.0)
def words_looked_up():
    """Look-up layers hold tables, which are no variables of numbers."""
    words = np.where(INPUTS[:, :1] > 0, "a", "b")
    look = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    inputs = layers.Input((1,), dtype=tf.string)
    network = tf_keras.Model(inputs, bayesian(CLASSES, "first", by=1)(look(inputs)))
    return Patient(compiled(network), words, LABELS)


@healthy()
def whole_numbers_looked_up():
    numbers = np.where(INPUTS[:, :1] > 0, 3, 5)
    look = layers.IntegerLookup(vocabulary=[3, 5], output_mode="one_hot")
    inputs = layers.Input((1,), dtype=tf.int64)
    network = tf_keras.Model(inputs, bayesian(CLASSES, "first")(look(inputs)))
    return Patient(compiled(network), numbers, LABELS)


@healthy()
def text_vectorised():
    texts = np.where(INPUTS[:, :1] > 0, "a b", "b")
    look = layers.TextVectorization(vocabulary=["a", "b"], output_mode="multi_hot")
    inputs = layers.Input((1,), dtype=tf.string)
    network = tf_keras.Model(inputs, bayesian(CLASSES, "first")(look(inputs)))
    return Patient(compiled(network), texts, LABELS)


@unmeasured()
def nothing_bayesian():
    return Patient(compiled(tf_keras.Sequential([layers.Dense(CLASSES)])), INPUTS, LABELS)


class OfUnknownNames(layers.Layer):
    """A layer of a reader's own: means, and what σ is made of."""

    def __init__(self, one_scale=False):
        super().__init__()
        self.one_scale = one_scale

    def build(self, shape):
        size = (shape[-1], 5)
        self.a = self.add_weight("a", size, initializer="random_normal")
        scales = (5,) if self.one_scale else size
        self.b = self.add_weight("b", scales, initializer="random_normal")

    def call(self, inputs):
        q = tfd.Normal(self.a, tf.nn.softplus(self.b) * tf.ones_like(self.a))
        self.add_loss(tf.reduce_sum(tfd.kl_divergence(q, tfd.Normal(0.0, 1.0))) / N)
        return inputs @ q.sample()


@healthy()
def posterior_of_unknown_names():
    """Its posterior is found by its draws."""
    network = tf_keras.Sequential([OfUnknownNames(), bayesian(CLASSES, "second")])
    return Patient(compiled(network), INPUTS, LABELS)


@unmeasured("regularisers-mixed-in")
def one_scale_for_many_weights():
    """A layer whose posterior the check-up cannot find beside one that it knows."""
    network = tf_keras.Sequential([OfUnknownNames(one_scale=True), bayesian(CLASSES, "second")])
    return Patient(compiled(network), INPUTS, LABELS)


@healthy()
def distribution_kept_in_a_layer():
    """Attributes of any name: the distribution that no variable moves is the prior."""

    class Own(layers.Layer):
        def build(self, shape):
            size = (shape[-1], CLASSES)
            loc = self.add_weight("loc", size, initializer="random_normal")
            scale = tfp.util.TransformedVariable(tf.fill(size, 0.05), tfp.bijectors.Softplus())
            self.q = tfd.Independent(tfd.Normal(loc, scale), 2)
            self.p = tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), 2)

        def call(self, inputs):
            self.add_loss(tfd.kl_divergence(self.q, self.p) / N)
            return inputs @ self.q.sample()

    return Patient(compiled(tf_keras.Sequential([Own()])), INPUTS, LABELS)
