"""Dense layers as readers write them: two variables for each weight, a draw, and a KL.

They differ in how σ follows its variable, in how the KL is written, and in what it is divided by.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd = tfp.distributions
L = tf_keras.layers
UNITS = 3
N = 1347


def gauss(mean, sigma, _draw, prior=1.0):
    """KL to N(0, prior²) in closed form."""
    mean, sigma = mean / prior, sigma / prior
    return tf.reduce_sum(0.5 * (mean**2 + sigma**2) - 0.5 - tf.math.log(sigma))


def formula(mean, sigma, draw):
    """Monte Carlo, written out; the two normalising constants cancel."""
    log_q = -0.5 * ((draw - mean) / sigma) ** 2 - tf.math.log(sigma)
    return tf.reduce_sum(log_q + 0.5 * draw**2)


def beside(prior):
    """Monte Carlo with TFP's densities."""
    return lambda m, s, w: tf.reduce_sum(tfd.Normal(m, s).log_prob(w) - prior.log_prob(w))


class Own(L.Layer):
    """A reader's own dense layer: names, start and function of σ, and KL as one likes."""

    def __init__(
        self,
        sigma: Callable[[Any], Any] = tf.nn.softplus,
        kl: Callable[..., Any] = gauss,
        divisor: float = N,
        start: float = -3.0,
        names: tuple[str, str] = ("w_first", "w_second"),
        bias: str = "",
        activation: str | None = None,
        **options,
    ):
        super().__init__(**options)
        self.sigma, self.kl, self.divisor, self.start = sigma, kl, divisor, start
        self.names, self.bias = names, bias
        self.activation = tf_keras.activations.get(activation)

    def build(self, shape):
        size = [int(shape[-1]), UNITS]
        glorot = tf_keras.initializers.GlorotUniform(seed=3)
        self.a = self.add_weight(name=self.names[0], shape=size, initializer=glorot)
        constant = tf_keras.initializers.Constant(self.start)
        self.b = self.add_weight(name=self.names[1], shape=size, initializer=constant)
        if self.bias:
            self.c = self.add_weight(name="c", shape=[UNITS], initializer="zeros")
            self.d = self.add_weight(name="d", shape=[UNITS], initializer=constant)

    def draw(self, mean, raw):
        sigma = self.sigma(raw)
        draw = mean + sigma * tf.random.normal(mean.shape, dtype=mean.dtype)
        return draw, self.kl(mean, sigma, draw) / self.divisor

    def call(self, inputs):
        kernel, kl = self.draw(self.a, self.b)
        outputs = inputs @ kernel
        if self.bias:
            bias, kl_of_bias = self.draw(self.c, self.d)
            outputs += bias
            if self.bias == "apart":
                self.add_loss(kl_of_bias)
            else:
                kl += kl_of_bias
        self.add_loss(kl)
        return self.activation(outputs)


KNOWN = {
    "softplus": Own(),
    "exp": Own(tf.exp),
    "log variance": Own(lambda v: tf.exp(0.5 * v), start=-6.0, names=("theta", "log_var")),
    "sigma itself": Own(lambda v: v, start=0.05, names=("kernel_mean", "kernel_std")),
    "variance itself": Own(tf.sqrt, start=0.01),
    "scaled": Own(lambda v: 0.1 * tf.nn.softplus(v), names=("w_mu", "w_rho")),
    "kernel and bias in one": Own(bias="added"),
    "kernel and bias apart": Own(bias="apart", names=("loc", "rho")),
    "relu": Own(activation="relu"),
    "tanh": Own(activation="tanh"),
    "narrow prior": Own(kl=lambda m, s, w: gauss(m, s, w, prior=0.3)),
    "a floor": Own(lambda v: 1e-3 + tf.nn.softplus(v)),
    "a low floor, exp": Own(lambda v: 1e-5 + tf.exp(v), bias="added"),
    "a high floor": Own(lambda v: 1e-2 + tf.nn.softplus(v)),
    "a floor, drawn": Own(lambda v: 1e-3 + tf.nn.softplus(v), kl=beside(tfd.Normal(0.0, 1.0))),
    "a factor and a floor": Own(lambda v: 1e-5 + 0.01 * tf.nn.softplus(v), start=0.0),
    "a small factor, drawn": Own(
        lambda v: 0.01 * tf.nn.softplus(v), start=0.0, kl=beside(tfd.Normal(0.0, 1.0))
    ),
    "clipped": Own(lambda v: tf.clip_by_value(tf.exp(v), 1e-4, 1.0)),
    "clipped, drawn": Own(
        lambda v: tf.clip_by_value(tf.exp(v), 1e-4, 1.0), kl=beside(tfd.Normal(0.0, 1.0))
    ),
    "clipped before": Own(lambda v: tf.nn.softplus(tf.clip_by_value(v, -8.0, 2.0))),
    "at least": Own(lambda v: tf.maximum(tf.nn.softplus(v), 1e-3)),
    "drawn": Own(kl=beside(tfd.Normal(0.0, 1.0))),
    "drawn, Laplace": Own(kl=beside(tfd.Laplace(0.0, 1.0))),
    "drawn, Student": Own(kl=beside(tfd.StudentT(3.0, 0.0, 1.0))),
    "drawn, horseshoe": Own(kl=beside(tfd.Horseshoe(1.0))),
    "drawn, bias": Own(kl=beside(tfd.Normal(0.0, 1.0)), bias="added"),
}
