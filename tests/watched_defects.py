"""What TFP and Keras do wrongly today, one function each, with the section that tells readers so.

Each function asserts the behaviour of the pinned versions. When one fails in the weekly run, the
library has changed: mend the section that the entry names, then the entry.
"""

import copy
import importlib.metadata
import inspect
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.page.errors import error_message, recorded_warnings
from helpers.page.fresh_process import run_programs

tfd, tfl = tfp.distributions, tfp.layers
Check = Callable[[], None]
INPUTS = np.random.default_rng(0).normal(size=(7, 4)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2, 0])


class Defect(NamedTuple):
    """Where the book tells of a defect, what it says there, and the check that it is still so."""

    place: str
    claim: str
    check: Check


DEFECTS: list[Defect] = []


def told_in(place: str, claim: str) -> Callable[[Check], Check]:
    """Register a check under the section `page.md#anchor` that makes the claim."""

    def register(check: Check) -> Check:
        DEFECTS.append(Defect(place, claim, check))
        return check

    return register


def two_layers(**options: Any) -> tf_keras.Sequential:
    """Return a called network of widths 5 and 3."""
    network = tf_keras.Sequential([tfl.DenseFlipout(5, **options), tfl.DenseFlipout(3, **options)])
    network(INPUTS)
    return network


def vector_posterior(*, independent: bool) -> Callable[..., tf_keras.Sequential]:
    """Return a posterior function for DenseVariational, its weights one event or many."""

    def posterior(kernel_size: int, bias_size: int, dtype: Any = None) -> tf_keras.Sequential:
        size = kernel_size + bias_size

        def gaussian(t: tf.Tensor) -> Any:
            normal = tfd.Normal(t[..., :size], 0.3 + tf.nn.softplus(t[..., size:]))
            return tfd.Independent(normal, 1) if independent else normal

        variables = tfl.VariableLayer(2 * size, dtype=dtype)
        return tf_keras.Sequential([variables, tfl.DistributionLambda(gaussian)])

    return posterior


def vector_prior(kernel_size: int, bias_size: int, dtype: Any = None) -> Callable[..., Any]:
    """Return a standard normal prior that is one event."""
    return lambda _: tfd.Independent(tfd.Normal(tf.zeros(kernel_size + bias_size), 1.0), 1)


def bare_prior(dtype: Any, shape: Any, *_: object) -> Any:
    """Return a standard normal prior that is no single event."""
    return tfd.Normal(tf.zeros(shape, dtype), 1.0)


def joint_prior(kernel_shape: Any, bias_shape: Any, *_: object) -> Any:
    """Return standard normal priors of kernel and bias for a layer of tfp.experimental.nn."""
    normals = [tfd.Normal(tf.zeros(shape), 1.0) for shape in (kernel_shape, bias_shape)]
    return tfd.JointDistributionSequential(
        [tfd.Independent(normal, len(normal.batch_shape)) for normal in normals]
    )


def one_draw(posterior: Any, prior: Any, _: object) -> tf.Tensor:
    """Estimate a KL from one draw."""
    weights = posterior.sample()
    return tf.reduce_sum(posterior.log_prob(weights) - prior.log_prob(weights))


def saved(name: str) -> pathlib.Path:
    """Save a network of two layers; return its path."""
    path = pathlib.Path(tempfile.mkdtemp()) / name
    with recorded_warnings():
        two_layers().save(path)
    return path


@told_in(
    "06-then-and-now.md#the-example-in-tfps-documentation", "the docstring adds an unscaled KL"
)
def docstring_adds_the_unscaled_kl() -> None:
    text = inspect.getdoc(tfl.DenseFlipout) or ""
    assert "kl = sum(model.losses)" in text
    assert "loss = neg_log_likelihood + kl" in text


@told_in(
    "06-then-and-now.md#the-example-in-tfps-documentation",
    "the docstring calls tf.train.AdamOptimizer, which is gone",
)
def docstring_names_an_optimizer_that_is_gone() -> None:
    assert "tf.train.AdamOptimizer" in (inspect.getdoc(tfl.DenseFlipout) or "")
    assert not hasattr(tf.train, "AdamOptimizer")


@told_in(
    "06-then-and-now.md#the-example-in-tfps-documentation",
    "the docstring says that building adds the losses, and it does not",
)
def building_adds_no_loss() -> None:
    layer = tfl.DenseFlipout(3)
    layer.build((None, 4))
    assert "Upon being built, this layer adds losses" in (inspect.getdoc(tfl.DenseFlipout) or "")
    assert layer.losses == []


@told_in(
    "03-inspecting-losses.md#a-trap-default-layers-start-as-twins",
    "layers with default initialisers start with the same numbers",
)
def default_layers_start_as_twins() -> None:
    layers = [tfl.DenseFlipout(5), tfl.DenseReparameterization(6)]
    starts = []
    for layer in layers:
        layer(INPUTS)
        starts.append(np.ravel(layer.kernel_posterior.mean())[:20])
    assert np.array_equal(*starts)


@told_in(
    "15-saving-and-seeds.md#seeds-running-a-cell-again",
    "a new seed does not change the start of default layers in one process",
)
def a_new_seed_does_not_change_the_start() -> None:
    starts = []
    for seed in (1, 2):
        tf_keras.utils.set_random_seed(seed)
        starts.append(two_layers().layers[0].kernel_posterior.mean().numpy())
    assert np.array_equal(*starts)


@told_in(
    "10-priors.md#kernel_divergence_fn-gets-none-for-the-sample",
    "some layers hand None to the divergence function instead of a sample",
)
def some_layers_hand_none_to_the_divergence() -> None:
    received: list[Any] = []

    def divergence(posterior: Any, prior: Any, weights: Any) -> tf.Tensor:
        received.append(weights)
        return tfd.kl_divergence(posterior, prior)

    for layer_class in (tfl.DenseFlipout, tfl.DenseLocalReparameterization):
        layer_class(3, kernel_divergence_fn=divergence)(INPUTS)
    assert received == [None, None]
    assert "sample" in (inspect.getdoc(tfl.DenseFlipout.__init__) or "")


@told_in(
    "10-priors.md#where-it-breaks-priors-of-the-wrong-shape",
    "a bare prior broadcasts in a Monte Carlo KL, without an error",
)
def a_bare_prior_broadcasts() -> None:
    options = {"kernel_prior_fn": bare_prior, "kernel_divergence_fn": one_draw}
    layer = tfl.DenseFlipout(3, **options)
    layer(INPUTS)
    exact = tfd.kl_divergence(layer.kernel_posterior.distribution, tfd.Normal(0.0, 1.0))
    assert float(layer.losses[0]) > 3 * float(tf.reduce_sum(exact))


@told_in(
    "10-priors.md#where-it-breaks-priors-of-the-wrong-shape",
    "DenseVariational takes a posterior that is no single event, without an error",
)
def a_posterior_of_the_wrong_shape_is_taken() -> None:
    tf_keras.utils.set_random_seed(0)
    sums = []
    for independent in (True, False):
        layer = tfl.DenseVariational(3, vector_posterior(independent=independent), vector_prior)
        values = []
        for _ in range(40):
            layer(INPUTS)
            values.append(float(tf.reduce_mean(layer.losses[0])))
        sums.append(np.mean(values))
    assert abs(sums[1]) > 3 * abs(sums[0])


@told_in(
    "10-priors.md#where-it-breaks-priors-of-the-wrong-shape",
    "there is no closed form between two spellings of one Gaussian",
)
def two_spellings_of_a_gaussian_have_no_closed_form() -> None:
    gaussian = tfd.Independent(tfd.Normal(tf.zeros(3), 1.0), 1)
    diagonal = tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3))
    message = error_message(lambda: tfd.kl_divergence(gaussian, diagonal))
    assert message.startswith("NotImplementedError: No KL(")


@told_in(
    "10-priors.md#negative-numbers-in-losses",
    "DenseVariational estimates the KL from one draw unless told otherwise",
)
def dense_variational_estimates_by_default() -> None:
    default = inspect.signature(tfl.DenseVariational.__init__).parameters["kl_use_exact"].default
    assert default is False


@told_in(
    "10-priors.md#bias-prior-and-bias-posterior-four-settings",
    "a bias prior alone is taken, and penalises a point",
)
def a_bias_prior_alone_penalises_a_point() -> None:
    layer = tfl.DenseFlipout(3, bias_prior_fn=tfl.default_multivariate_normal_fn)
    layer(INPUTS)
    minus_log_prior = -layer.bias_prior.log_prob(layer.bias_posterior.mean())
    assert len(layer.losses) == 2
    assert np.isclose(float(layer.losses[1]), float(minus_log_prior), rtol=1e-5)


@told_in(
    "12-activations.md#counted-twice-kldivergenceregularizer",
    "KLDivergenceRegularizer counts the KL twice",
)
def the_regularizer_counts_twice() -> None:
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
    regularizer = tfl.KLDivergenceRegularizer(prior, use_exact_kl=True)
    network = tf_keras.Sequential(
        [tf_keras.layers.Dense(4), tfl.IndependentNormal(2, activity_regularizer=regularizer)]
    )
    kl = tf.reduce_mean(tfd.kl_divergence(network(INPUTS).tensor_distribution, prior))
    assert np.isclose(float(sum(network.losses)), 2 * float(kl), rtol=1e-5)


@told_in(
    "12-activations.md#sum-against-mean-kldivergenceaddloss",
    "KLDivergenceAddLoss sums an exact KL over the batch and averages an estimate",
)
def add_loss_sums_or_averages() -> None:
    prior = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
    penalty = tfl.KLDivergenceAddLoss(prior, use_exact_kl=True)
    network = tf_keras.Sequential([tf_keras.layers.Dense(4), tfl.IndependentNormal(2), penalty])
    kl = tfd.kl_divergence(network(INPUTS).tensor_distribution, prior)
    assert np.isclose(float(sum(network.losses)), float(tf.reduce_sum(kl)), rtol=1e-5)
    parameters = inspect.signature(tfl.KLDivergenceAddLoss.__init__).parameters
    assert parameters["test_points_reduce_axis"].default is None
    assert "Default value: `()`" in (inspect.getdoc(tfl.KLDivergenceAddLoss.__init__) or "")


@told_in(
    "14-life-of-losses.md#losses-after-fit-empty-stale-out-of-scope",
    "after fit the list holds tensors of a graph",
)
def after_fit_the_list_is_out_of_scope() -> None:
    network = two_layers()
    network.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(INPUTS, LABELS, verbose=0)
    assert "is out of scope" in error_message(lambda: float(sum(network.losses)))


@told_in(
    "14-life-of-losses.md#counted-more-than-once",
    "TimeDistributed over five steps makes six entries",
)
def time_distributed_makes_an_entry_a_step_and_one() -> None:
    network = tf_keras.Sequential([tf_keras.layers.TimeDistributed(tfl.DenseFlipout(3))])
    network(np.zeros((2, 5, 4), "float32"))
    assert len(network.losses) == 6


@told_in(
    "15-saving-and-seeds.md#what-works-and-what-fails",
    "whole-model files of Bayesian networks cannot be loaded",
)
def whole_models_cannot_be_loaded() -> None:
    known = {"DenseFlipout": tfl.DenseFlipout}
    endings = {"whole.keras": "'dict' object is not callable", "whole.h5": "'str' object is not"}
    for name, text in endings.items():
        path = saved(name)
        with recorded_warnings():
            assert text in error_message(lambda: tf_keras.models.load_model(path, known))  # noqa: B023


@told_in("15-saving-and-seeds.md#what-works-and-what-fails", "clone_model and deepcopy fail")
def networks_cannot_be_cloned() -> None:
    network = two_layers()
    clone = error_message(lambda: tf_keras.models.clone_model(network)(INPUTS))
    assert "name 'kl_lib' is not defined" in clone
    assert "instance of class Layer" in error_message(lambda: copy.deepcopy(network))


@told_in(
    "15-saving-and-seeds.md#what-works-and-what-fails", "DenseVariational cannot describe itself"
)
def dense_variational_has_no_config() -> None:
    layer = tfl.DenseVariational(3, vector_posterior(independent=True), vector_prior)
    assert "override `get_config()`" in error_message(layer.get_config)


@told_in(
    "15-saving-and-seeds.md#mixed-precision-and-dtype-errors-float16-bfloat16-uint8",
    "Bayesian layers fail under mixed precision, and with whole numbers",
)
def half_precision_and_whole_numbers_fail() -> None:
    with recorded_warnings():
        half = error_message(lambda: tfl.DenseFlipout(3, dtype="mixed_float16")(INPUTS))
    whole = error_message(lambda: tfl.DenseFlipout(3)(INPUTS.astype("uint8")))
    assert "requested dtype float32 for Tensor with dtype float16" in half
    assert "requested dtype float32 for Tensor with dtype uint8" in whole


@told_in(
    "09-estimators.md#where-it-breaks-a-row-of-zeros",
    "local reparameterization has no finite gradient where a whole input row is zero",
)
def local_reparameterization_meets_nan() -> None:
    layer = tfl.DenseLocalReparameterization(3)  # a ReLU could hold back every gradient
    with tf.GradientTape() as tape:
        output = tf.reduce_sum(layer(tf.zeros([2, 4])))
    scale = layer.trainable_variables[1]
    assert not np.all(np.isfinite(tape.gradient(output, scale)))


@told_in(
    "06-then-and-now.md#the-optimizer-and-a-learning-rate-that-is-ignored",
    "tf_keras drops the argument lr",
)
def the_argument_lr_is_dropped() -> None:
    with recorded_warnings() as messages:
        optimizer = tf_keras.optimizers.Adam(lr=0.5)
    assert np.isclose(float(optimizer.learning_rate), 0.001)
    assert "`lr` is deprecated" in "".join(messages)


@told_in(
    "16-which-keras.md#only-instances-of-keraslayer-and-no-attribute-rank",
    "Keras 3 refuses TFP layers, or loses them without a word",
)
def keras_3_refuses_or_loses_the_layers() -> None:
    class Silent(tf.keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.bayesian = tfl.DenseFlipout(3)

        def call(self, inputs: Any) -> Any:
            return self.bayesian(inputs)

    refused = error_message(lambda: tf.keras.Sequential([tfl.DenseFlipout(3)]))
    assert "Only instances of `keras.Layer` can be added" in refused
    obscure = error_message(lambda: tfl.DenseFlipout(3)(tf.keras.Input((4,))))
    assert "has no attribute 'rank'" in obscure
    silent = Silent()
    silent(INPUTS)
    assert (silent.losses, silent.trainable_variables) == ([], [])


@told_in(
    "15-saving-and-seeds.md#why-load_model-fails",
    "functions come back from a config with globals of TFP",
)
def revived_functions_have_other_globals() -> None:
    layer = tfl.DenseFlipout(3, kernel_divergence_fn=one_draw)
    revived = tfl.DenseFlipout.from_config(layer.get_config())
    home = revived.kernel_divergence_fn.__globals__["__name__"]
    assert home == "tensorflow_probability.python.layers.util"


@told_in(
    "15-saving-and-seeds.md#the-seed-argument-and-the-same-draw-twice",
    "the argument seed fixes the signs, not the draw of the weights",
)
@told_in(
    "09-estimators.md#plotting-draws-one-draw-one-function",
    "the argument seed does not repeat a draw",
)
def the_argument_seed_does_not_repeat_a_draw() -> None:
    layer = tfl.DenseFlipout(
        10,
        seed=1,
        kernel_posterior_fn=gaussian_posterior(seed=0),
        bias_posterior_fn=point_posterior(),
    )
    assert not np.allclose(layer(INPUTS), layer(INPUTS), atol=0.01)


@told_in("09-estimators.md#no-lstm-no-gru-no-embedding", "only dense layers and convolutions")
def there_are_no_recurrent_layers() -> None:
    missing = ("LSTM", "GRU", "RNN", "Embedding", "Attention")
    assert not [name for name in dir(tfl) if any(it in name for it in missing)]


@told_in(
    "09-estimators.md#copies-in-one-batch",
    "copies of an input with k features have only 2 to the k outputs in one Flipout batch",
)
def copies_in_a_flipout_batch_repeat_themselves() -> None:
    posterior, bias = gaussian_posterior(seed=0), point_posterior()
    layer = tfl.DenseFlipout(1, kernel_posterior_fn=posterior, bias_posterior_fn=bias)
    copies = np.tile([[1.0, 1.5, 2.0]], (1000, 1)).astype("float32")
    outputs = np.sort(np.ravel(layer(copies)))
    assert np.sum(np.diff(outputs) > 1e-6) + 1 == 2**3


@told_in(
    "12-activations.md#counted-twice-kldivergenceregularizer",
    "the docstring multiplies a KL of each example by the number of examples",
)
def docstring_multiplies_a_kl_per_example() -> None:
    text = inspect.getdoc(tfl.KLDivergenceRegularizer) or ""
    assert "s.sample(10)" in text
    assert "weight=num_train_samples" in text


@told_in(
    "16-which-keras.md#no-error-and-nothing-trains-tfkerasmodel",
    "a mixed model loses its Bayesian layer in silence",
)
def keras_3_loses_a_layer_in_silence() -> None:
    class Mixed(tf.keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.plain = tf.keras.layers.Dense(5)
            self.bayesian = tfl.DenseFlipout(3)

        def call(self, inputs: Any) -> Any:
            return self.bayesian(self.plain(inputs))

    mixed = Mixed()
    mixed(INPUTS)
    assert mixed.losses == []
    assert len(mixed.trainable_variables) == len(mixed.plain.trainable_variables)


@told_in(
    "16-which-keras.md#which-keras-tf_keras-tfkeras-or-keras",
    "TFP's layers are layers of tf_keras, and those of tf.keras are others",
)
def layers_belong_to_the_second_keras() -> None:
    assert issubclass(tfp.layers.DenseFlipout, tf_keras.layers.Layer)
    assert not issubclass(tfp.layers.DenseFlipout, tf.keras.layers.Layer)


@told_in(
    "16-which-keras.md#which-versions-belong-together",
    "the metadata allow a TensorFlow that the code refuses",
)
def metadata_allow_what_the_code_refuses() -> None:
    needs = " ".join(importlib.metadata.requires("tensorflow-probability") or ())
    program = "import tensorflow as tf\ntf.__version__ = '2.17.1'\nimport tensorflow_probability"
    refused = run_programs({"older": program})["older"].error
    assert "tensorflow>=2.16" in needs.replace(" ", "")
    assert "requires TensorFlow version >= 2.18" in refused


@told_in(
    "16-which-keras.md#without-any-keras-tfpexperimentalnn",
    "extra_loss is documented and absent, and compute_extra_loss forgets the exact divergence",
)
def experimental_layers_have_no_extra_loss() -> None:
    tfn = tfp.experimental.nn
    network = tfn.Sequential([tfn.AffineVariationalFlipout(4, 3, make_prior_fn=joint_prior)])
    assert "bnn.extra_loss" in (inspect.getdoc(tfn.AffineVariationalReparameterization) or "")
    assert not hasattr(network, "extra_loss")
    values = set()
    for _ in range(3):
        network(tf.ones([1, 4]))
        values.add(float(tfn.losses.compute_extra_loss(network, tfn.losses.kl_divergence_exact)))
    assert len(values) == 3


@told_in(
    "17-without-tfp.md#importing-tfp-where-tf_keras-is-missing",
    "distributions ask for tf_keras; those of NumPy do not, if they are imported first",
)
def distributions_ask_for_tf_keras() -> None:
    hide = "import sys; sys.modules['tf_keras'] = None\n"
    kl = "tfp.distributions.kl_divergence(*2 * [tfp.distributions.Normal(0.0, 1.0)])"
    usual = "import tensorflow_probability as tfp\n"
    in_numpy = "import tensorflow_probability.substrates.numpy as tfp\n"
    finished = run_programs(
        {
            "usual": hide + usual + kl,
            "NumPy first": hide + in_numpy + "import keras\n" + kl,
            "Keras first": hide + "import keras\n" + in_numpy + kl,
        }
    )
    assert "tf_keras" in finished["usual"].error
    assert finished["NumPy first"].error == ""
    assert "tf_keras" in finished["Keras first"].error


@told_in(
    "17-without-tfp.md#saving-get_config-and-noise-that-starts-again",
    "a file of Keras 3 does not hold the state of a SeedGenerator",
)
def a_saved_seed_generator_starts_again() -> None:
    network = keras.Sequential([keras.layers.Dropout(0.5, seed=3)])
    for _ in range(2):
        network(INPUTS, training=True)
    path = pathlib.Path(tempfile.mkdtemp()) / "whole.keras"
    network.save(path)
    loaded = keras.models.load_model(path)
    states = [np.array(it.layers[0].seed_generator.state.numpy()) for it in (network, loaded)]
    assert not np.array_equal(*states)


@told_in(
    "17-without-tfp.md#a-whole-number-as-seed-the-same-draw-at-every-step",
    "keras.random with a whole number as seed draws the same numbers at each call",
)
def a_whole_number_as_seed_repeats_the_draw() -> None:
    draws = [keras.random.normal((5,), seed=3).numpy() for _ in range(2)]
    assert np.array_equal(*draws)
