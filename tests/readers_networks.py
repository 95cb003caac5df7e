"""Networks as readers build them, each with data, and what it says of them in NumPy, float64.

All scales are tiny (σ about 6e-6), so that every draw is the mean and each number has one value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd, tfpl, layers = tfp.distributions, tfp.layers, tf_keras.layers

N, FEATURES, WIDTH, CLASSES = 7, 4, 5, 3
STEPS, HEIGHT, BREADTH = 6, 4, 6
NARROW = -12.0  # σ = softplus(-12), about 6e-6
NOISE = 0.7
L2 = 0.013
Keras = tf_keras.losses


@dataclass(frozen=True)
class Head:
    """What one output means: its likelihood said in each way, and the same in NumPy.

    Attributes
    ----------
    nats
        (targets, parameters) ↦ negative log-likelihoods [examples], float64.
    means
        parameters ↦ probabilities or means [examples, …].
    loss, wrong
        A loss of Keras that says the same; one that says something else. ``None``: there is none.
    of_two, of_one
        (targets, outputs) ↦ negative log-likelihoods; outputs ↦ distribution.
    """

    nats: Callable[[Any, Any], Any]
    means: Callable[[Any], Any]
    loss: Any
    wrong: Any
    of_two: Any
    of_one: Any


@dataclass(frozen=True)
class Reader:
    """A network, its data, and what its outputs mean.

    Attributes
    ----------
    make
        σ before softplus ↦ the network.
    inputs, targets
        One array, or a tuple of them.
    heads
        What each output means.
    divisor
        What the network divides its KL by.
    l2
        Weight of an L2 penalty on the kernel of its plain layers.
    """

    name: str
    make: Callable[[float], Any]
    inputs: Any
    targets: Any
    heads: tuple[Head, ...]
    divisor: float = 1.0
    l2: float = 0.0
    kind: str = field(default="numbers")


READERS: dict[str, Reader] = {}


def reader(name: str, heads: Any, inputs: Any, targets: Any, **more: Any) -> Callable[..., Any]:
    """Register a network under a name."""
    heads = heads if isinstance(heads, tuple) else (heads,)

    def register(make: Callable[[float], Any]) -> Callable[[float], Any]:
        READERS[name] = Reader(name, make, inputs, targets, heads, **more)
        return make

    return register


def divided(count: float) -> Callable[..., Any]:
    """Return a divergence function: the KL in nats, divided."""
    return lambda q, p, _: tfd.kl_divergence(q, p) / count


def options(rho: float, count: float = 1.0) -> dict[str, Any]:
    """Return what a layer of TFP is given: σ at its start, and the divisor of its KL."""
    start = tf_keras.initializers.Constant(rho)
    posterior = tfpl.default_mean_field_normal_fn(untransformed_scale_initializer=start)
    return {"kernel_posterior_fn": posterior, "kernel_divergence_fn": divided(count)}


# What outputs mean


def _sum(nats: Any) -> Any:
    return nats.reshape(len(nats), -1).sum(axis=1)


def _classes(from_logits: bool) -> Head:
    def probabilities(outputs: Any) -> Any:
        return scipy.special.softmax(outputs, -1) if from_logits else outputs

    def nats(y: Any, outputs: Any) -> Any:
        chosen = np.take_along_axis(probabilities(outputs), y[..., None].astype(int), -1)
        return _sum(-np.log(chosen))

    loss = Keras.SparseCategoricalCrossentropy(from_logits=from_logits)
    key = "logits" if from_logits else "probs"
    return Head(
        nats,
        probabilities,
        loss,
        # Of a softmax Keras takes the logits, whatever from_logits says.
        Keras.SparseCategoricalCrossentropy() if from_logits else Keras.BinaryCrossentropy(),
        lambda y, out: Keras.sparse_categorical_crossentropy(y, out, from_logits=from_logits),
        lambda out: tfd.Categorical(**{key: out}),
    )


def _yes_or_no(from_logits: bool) -> Head:
    def probabilities(outputs: Any) -> Any:
        return scipy.special.expit(outputs) if from_logits else outputs

    def nats(y: Any, outputs: Any) -> Any:
        p = probabilities(outputs)
        y = y.reshape(p.shape)
        return _sum(-(y * np.log(p) + (1 - y) * np.log1p(-p)))

    def of_two(y: Any, out: Any) -> Any:
        key = {"logits" if from_logits else "probs": out}
        return -tfd.Bernoulli(**key, dtype=tf.float32).log_prob(tf.cast(y, tf.float32))

    return Head(
        nats,
        probabilities,
        Keras.BinaryCrossentropy(from_logits=from_logits),
        Keras.BinaryCrossentropy() if from_logits else Keras.SparseCategoricalCrossentropy(),
        of_two,
        lambda out: tfd.Bernoulli(**{"logits" if from_logits else "probs": out}),
    )


def _values(outputs: Any) -> Any:
    return outputs


VALUES = Head(
    lambda y, mean: _sum(-scipy.stats.norm.logpdf(y.reshape(mean.shape), mean, NOISE)),
    _values,
    None,
    Keras.MeanAbsoluteError(),
    lambda y, out: -tfd.Normal(out, NOISE).log_prob(y),
    lambda out: tfd.Normal(out, NOISE),
)


def _own_log_prob(nats: Any, means: Any) -> Head:
    """Return the meaning of a distribution: its parameters in NumPy."""
    minus = lambda y, rv: -rv.log_prob(y)  # noqa: E731
    return Head(nats, means, None, Keras.MeanAbsoluteError(), minus, lambda rv: rv)


def _normal_nats(y: Any, p: Any) -> Any:
    return _sum(-scipy.stats.norm.logpdf(y.reshape(p["loc"].shape), p["loc"], p["scale"]))


NORMAL = _own_log_prob(_normal_nats, lambda p: p["loc"])
ONE_HOT = _own_log_prob(
    lambda y, p: _sum(-y * scipy.special.log_softmax(p["logits"], -1)),
    lambda p: scipy.special.softmax(p["logits"], -1),
)
BERNOULLI = _own_log_prob(
    lambda y, p: _sum(np.logaddexp(0, p["logits"]) - y * p["logits"]),
    lambda p: scipy.special.expit(p["logits"]),
)
POISSON = _own_log_prob(
    lambda y, p: _sum(-scipy.stats.poisson.logpmf(y, np.exp(p["log_rate"]))),
    lambda p: np.exp(p["log_rate"]),
)


def parameters(output: Any) -> Any:
    """Return an output in float64: a tensor, or the parameters of a distribution by name."""
    inner = getattr(output, "tensor_distribution", output)
    if not isinstance(inner, tfd.Distribution):
        return np.asarray(output, np.float64)
    inner = inner.distribution if isinstance(inner, tfd.Independent) else inner
    known = {k: v for k, v in inner.parameters.items() if tf.is_tensor(v)}
    return {key: np.asarray(value, np.float64) for key, value in known.items()}


# Their data

RANDOM = np.random.default_rng(13)
X = RANDOM.normal(size=(N, FEATURES)).astype("float32")
SERIES = RANDOM.normal(size=(N, STEPS, FEATURES)).astype("float32")
IMAGES = RANDOM.normal(size=(N, HEIGHT, BREADTH, 2)).astype("float32")
LABELS = np.array([0, 2, 1, 1, 2, 0, 1])
YES = (np.arange(N) % 2).astype("float32")[:, None]
COLUMN = (X[:, :1] - 2 * X[:, 1:2] + 0.3).astype("float32")
ROWS = np.eye(CLASSES, dtype="float32")[LABELS]
SEVERAL = RANDOM.integers(0, 2, size=(N, CLASSES)).astype("float32")
COUNTS = RANDOM.poisson(2.0, size=(N, 2)).astype("float32")
PIXELS = RANDOM.integers(0, CLASSES, size=(N, HEIGHT, BREADTH))
STEP_LABELS = RANDOM.integers(0, CLASSES, size=(N, STEPS))
WORDS = np.array([["red"], ["green"], ["red"], ["blue"], ["green"], ["red"], ["blue"]])
CODES = np.array([[0], [3], [1], [3], [2], [1], [0]], dtype="int32")
LOGITS, PROBABILITIES = _classes(True), _classes(False)


# The networks


@reader("DenseFlipout, logits", LOGITS, X, LABELS)
def flipout(rho: float) -> Any:
    """Return the network of most tutorials, its KL in nats."""
    return tf_keras.Sequential(
        [
            tfpl.DenseFlipout(WIDTH, "relu", **options(rho)),
            tfpl.DenseFlipout(CLASSES, **options(rho)),
        ]
    )


@reader("DenseReparameterization, KL / N", LOGITS, X, LABELS, divisor=N)
def reparameterization(rho: float) -> Any:
    """Return a functional network whose KL is divided by N."""
    inputs = tf_keras.Input((FEATURES,), name="numbers")
    hidden = tfpl.DenseReparameterization(WIDTH, "tanh", **options(rho, N))(inputs)
    return tf_keras.Model(inputs, tfpl.DenseReparameterization(CLASSES, **options(rho, N))(hidden))


@reader("DenseLocalReparameterization, KL / N", LOGITS, X, LABELS, divisor=N)
def local_reparameterization(rho: float) -> Any:
    """Return a network with the third estimator."""
    return tf_keras.Sequential([tfpl.DenseLocalReparameterization(CLASSES, **options(rho, N))])


def mean_field(rho: float) -> Callable[..., Any]:
    """Return a posterior for DenseVariational."""

    def make(kernel: int, bias: int = 0, dtype: Any = None) -> Any:
        size = kernel + bias
        start = tfpl.BlockwiseInitializer(
            ["random_normal", tf_keras.initializers.Constant(rho)], [size, size]
        )

        def normal(t: Any) -> Any:
            scale = tf.nn.softplus(t[..., size:])
            return tfd.Independent(tfd.Normal(t[..., :size], scale), 1)

        return tf_keras.Sequential(
            [
                tfpl.VariableLayer(2 * size, dtype=dtype, initializer=start),
                tfpl.DistributionLambda(normal),
            ]
        )

    return make


def standard_normal(kernel: int, bias: int = 0, dtype: Any = None) -> Any:
    """Return the prior N(0, 1) for DenseVariational."""
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel + bias, dtype), 1.0), 1)


@reader("DenseVariational, KL / N", LOGITS, X, LABELS, divisor=N)
def variational(rho: float) -> Any:
    """Return a network whose kernel and bias have one posterior."""
    options = {"kl_weight": 1 / N, "kl_use_exact": True}
    return tf_keras.Sequential(
        [tfpl.DenseVariational(CLASSES, mean_field(rho), standard_normal, **options)]
    )


@reader("ends in softmax", PROBABILITIES, X, LABELS)
def softmax(rho: float) -> Any:
    """Return a network that puts out probabilities."""
    return tf_keras.Sequential([tfpl.DenseFlipout(CLASSES, "softmax", **options(rho))])


@reader("ends in sigmoid, a column", _yes_or_no(False), X, YES)
def sigmoid(rho: float) -> Any:
    """Return a network that puts out one probability."""
    return tf_keras.Sequential([tfpl.DenseReparameterization(1, "sigmoid", **options(rho))])


@reader("one column of logits", _yes_or_no(True), X, YES)
def one_logit(rho: float) -> Any:
    """Return a network for yes or no."""
    return tf_keras.Sequential([tfpl.DenseReparameterization(1, **options(rho))])


@reader("one column of values", VALUES, X, COLUMN, divisor=N)
def one_value(rho: float) -> Any:
    """Return a regression whose noise the reader knows."""
    return tf_keras.Sequential([tfpl.DenseFlipout(1, **options(rho, N))])


@reader("Normal with learned noise", NORMAL, X, COLUMN, divisor=N)
def normal(rho: float) -> Any:
    """Return a regression whose noise is learned."""
    return tf_keras.Sequential(
        [
            tfpl.DenseFlipout(WIDTH, "relu", **options(rho, N)),
            tfpl.DenseFlipout(2, **options(rho, N)),
            tfpl.DistributionLambda(
                lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:]))
            ),
        ]
    )


@reader("OneHotCategorical", ONE_HOT, X, ROWS)
def one_hot_categorical(rho: float) -> Any:
    """Return a network that puts out a distribution of one-hot rows."""
    return tf_keras.Sequential(
        [tfpl.DenseFlipout(CLASSES, **options(rho)), tfpl.OneHotCategorical(CLASSES)]
    )


@reader("IndependentBernoulli, several labels", BERNOULLI, X, SEVERAL)
def independent_bernoulli(rho: float) -> Any:
    """Return a network for several yes or no at once."""
    return tf_keras.Sequential(
        [tfpl.DenseFlipout(CLASSES, **options(rho)), tfpl.IndependentBernoulli(CLASSES)]
    )


@reader("IndependentPoisson, counts", POISSON, X, COUNTS, divisor=N)
def independent_poisson(rho: float) -> Any:
    """Return a network for counts."""
    return tf_keras.Sequential(
        [tfpl.DenseFlipout(2, **options(rho, N)), tfpl.IndependentPoisson(2)]
    )


@reader("a class for each pixel", LOGITS, IMAGES, PIXELS)
def pixels(rho: float) -> Any:
    """Return a segmentation."""
    return tf_keras.Sequential(
        [
            tfpl.Convolution2DFlipout(WIDTH, 3, padding="same", activation="relu", **options(rho)),
            tfpl.Convolution2DFlipout(CLASSES, 1, **options(rho)),
        ]
    )


@reader("a class for each time step", LOGITS, SERIES, STEP_LABELS)
def steps(rho: float) -> Any:
    """Return a recurrent network with a Bayesian last layer."""
    return tf_keras.Sequential(
        [
            layers.SimpleRNN(WIDTH, return_sequences=True),
            tfpl.DenseReparameterization(CLASSES, **options(rho)),
        ]
    )


class OwnLayer(layers.Layer):
    """A reader's own Bayesian layer: two variables, and its KL by add_loss."""

    def __init__(self, units: int, rho: float) -> None:
        super().__init__()
        self.units, self.start = units, rho

    def build(self, shape: Any) -> None:
        size = (int(shape[-1]), self.units)
        self.mu = self.add_weight("mu", size, initializer="random_normal")
        self.rho = self.add_weight(
            "rho", size, initializer=tf_keras.initializers.Constant(self.start)
        )

    def call(self, inputs: Any) -> Any:
        sigma = tf.nn.softplus(self.rho)
        kl = 0.5 * (sigma**2 + self.mu**2 - 1) - tf.math.log(sigma)
        self.add_loss(tf.reduce_sum(kl) / N)
        return inputs @ (self.mu + sigma * tf.random.normal(tf.shape(sigma)))


@reader("a layer of the reader's own", LOGITS, X, LABELS, divisor=N)
def own_layer(rho: float) -> Any:
    """Return a network of a hand-written layer."""
    return tf_keras.Sequential([OwnLayer(CLASSES, rho)])


@reader(
    "two inputs, two outputs", (LOGITS, NORMAL), (X, SERIES[:, 0, :2]), (LABELS, COLUMN), divisor=N
)
def two_and_two(rho: float) -> Any:
    """Return a network of two inputs: classes, and a value with its noise."""
    numbers = tf_keras.Input((FEATURES,), name="numbers")
    others = tf_keras.Input((2,), name="others")
    both = layers.Concatenate()([numbers, others])
    kind = tfpl.DenseFlipout(CLASSES, name="kind", **options(rho, N))(both)
    columns = tfpl.DenseFlipout(2, **options(rho, N))(both)
    value = tfpl.DistributionLambda(
        lambda t: tfd.Normal(t[..., :1], 1e-3 + tf.nn.softplus(t[..., 1:])), name="value"
    )(columns)
    return tf_keras.Model([numbers, others], [kind, value])


@reader("words, StringLookup", LOGITS, WORDS, LABELS, kind="words")
def words(rho: float) -> Any:
    """Return a network whose first layer looks up words."""
    look = layers.StringLookup(vocabulary=["red", "green", "blue"], output_mode="one_hot")
    inputs = tf_keras.Input((1,), dtype=tf.string, name="word")
    return tf_keras.Model(inputs, tfpl.DenseFlipout(CLASSES, **options(rho))(look(inputs)))


@reader("whole numbers, Embedding", LOGITS, CODES, LABELS, kind="codes")
def embedding(rho: float) -> Any:
    """Return a network whose first layer embeds codes."""
    return tf_keras.Sequential(
        [
            layers.Embedding(4, WIDTH, input_length=1),
            layers.Flatten(),
            tfpl.DenseFlipout(CLASSES, **options(rho)),
        ]
    )


@reader("L2 beside the KL", LOGITS, X, LABELS, divisor=N, l2=L2)
def l2_beside_kl(rho: float) -> Any:
    """Return a network with a plain layer that has a penalty."""
    return tf_keras.Sequential(
        [
            layers.Dense(WIDTH, "relu", kernel_regularizer=tf_keras.regularizers.L2(L2)),
            tfpl.DenseFlipout(CLASSES, **options(rho, N)),
        ]
    )


@reader("a bias with a prior (MAP)", LOGITS, X, LABELS)
def map_bias(rho: float) -> Any:
    """Return a network whose bias is one number each, with a prior."""
    return tf_keras.Sequential(
        [
            tfpl.DenseFlipout(
                CLASSES,
                bias_prior_fn=tfpl.default_multivariate_normal_fn,
                **options(rho),
            )
        ]
    )
