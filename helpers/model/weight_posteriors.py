"""Finding the posteriors of the weights in a network, whatever its layers are called."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

DRAWS = 8  # where a distribution has no formula


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of some weights of a layer.

    Attributes
    ----------
    layer, part
        The layer, and which of its weights ("kernel", "bias", "weights").
    make
        Returns the distribution as it is now; None where a layer keeps only variables.
    prior
        Returns the prior, or None.
    variables
        All variables on which it may depend.
    exponents
        For a layer without distribution: variables of the scale, with d log σ / dρ as ρ → −∞.
    """

    layer: Any
    part: str
    make: Callable[[], Any] | None
    prior: Callable[[], Any]
    variables: list[Any]
    exponents: tuple[tuple[Any, float], ...] = ()

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.layer.name)

    def entropy_gradients(self) -> tuple[float, list[Any]]:
        """Return the mean of log σ over the weights, and the entropy's gradient by variable."""
        if self.make is None:
            return self._assumed_gradients()
        with tf.GradientTape() as tape:
            for variable in self.variables:
                tape.watch(variable)
            distribution = self.make()
            entropy = tf.reduce_sum(_entropy(distribution))
        gradients = tape.gradient(entropy, self.variables)
        dense = [
            np.zeros(v.shape) if g is None else _dense(g)
            for v, g in zip(self.variables, gradients, strict=True)
        ]
        constant = 0.5 * np.log(2 * np.pi * np.e)
        return float(entropy) / self.num_weights - constant, dense

    def kl_gradients(self) -> list[Any] | None:
        """Return the gradient of the KL from the prior by variable, None without a closed form."""
        if self.make is None or self.prior() is None:
            return None
        with tf.GradientTape() as tape:
            for variable in self.variables:
                tape.watch(variable)
            try:
                kl = tf.reduce_sum(tfd.kl_divergence(self.make(), self.prior()))
            except (NotImplementedError, ValueError):  # no closed form, or shapes that do not fit
                return None
        gradients = tape.gradient(kl, self.variables)
        pairs = zip(self.variables, gradients, strict=True)
        return [np.zeros(v.shape) if g is None else _dense(g) for v, g in pairs]

    def moves_mean(self) -> list[Any]:
        """Return, by variable, which of its numbers the mean of the weights depends on.

        Where the mean is unknown, or is that of draws, every number may move it.
        """
        if self.make is None:
            return [np.zeros(v.shape, bool) for v in self.variables]
        with tf.GradientTape() as tape:
            for variable in self.variables:
                tape.watch(variable)
            mean = _mean(self.make())
            # Unequal weights, so that two paths from a number to the mean do not cancel.
            total = tf.reduce_sum(mean * tf.reshape(_unequal(mean), tf.shape(mean)))
        gradients = tape.gradient(total, self.variables)
        pairs = zip(self.variables, gradients, strict=True)
        return [np.zeros(v.shape, bool) if g is None else _dense(g) != 0 for v, g in pairs]

    def _assumed_gradients(self) -> tuple[float, list[Any]]:
        slopes = {id(v): slope for v, slope in self.exponents}
        dense = [np.full(v.shape, slopes.get(id(v), 0.0)) for v in self.variables]
        scale = self.exponents[0]
        return float(tf.reduce_mean(scale[0]) * scale[1]), dense

    @functools.cached_property
    def num_weights(self) -> int:
        """How many weights the posterior describes."""
        if self.make is None:
            return int(sum(np.prod(v.shape) for v, _ in self.exponents))
        distribution = self.make()
        shape = distribution.batch_shape.concatenate(distribution.event_shape)
        return int(np.prod(shape.as_list()))

    @functools.cached_property
    def is_random(self) -> bool:
        """Whether it has a spread at all; a point estimate has none."""
        return self.make is None or not _is_point(self.make())


def has_fixed_scale(posterior: Posterior) -> bool:
    """Whether σ is a constant by choice: no variable moves it, and none lies there unused.

    A scale that was computed once, when the layer was built, leaves its variable behind.
    """
    if posterior.make is None:
        return False
    _, slopes = posterior.entropy_gradients()
    if any(np.any(slope) for slope in slopes):
        return False
    pairs = zip(posterior.variables, posterior.moves_mean(), strict=True)
    means = {id(variable) for variable, moved in pairs if moved.any()}
    of_prior = {id(v) for v in getattr(posterior.prior(), "trainable_variables", ())}
    shapes = {tuple(v.shape) for v in posterior.variables if id(v) in means}
    return not any(
        tuple(v.shape) in shapes
        for v in [*posterior.variables, *posterior.layer.trainable_variables]
        if id(v) not in means | of_prior
    )


def find_posteriors(layers: Iterable[Any]) -> list[Posterior]:
    """Return the posteriors that layers hold as distributions, in the order of the layers.

    Point estimates are among them. Layers that keep only variables have none here: see
    :func:`.measured_scales.all_posteriors`.
    """
    found: list[Posterior] = []
    inner: set[int] = set()
    for layer in layers:
        if id(layer) in inner:
            continue
        if isinstance(layer, tfp.layers.DenseVariational):
            found += _of_dense_variational(layer)
            inner |= {id(part) for part in layer._flatten_layers()}
        else:
            found += _of_attributes(layer)
    return found


def is_floating(variable: Any) -> bool:
    """Whether it holds floating numbers; the tables of look-up layers, for one, have no dtype."""
    return bool(getattr(getattr(variable, "dtype", None), "is_floating", False))


def unwrap(distribution: Any) -> Any:
    """Return the distribution inside the wrapper that a DistributionLambda puts around it."""
    return getattr(distribution, "tensor_distribution", distribution)


def _of_dense_variational(layer: Any) -> list[Posterior]:
    if not layer.built:
        return []
    probe = tf.zeros([1, layer.input_spec.axes[-1]])
    variables = _variables(layer)
    return [
        Posterior(
            layer,
            "weights",
            lambda: unwrap(layer._posterior(probe)),
            lambda: unwrap(layer._prior(probe)),
            variables,
        )
    ]


def _of_attributes(layer: Any) -> list[Posterior]:
    """Return the posteriors that a layer holds as distributions: ``kernel_posterior`` etc.

    A distribution of another name is one if a variable moves it, and the prior if none does.
    """
    own = held_distributions(layer)
    named = {name for name in own if "posterior" in name}
    fixed = {name for name in own if "prior" in name}
    fixed |= {
        n for n in own if n not in named | fixed and not _moves(own[n], _variables(layer, own[n]))
    }
    found = []
    for name, value in own.items():
        variables = _variables(layer, value)
        if name in fixed or not variables:
            continue
        part = name.removesuffix("_posterior").strip("_")
        prior = getattr(layer, name.replace("posterior", "prior"), None)
        if prior is value:
            prior = next((own[n] for n in own if n in fixed and _alike(own[n], value)), None)
        found.append(Posterior(layer, part, _constant(value), _constant(prior), variables))
    return found


def held_distributions(layer: Any) -> dict[str, Any]:
    """Return the distributions that a layer keeps as attributes, those of Flipout's sums aside."""
    held = {name: it for name, it in vars(layer).items() if isinstance(it, tfd.Distribution)}
    return {name: it for name, it in held.items() if not name.endswith("_affine")}


def _alike(one: Any, other: Any) -> bool:
    """Whether two distributions are over the same weights."""
    return bool(one.event_shape == other.event_shape and one.batch_shape == other.batch_shape)


def _moves(distribution: Any, variables: list[Any]) -> bool:
    """Whether the density of a distribution depends on any of the variables."""
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        value = tf.stop_gradient(distribution.sample())
        log_prob = tf.reduce_sum(distribution.log_prob(value))
    return any(slope is not None for slope in tape.gradient(log_prob, variables))


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _variables(layer: Any, distribution: Any = None) -> list[Any]:
    """Return the variables of a layer and of a distribution, each once."""
    variables = [*layer.variables, *getattr(distribution, "variables", ())]
    return list({id(v): v for v in variables if is_floating(v)}.values())


def _is_point(distribution: Any) -> bool:
    while isinstance(distribution, (tfd.Independent, tfd.Sample)):
        distribution = distribution.distribution
    return isinstance(distribution, (tfd.Deterministic, tfd.VectorDeterministic))


def _dense(gradient: Any) -> Any:
    return np.asarray(tf.convert_to_tensor(gradient))


def _unequal(mean: Any) -> Any:
    return 1.0 + tf.cast(tf.range(tf.size(mean)) % 7, mean.dtype)


def _mean(distribution: Any) -> Any:
    """Return the mean, or that of a few draws where no formula is known."""
    try:
        return distribution.mean()
    except NotImplementedError:
        return tf.reduce_mean(distribution.sample(DRAWS), axis=0)


def _entropy(distribution: Any) -> Any:
    """Return the entropy, or what changes as it does where no formula is known.

    That is log σ, or minus the log density of a few draws.
    """
    try:
        return distribution.entropy()
    except NotImplementedError:
        pass
    try:
        return tf.reduce_sum(tf.math.log(distribution.stddev()))
    except NotImplementedError:
        draws = distribution.sample(DRAWS)
        return -tf.reduce_sum(distribution.log_prob(draws)) / DRAWS
