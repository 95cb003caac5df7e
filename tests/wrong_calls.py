"""Every argument of every Bayesian and distribution layer, given what people plausibly give it.

`wrong_calls()` makes the calls by a table: for each layer and each of its arguments the values that
other layers, older versions and other functions would take there; then wrong inputs, and wrong uses
of what comes out. Some of them work, which is as well: what counts is what the others raise.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd, tfl = tfp.distributions, tfp.layers
Make = Callable[[], Any]
BATCH, WIDTH, UNITS = 7, 5, 3
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(BATCH, WIDTH)).astype("float32")
IMAGES = {rank: RNG.normal(size=(BATCH, *[6] * rank, 2)).astype("float32") for rank in (1, 2, 3)}
DENSE = (tfl.DenseFlipout, tfl.DenseReparameterization, tfl.DenseLocalReparameterization)
CONVOLUTIONS = {
    getattr(tfl, f"Convolution{rank}D{kind}"): rank
    for rank in (1, 2, 3)
    for kind in ("Flipout", "Reparameterization")
}
FAMILY = tfl.default_mean_field_normal_fn


def vector_posterior(
    kernel_size: int, bias_size: int = 0, dtype: Any = None, **options: Any
) -> tf_keras.Sequential:
    """A posterior as DenseVariational wants it, from TFP's own tutorial."""
    size = kernel_size + bias_size

    def gaussian(t: tf.Tensor) -> Any:
        return tfd.Independent(tfd.Normal(t[..., :size], tf.nn.softplus(t[..., size:])), 1)

    variables = tfl.VariableLayer(2 * size, dtype=dtype)
    return tf_keras.Sequential([variables, tfl.DistributionLambda(gaussian, **options)])


def vector_prior(kernel_size: int, bias_size: int = 0, dtype: Any = None) -> Callable[..., Any]:
    """A prior as DenseVariational wants it."""
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel_size + bias_size), 1.0), 1)


def number(_: Any, shape: Any, *__: Any) -> Any:
    """A function in the form of the layers' own, which returns a tensor."""
    return tf.zeros(shape)


def bare(_: Any, shape: Any, *__: Any) -> Any:
    return tfd.Normal(tf.zeros(shape), 1.0)


def vector(_: Any, shape: Any, *__: Any) -> Any:
    size = int(np.prod(shape))
    return tfd.MultivariateNormalDiag(tf.zeros(size), tf.ones(size))


def diagonal(_: Any, shape: Any, *__: Any) -> Any:
    """One event for each row."""
    return tfd.MultivariateNormalDiag(tf.zeros(shape), tf.ones(shape))


def laplace(_: Any, shape: Any, *__: Any) -> Any:
    return tfd.Independent(tfd.Laplace(tf.zeros(shape), 1.0), len(shape))


def double(_: Any, shape: Any, *__: Any) -> Any:
    zeros = np.zeros(tuple(shape))
    return tfd.Independent(tfd.Normal(zeros, np.ones_like(zeros)), len(shape))


def scalar(*_: Any) -> Any:
    return tfd.Normal(0.0, 1.0)


def mixture(_: Any, shape: Any, *__: Any) -> Any:
    parts = tfd.Normal([0.0, 0.0], [0.1, 1.0])
    mixed = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.5, 0.5]), parts)
    return tfd.Sample(mixed, shape)


def constant(*_: Any) -> Any:
    return 1.0


def nothing(*_: Any) -> Any:
    return None


def a_layer(*_: Any) -> Any:
    return tfl.VariableLayer(2)


def without_arguments() -> Any:
    return tfd.Normal(0.0, 1.0)


def two_arguments(dtype: Any, shape: Any) -> Any:
    return tfd.Independent(tfd.Normal(tf.zeros(shape, dtype), 1.0), len(shape))


def prior_in_the_call() -> Any:
    return tfl.default_multivariate_normal_fn(trainable=True)


ACTIVATIONS = (
    "Relu",
    "reluu",
    tf_keras.layers.ReLU,
    tf_keras.layers.ReLU(),
    3,
    tf.keras.layers.ReLU(),
)
REGULARISERS = ("l3", 1e-4, tf_keras.regularizers.L2, tf.keras.regularizers.L2())
SIZES = (None, 0, -1, "3", 2.5, (3,), [3])
DISTRIBUTION_FNS = (
    None,
    "normal",
    tfd.Normal,
    tfd.Normal(0.0, 1.0),
    FAMILY,
    vector_posterior,
    vector_prior,
    number,
    bare,
    vector,
    diagonal,
    laplace,
    double,
    scalar,
    mixture,
    constant,
    nothing,
    a_layer,
    without_arguments,
    two_arguments,
    FAMILY(is_singular=True),
    tf_keras.initializers.RandomNormal(),
    tfl.default_multivariate_normal_fn,
)
TENSOR_FNS = (
    None,
    "mean",
    tfd.Normal,
    tfd.Distribution.sample,
    lambda d: d.sample(25),
    lambda d: d,
    lambda: 1.0,
    nothing,
    lambda d: d.sample().numpy(),
    lambda d: d.loc,
    lambda d: d.sample(25).mean(),
)


def drawn(q: Any, p: Any, _: Any) -> Any:
    weights = q.sample(6)
    return tf.reduce_mean(q.log_prob(weights) - p.log_prob(weights))


DIVERGENCE_FNS = (
    None,
    "kl",
    1 / 60,
    tfd.kl_divergence,
    lambda q, p: tfd.kl_divergence(q, p),
    lambda q: q.entropy(),
    lambda q, p, w: q.log_prob(w) - p.log_prob(w),
    lambda q, p, w: tf.reduce_mean(w**2),
    lambda q, p, w: tf.reduce_mean(w),
    nothing,
    lambda q, p, w: w.mean(),
    lambda q, p, w: w - q.mean(),
    lambda q, p, w: 2 * w,
    lambda q, p, _: tfd.kl_divergence(q.distribution, p.distribution),
    lambda q, p, _: tfd.kl_divergence(p, q) / tf.constant(60),
    drawn,
    lambda q, p, _: tfd.kl_divergence(q, p) / np.int64(60),
    lambda q, p, _: tfd.kl_divergence(q, p) / tf.constant(60.0, tf.float64),
    lambda q, p, _: tfd.kl_divergence(q, p) / tf_keras.Input((1,)),
    lambda q, p, _: tfd.kl_divergence(q, p).numpy(),
    lambda q, p, _: q.kl_divergence(p) / None,
    lambda q, p, _: (tfd.kl_divergence(q, p), 1),
    tf_keras.losses.KLDivergence(),
    tf_keras.losses.kld,
    tfl.KLDivergenceRegularizer(tfd.Normal(0.0, 1.0)),
    lambda q, p, _, n: q.kl_divergence(p) / n,
    lambda q, p, _: tf.constant("a"),
)
OF_ORDINARY_LAYERS = {
    "use_bias": (False,),
    "kernel_initializer": ("he_normal",),
    "bias_initializer": ("zeros",),
    "kernel_regularizer": ("l2",),
    "bias_regularizer": ("l2",),
    "kernel_constraint": (tf_keras.constraints.MaxNorm(3),),
    "groups": (2,),
    "name": (3, "a layer/:"),
    "dtype": (
        "float16",
        "bfloat16",
        "mixed_float16",
        "float64",
        "int32",
        "float31",
        float,
        np.float32,
    ),
    "input_shape": (WIDTH, (WIDTH,), "5"),
    "input_dim": ("5", None),
    "kl_weight": (1 / 60,),
    "num_examples": (60,),
    "prior": (tfd.Normal(0.0, 1.0),),
    "weights": ([INPUTS],),
    "batch_size": (7,),
    "rate": (0.1,),
}
ARGUMENTS = {
    "activation": ACTIVATIONS,
    "activity_regularizer": REGULARISERS,
    "kernel_posterior_fn": DISTRIBUTION_FNS,
    "kernel_posterior_tensor_fn": TENSOR_FNS,
    "kernel_prior_fn": (*DISTRIBUTION_FNS, prior_in_the_call),
    "kernel_divergence_fn": DIVERGENCE_FNS,
    "bias_posterior_fn": DISTRIBUTION_FNS,
    "bias_posterior_tensor_fn": TENSOR_FNS,
    "bias_prior_fn": DISTRIBUTION_FNS,
    "bias_divergence_fn": DIVERGENCE_FNS,
    "seed": ("a", 2.5, (1, 2)),
    **OF_ORDINARY_LAYERS,
}
OF_CONVOLUTIONS = {
    "kernel_size": (None, 0, -1, "3", 2.5, (3, 3), (3, 3, 3), (3, 3, 3, 3), 9),
    "strides": (None, 0, 2.5, (2, 2), (2, 2, 2, 2), 9),
    "padding": ("causal", "SAME", "full", 1, None, "reflect"),
    "data_format": ("NHWC", "channels_first", None, 1),
    "dilation_rate": (0, 2, None, 9, (2, 2)),
}
OF_DENSE_VARIATIONAL = {
    "make_posterior_fn": (
        None,
        "normal",
        tfd.Normal,
        tfd.Normal(0.0, 1.0),
        FAMILY,
        FAMILY(),
        vector_prior,
        vector_posterior(18),
        number,
        bare,
        constant,
        nothing,
        a_layer,
        without_arguments,
        lambda k, b: vector_posterior(k, b),
        lambda k, b=0, dtype=None: tfl.VariableLayer(2 * (k + b)),
        lambda k, b=0, dtype=None: tfd.Independent(tfd.Normal(tf.zeros(k + b), 1.0), 1),
        lambda k, b=0, dtype=None: tf_keras.Sequential([tfl.VariableLayer(k + b)]),
        lambda k, b=0, dtype=None: tf_keras.Sequential(
            [tfl.VariableLayer(k + b), tfl.MultivariateNormalTriL(k + b)]
        ),
        lambda k, b=0, dtype=None: tf_keras.Sequential(
            [tfl.VariableLayer(k), tfl.DistributionLambda(lambda t: tfd.Normal(t, 1.0))]
        ),
        lambda k, b=0, dtype=None: tf_keras.Sequential(
            [tfl.VariableLayer(k + b), tfl.DistributionLambda(lambda t: t)]
        ),
        functools.partial(vector_posterior, convert_to_tensor_fn=lambda d: d.sample(25)),
        functools.partial(vector_posterior, convert_to_tensor_fn="mean"),
        lambda k, b=0, dtype=None: tf.keras.Sequential([tf.keras.layers.Dense(2)]),
        lambda k, b=0, dtype=None: tfl.DistributionLambda(lambda t: tfd.Normal(t, 1.0)),
        lambda k, b=0, dtype=None: tfl.DistributionLambda(
            lambda _: tfd.Independent(tfd.Normal(tf.zeros(k), 1.0), 1)
        ),
        lambda k, b=0, dtype=None: vector_posterior(k, b),
        lambda k, b=0, dtype=None: vector_posterior(k, b, "float64"),
    ),
    "make_prior_fn": (
        None,
        "normal",
        tfd.Normal,
        tfd.Normal(0.0, 1.0),
        FAMILY,
        FAMILY(),
        vector_posterior,
        tfl.default_multivariate_normal_fn,
        number,
        bare,
        constant,
        nothing,
        a_layer,
        lambda k, b=0, dtype=None: tfd.Independent(tfd.Normal(tf.zeros(k + b), 1.0), 1),
        lambda k, b=0, dtype=None: lambda: tfd.Independent(tfd.Normal(tf.zeros(k + b), 1.0), 1),
        lambda k, b=0, dtype=None: lambda _: tfd.Independent(tfd.Normal(tf.zeros(k), 1.0), 1),
        lambda k, b=0, dtype=None: lambda _: tfd.MultivariateNormalDiag(tf.zeros(k + b + 1)),
        lambda k, b=0, dtype=None: lambda _: tf.zeros(k + b),
        lambda k, b=0, dtype=None: lambda _: tfd.Independent(tfd.Normal(np.zeros(k + b), 1.0), 1),
        lambda k, b=0, dtype=None: tfl.VariableLayer(k + b),
        lambda k, b=0, dtype=None: tf_keras.Sequential([tfl.VariableLayer(k + b)]),
        lambda k, b=0, dtype=None: lambda _: None,
    ),
    "kl_weight": ("1/60", (1, 2), lambda: 1.0, tf.constant(1), np.float64(1 / 60), [1.0]),
    "kl_use_exact": (True,),
    "use_bias": (False, "no"),
    "activation": ACTIVATIONS,
    "activity_regularizer": REGULARISERS,
    **{
        name: it for name, it in OF_ORDINARY_LAYERS.items() if name not in ("use_bias", "kl_weight")
    },
    "kernel_divergence_fn": (None,),
    "kernel_prior_fn": (vector_prior,),
    "kernel_posterior_fn": (FAMILY(),),
    "seed": (1,),
}
CONVERT = (
    None,
    "mean",
    "sample",
    tfd.Normal,
    lambda d: d.sample(25),
    lambda: 1,
    nothing,
    lambda d: d.loc,
)
OF_DISTRIBUTIONS = {
    tfl.IndependentNormal: {"event_shape": (None, "3", (2, 2), 2.5, -1, 6, [3])},
    tfl.IndependentBernoulli: {
        "event_shape": (None, "3", (2, 2), 3, [3]),
        "sample_dtype": ("int", 3),
    },
    tfl.IndependentPoisson: {"event_shape": (None, "3", (2, 2), 3)},
    tfl.IndependentLogistic: {"event_shape": (None, "3", (2, 2), 4)},
    tfl.MultivariateNormalTriL: {"event_size": (None, "2", 3, (2,), -1)},
    tfl.OneHotCategorical: {"event_size": (None, "5", 4, (5,), -1), "sample_dtype": ("int", 3)},
    tfl.MixtureNormal: {"num_components": (None, "2", 3, 0), "event_shape": (None, (2,), "2")},
    tfl.CategoricalMixtureOfOneHotCategorical: {
        "event_size": (None, 3),
        "num_components": (None, 2),
    },
    tfl.DistributionLambda: {
        "make_distribution_fn": (
            None,
            "normal",
            tfd.Normal,
            tfd.Categorical,
            tfd.Normal(0.0, 1.0),
            lambda t: t,
            lambda t: None,
            lambda t: tfd.Normal,
            lambda: tfd.Normal(0.0, 1.0),
            lambda a, b: tfd.Normal(a, b),
            lambda t: tfd.Normal(t),
            lambda t: (t, t),
            lambda t: tfd.Normal(t, -1.0),
            lambda t: tfd.Normal(t, np.float64(1.0)),
            lambda t: tfd.Normal(t.numpy(), 1.0),
            lambda t: tfd.Normal(t[0], t[1]),
            lambda t: tfd.Normal(*t),
            lambda t: tfd.Normal(t[..., :3], t[..., 3:]),
            lambda t: tfd.Normal(t, np.ones(4, "float32")),
            lambda t: tfd.Normal(t, scale_diag=1.0),
            lambda t: tfd.Categorical(t, probs=t),
            lambda t: tfd.Independent(tfd.Normal(t, 1.0), 3),
            lambda t: tfd.Categorical(t).sample,
            tfl.IndependentNormal(2),
            tfl.IndependentNormal,
        ),
    },
}
REQUIRED = {
    tfl.IndependentNormal: {"event_shape": 2},
    tfl.MultivariateNormalTriL: {"event_size": 2},
    tfl.OneHotCategorical: {"event_size": 5},
    tfl.MixtureNormal: {"num_components": 1, "event_shape": 1},
    tfl.CategoricalMixtureOfOneHotCategorical: {"event_size": 4, "num_components": 1},
    tfl.DistributionLambda: {"make_distribution_fn": lambda t: tfd.Normal(t, 1.0)},
}


WIDTHS = {tfl.IndependentNormal: 4, tfl.IndependentBernoulli: 1, tfl.IndependentPoisson: 1}
WIDTHS |= {tfl.IndependentLogistic: 2, tfl.MixtureNormal: 3}
NO_ARGUMENTS = {"use_bias": (False,), "activation": ("relu",)}
PLACEHOLDERS = (type(tf_keras.Input((1,))), type(tf.keras.Input((1,))))
LAYERS: dict[str, Make] = {
    "DenseFlipout": lambda: tfl.DenseFlipout(UNITS),
    "DenseReparameterization": lambda: tfl.DenseReparameterization(UNITS),
    "DenseVariational": lambda: tfl.DenseVariational(UNITS, vector_posterior, vector_prior),
    "Conv1DFlipout": lambda: tfl.Convolution1DFlipout(UNITS, 3),
    "Conv2DReparameterization": lambda: tfl.Convolution2DReparameterization(UNITS, 3),
    "IndependentNormal": lambda: tfl.IndependentNormal(1),
    "DistributionLambda": lambda: tfl.DistributionLambda(lambda t: tfd.Normal(t, 1.0)),
}
WRONG_INPUTS = {
    "sparse": tf.sparse.from_dense(INPUTS),
    "SciPy's sparse": scipy.sparse.csr_matrix(INPUTS),
    "ragged": tf.ragged.constant([[1.0, 2.0], [3.0]]),
    "whole numbers": tf.cast(INPUTS, tf.int32),
    "bytes": INPUTS.astype("uint8"),
    "truth values": INPUTS > 0,
    "words": np.array([["a"] * WIDTH] * BATCH),
    "a list": INPUTS.tolist(),
    "a tuple": (INPUTS, INPUTS),
    "a dict": {"a": INPUTS},
    "None": None,
    "of Keras 3": tf.keras.Input((WIDTH,)),
    "one example": INPUTS[0],
    "half precision": tf.cast(INPUTS, tf.float16),
    "complex": INPUTS.astype("complex64"),
    "a frame": pd.DataFrame(INPUTS),
    "a data set": tf.data.Dataset.from_tensor_slices(INPUTS).batch(BATCH),
    "unknown width": tf_keras.Input((None,)),
    "unknown channels": tf_keras.Input((6, None)),
    "unknown channels of images": tf_keras.Input((6, 6, None)),
    "no examples": INPUTS[:0],
    "a distribution": tfd.Normal(INPUTS, 1.0),
    "objects": INPUTS.astype(object),
    "sequences": IMAGES[1],
}
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])
HALF = INPUTS[:, :2]


def network(*layers: Any) -> tf_keras.Sequential:
    return tf_keras.Sequential(list(layers))


def flipout(units: int = UNITS, **options: Any) -> Any:
    return tfl.DenseFlipout(units, **options)


def after_call(use: Callable[[Any], Any], make: Make = flipout) -> Any:
    """Call a layer, then use it."""
    layer = make()
    layer(INPUTS)
    return use(layer)


def regression() -> tf_keras.Sequential:
    return network(flipout(2), tfl.IndependentNormal(1))


def placeholder() -> Any:
    return tfl.IndependentNormal(1)(flipout(2)(tf_keras.Input((WIDTH,))))


def nll(targets: Any, distribution: Any) -> Any:
    return -distribution.log_prob(targets)


def fit(
    model: tf_keras.Model,
    targets: Any = LABELS,
    loss: Any = None,
    inputs: Any = INPUTS,
    metrics: tuple[Any, ...] = (),
    *,
    run_eagerly: bool = False,
    batch_size: int = BATCH,
) -> None:
    loss = loss or tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=list(metrics), run_eagerly=run_eagerly)
    model.fit(inputs, targets, batch_size=batch_size, verbose=0)


class OwnLayer(tf_keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def number_as_input() -> tf_keras.Model:
    start, number_of = tf_keras.Input((WIDTH,)), tf_keras.Input((1,))

    def divergence(q: Any, p: Any, _: Any) -> Any:
        return tfd.kl_divergence(q, p) / tf_keras.backend.mean(number_of)

    return tf_keras.Model([start, number_of], flipout(kernel_divergence_fn=divergence)(start))


def of_each_weight(q: Any, p: Any, _: Any) -> Any:
    return tfd.kl_divergence(q.distribution, p.distribution)


def with_divergence(divergence: Any, *widths: int) -> tf_keras.Sequential:
    return network(*(flipout(width, kernel_divergence_fn=divergence) for width in widths))


USES: dict[str, Make] = {
    "mean of a placeholder": lambda: placeholder().mean(),
    "log_prob of a placeholder": lambda: placeholder().log_prob(0.0),
    "draw from a placeholder": lambda: placeholder().sample(),
    "posterior before the call": lambda: flipout().kernel_posterior,
    "prior before the call": lambda: tfl.Convolution2DFlipout(3, 3).kernel_prior,
    "posterior of DenseVariational": lambda: after_call(
        lambda layer: layer.kernel_posterior, LAYERS["DenseVariational"]
    ),
    "kernel": lambda: after_call(lambda layer: layer.kernel),
    "bias": lambda: after_call(lambda layer: layer.bias),
    "kernel of DenseVariational": lambda: after_call(
        lambda layer: layer.kernel, LAYERS["DenseVariational"]
    ),
    "shape of unknown outputs": lambda: LAYERS["DenseFlipout"]().compute_output_shape((7, None)),
    "loc of a posterior": lambda: after_call(lambda layer: layer.kernel_posterior.loc),
    "scale of a posterior": lambda: after_call(lambda layer: layer.kernel_posterior.scale),
    "weights of a plain layer": lambda: after_call(
        lambda layer: layer.set_weights([np.zeros((WIDTH, UNITS)), np.zeros(UNITS)])
    ),
    "spectral normalisation": lambda: tf_keras.layers.SpectralNormalization(flipout())(INPUTS),
    "both directions": lambda: tf_keras.layers.Bidirectional(flipout()),
    "a recurrent cell": lambda: tf_keras.layers.RNN(flipout()),
    "a class among layers": lambda: network(tfl.DenseFlipout),
    "losses added": lambda: after_call(
        lambda model: model.add_loss(sum(model.losses)), lambda: network(flipout())
    ),
    "Conv2DFlipout": lambda: tfl.Conv2DFlipout,
    "LSTMFlipout": lambda: tfl.LSTMFlipout,
    "EmbeddingReparameterization": lambda: tfl.EmbeddingReparameterization,
    "NumPy's mean": lambda: np.mean(regression()(INPUTS)),
    "numpy of a distribution": lambda: regression()(INPUTS).numpy(),
    "spread of predict": lambda: regression().predict(INPUTS, verbose=0).stddev(),
    "likelihood of logits": lambda: network(flipout())(INPUTS).log_prob(LABELS),
    "likelihood of logits in fit": lambda: fit(network(flipout()), loss=nll),
    "likelihood as a metric": lambda: fit(regression(), INPUTS[:, :1], nll, metrics=(nll,)),
    "an input of Keras 3": lambda: tfl.IndependentNormal(2)(tf.keras.Input((4,))),
    "one output beside class numbers": lambda: fit(network(flipout(1))),
    "whole numbers as targets": lambda: fit(regression(), LABELS[:, None], nll),
    "sparse inputs in fit": lambda: fit(network(flipout()), inputs=WRONG_INPUTS["sparse"]),
    "SciPy's sparse inputs in fit": lambda: fit(
        network(flipout()), inputs=WRONG_INPUTS["SciPy's sparse"]
    ),
    "bytes in fit": lambda: fit(network(flipout()), inputs=INPUTS.astype("uint8")),
    "a distribution without log_prob": lambda: network(
        tfl.DistributionLambda(lambda t: tfd.Uniform(t, t + 1.0))
    )(INPUTS).log_prob(INPUTS),
    "a loss for each example": lambda: fit(
        network(flipout()), loss=tf_keras.losses.MeanSquaredError(reduction="none")
    ),
    "a loss for each example, called": lambda: fit(
        network(flipout()),
        loss=tf_keras.losses.MeanSquaredError(reduction="none"),
        run_eagerly=True,
    ),
    "a mask for a layer that knows none": lambda: fit(
        network(tf_keras.layers.Masking(), tf_keras.layers.TimeDistributed(OwnLayer())),
        inputs=np.zeros((BATCH, 3, WIDTH), "float32"),
        batch_size=BATCH - 2,  # its size is not known to the compiled step
    ),
    "a KL of each weight": lambda: fit(with_divergence(of_each_weight, 4, UNITS)),
    "a KL as a number of Python": lambda: fit(
        with_divergence(lambda q, p, _: float(tfd.kl_divergence(q, p)), UNITS)
    ),
    "a KL as an array": lambda: fit(
        with_divergence(lambda q, p, _: tfd.kl_divergence(q, p).numpy(), UNITS)
    ),
    "a KL through NumPy": lambda: fit(
        with_divergence(lambda q, p, _: np.log(tfd.kl_divergence(q, p)), UNITS)
    ),
    "number of examples as an input": lambda: fit(
        number_as_input(), inputs=[INPUTS, np.full((BATCH, 1), 60.0)]
    ),
    "draws beside a bare prior": lambda: call(
        flipout(kernel_prior_fn=bare, kernel_divergence_fn=drawn), INPUTS
    ),
    "penalty of a tensor": lambda: call(
        flipout(activity_regularizer=tfl.KLDivergenceRegularizer(tfd.Normal(0.0, 1.0))), INPUTS
    ),
    "added KL of a tensor": lambda: call(tfl.KLDivergenceAddLoss(tfd.Normal(0.0, 1.0)), INPUTS),
    "two spellings of a Gaussian": lambda: call(
        network(
            tf_keras.layers.Dense(5),
            tfl.MultivariateNormalTriL(2),
            tfl.KLDivergenceAddLoss(tfd.Normal(0.0, 1.0), use_exact_kl=True),
        ),
        INPUTS,
    ),
    "a mean for TFP's posterior": lambda: FAMILY(mean=0.0),
    "a scale for TFP's prior": lambda: tfl.default_multivariate_normal_fn(scale=2.0),
    "a prior that learns, called": prior_in_the_call,
    "a number as initialiser": lambda: call(
        flipout(kernel_posterior_fn=FAMILY(loc_initializer=0.1)), INPUTS
    ),
    "blocks of other sizes": lambda: tfl.VariableLayer(
        6, initializer=tfl.BlockwiseInitializer(["zeros", "ones"], [3, 4])
    ),
}


def named(value: Any) -> str:
    """A short name of a value; a function without a name is told by the place where it stands."""
    code = getattr(value, "__code__", None)
    if code is not None and value.__name__ == "<lambda>":
        return f"lambda of line {code.co_firstlineno}"
    return str(getattr(value, "__name__", value)).split(" object at ")[0][:60]


def call(layer: Any, inputs: Any) -> Any:
    """Call a layer as a network does, add its losses up and ask for gradients."""
    with tf.GradientTape() as tape:
        outputs = layer(inputs)
        loss = tf.reduce_sum(tf.convert_to_tensor(outputs)) + sum(layer.losses)
    return tape.gradient(loss, layer.trainable_variables)


class Call(NamedTuple):
    """A wrong call: the layer, the argument at fault, the value it gets, and the call itself."""

    layer: str
    argument: str
    value: str
    make: Make


def arguments(
    kind: Callable[..., Any],
    options: dict[str, tuple[Any, ...]],
    needed: dict[str, Any],
    inputs: Any,
) -> Iterator[Call]:
    """Each argument of a layer with each of its values, the others being right."""
    for name, values in options.items():
        for number_of, value in enumerate(values):
            keywords = {**needed, name: value}
            yield Call(
                kind.__name__,
                name,
                f"{named(value)} ({number_of})",
                lambda keywords=keywords: call(kind(**keywords), inputs),
            )


def layer_calls() -> Iterator[Call]:
    """Layers with a wrong argument, called on good inputs."""
    for kind in DENSE:
        options = {"units": SIZES, **ARGUMENTS}
        yield from arguments(kind, options, {"units": UNITS}, INPUTS)
    needed = {"filters": UNITS, "kernel_size": 3}
    for kind, rank in CONVOLUTIONS.items():
        options = {"filters": SIZES, **OF_CONVOLUTIONS}
        if rank == 1:  # the rest is the same code for all of them
            options |= ARGUMENTS
        yield from arguments(kind, options, needed, IMAGES[rank])
    needed = {"units": UNITS, "make_posterior_fn": vector_posterior, "make_prior_fn": vector_prior}
    options = {"units": SIZES, **OF_DENSE_VARIATIONAL}
    yield from arguments(tfl.DenseVariational, options, needed, INPUTS)


def distribution_calls() -> Iterator[Call]:
    """Layers that put out distributions, with a wrong argument."""
    for kind, options in OF_DISTRIBUTIONS.items():
        every = {**options, "convert_to_tensor_fn": CONVERT, **NO_ARGUMENTS}
        yield from arguments(kind, every, REQUIRED.get(kind, {}), INPUTS[:, : WIDTHS.get(kind, 5)])


def input_calls() -> Iterator[Call]:
    """Layers without a fault, called on inputs that they cannot take."""
    for name, make in LAYERS.items():
        for kind, inputs in WRONG_INPUTS.items():
            yield Call(name, "inputs", kind, functools.partial(_called, make, inputs))


def _called(make: Make, inputs: Any) -> Any:
    layer = make()
    return layer(inputs) if isinstance(inputs, PLACEHOLDERS) else call(layer, inputs)


def use_calls() -> Iterator[Call]:
    """Layers without a fault, used as one uses others."""
    for name, use in USES.items():
        yield Call("", "use", name, use)


def wrong_calls() -> Iterator[Call]:
    """All calls."""
    yield from layer_calls()
    yield from distribution_calls()
    yield from input_calls()
    yield from use_calls()
