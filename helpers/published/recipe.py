"""What a training is: data, network, prior, start, estimator, optimizer and schedule, in one value.

Introduced in chapters/20-published-numbers.md, "The KL before the first step".
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from .priors import GAUSSIAN, Prior, check_prior, divergence_fn, prior_fn
from .untrained import TFP_MEANS, TFP_SCALES, Spread

tfpl = tfp.layers

ESTIMATORS = {
    "flipout": ("DenseFlipout", "Convolution2DFlipout"),
    "reparameterization": ("DenseReparameterization", "Convolution2DReparameterization"),
    "local": ("DenseLocalReparameterization", None),
}
OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class Recipe:
    """All that decides a training, so that it can be written into a file and repeated.

    Attributes
    ----------
    data
        ``"mnist"`` or ``"fashion_mnist"``: 60,000 images to train on, 10,000 to test on.
    pixels
        What the bytes 0 to 255 become, lowest and highest.
    body
        ``"dense"``: layers of the widths ``hidden``, ReLU; ``"lenet"``: LeNet-5 of TFP's example.
    hidden, skipped
        Widths of the hidden dense layers, and the places (from 0) of those whose output is thrown
        away, while their KL is charged: a slip that a published program makes.
    prior
        Of each weight: (share, standard deviation) of each Gaussian around 0. One pair is a
        Gaussian prior, whose KL is computed; several are a scale mixture, whose KL is estimated by
        a draw.
    means, untransformed_scales
        Where μ and ρ start, σ = softplus(ρ).
    bayesian_biases
        Whether biases have a posterior too; otherwise they are point estimates that start at 0.
    estimator
        Where the noise is drawn: ``"flipout"``, ``"reparameterization"`` or ``"local"``.
    optimizer, learning_rate, momentum
        ``"adam"`` or ``"sgd"``; the rate is that of the *mean* negative log-likelihood + KL/N.
    halve_every
        After so many epochs the learning rate is half; ``None`` keeps it. It does not depend on how
        long the training is, so that a short training is the beginning of a long one.
    kl_factor
        On the right weight of the KL, 1/N.
    batch_size, num_draws
        B, and S, the draws that a step averages.
    """

    data: str = "mnist"
    pixels: tuple[float, float] = (0.0, 255.0 / 126.0)
    body: str = "dense"
    hidden: tuple[int, ...] = (400, 400)
    skipped: tuple[int, ...] = ()
    prior: Prior = GAUSSIAN
    means: Spread = TFP_MEANS
    untransformed_scales: Spread = TFP_SCALES
    bayesian_biases: bool = False
    estimator: str = "reparameterization"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    halve_every: float | None = None
    kl_factor: float = 1.0
    batch_size: int = 128
    num_draws: int = 1

    def __post_init__(self) -> None:
        _check_one_of("estimator", self.estimator, ESTIMATORS)
        _check_one_of("optimizer", self.optimizer, OPTIMIZERS)
        _check_one_of("body", self.body, ("dense", "lenet"))
        check_prior(self.prior)
        if self.body == "lenet" and ESTIMATORS[self.estimator][1] is None:
            raise ValueError(
                "TFP has no convolution with local reparameterization: write estimator='flipout' "
                "for LeNet-5."
            )

    def as_record(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return dataclasses.asdict(self)


def _check_one_of(name: str, value: str, choices: Any) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: write one of {', '.join(map(repr, choices))}.")


class Skipped(tf_keras.layers.Layer):
    """Calls a layer, which adds its losses, and hands on its own inputs."""

    def __init__(self, layer: tf_keras.layers.Layer) -> None:
        super().__init__(name=f"skipped_{layer.name}")
        self.layer = layer

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the inputs [examples, …] as they are."""
        self.layer(inputs)
        return inputs


def build_network(recipe: Recipe, seed: int = 0) -> tf_keras.Sequential:
    """Return the network of a recipe, not trained, that puts out logits [examples, 10]."""
    layers: list[Any] = []
    if recipe.body == "lenet":
        layers.append(tf_keras.layers.Reshape((28, 28, 1)))
        for index, filters in enumerate((6, 16, 120)):
            convolution = getattr(tfpl, str(ESTIMATORS[recipe.estimator][1]))
            options = _layer_options(recipe, seed, index)
            name = f"convolution_{index + 1}"
            layers.append(
                convolution(filters, 5, padding="same", activation="relu", name=name, **options)
            )
            if index < 2:
                layers.append(tf_keras.layers.MaxPooling2D(2, 2, padding="same"))
        layers.append(tf_keras.layers.Flatten())
    widths = (84,) if recipe.body == "lenet" else recipe.hidden
    dense = getattr(tfpl, ESTIMATORS[recipe.estimator][0])
    for index, width in enumerate(widths):
        options = _layer_options(recipe, seed, 10 + index)
        layer = dense(width, activation="relu", name=f"hidden_{index + 1}", **options)
        layers.append(Skipped(layer) if index in recipe.skipped else layer)
    layers.append(dense(10, name="logits", **_layer_options(recipe, seed, 100)))
    return tf_keras.Sequential(layers, name="neural_net")


def _layer_options(recipe: Recipe, seed: int, index: int) -> dict[str, Any]:
    """Return posterior, prior and divergence of a layer; every layer starts by its own seed."""
    own = 100_000 * seed + 10 * index
    options = {
        "kernel_posterior_fn": _posterior(recipe, own),
        "bias_posterior_fn": tfpl.default_mean_field_normal_fn(
            is_singular=True, loc_initializer="zeros"
        ),
        "kernel_prior_fn": prior_fn(recipe.prior),
        "kernel_divergence_fn": divergence_fn(recipe.prior),
    }
    if recipe.bayesian_biases:
        options["bias_posterior_fn"] = _posterior(recipe, own + 5)
        options["bias_prior_fn"] = prior_fn(recipe.prior)
        options["bias_divergence_fn"] = divergence_fn(recipe.prior)
    return options


def _posterior(recipe: Recipe, seed: int) -> Callable[..., Any]:
    return tfpl.default_mean_field_normal_fn(
        loc_initializer=recipe.means.initializer(seed),
        untransformed_scale_initializer=recipe.untransformed_scales.initializer(seed + 1),
    )


def make_optimizer(recipe: Recipe, num_examples: int) -> tf_keras.optimizers.Optimizer:
    """Return the optimizer of a recipe, for so many training examples."""
    rate: Any = recipe.learning_rate
    if recipe.halve_every is not None:
        in_epoch = -(-num_examples // recipe.batch_size)
        steps = round(recipe.halve_every * in_epoch)
        rate = tf_keras.optimizers.schedules.ExponentialDecay(rate, steps, 0.5)
    if recipe.optimizer == "sgd":
        return tf_keras.optimizers.SGD(rate, momentum=recipe.momentum)
    return tf_keras.optimizers.Adam(rate)
