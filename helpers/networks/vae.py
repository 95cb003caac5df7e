"""A variational autoencoder for the digits: two numbers a digit, and counts of inked pixels.

Introduced in chapters/12-activations.md, "A KL for every image".
"""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd = tfp.distributions

CODE_SIZE = 2  # numbers in a code, so that it can be drawn
DOTS = 16  # a grey level counts the inked dots among the 4 × 4 of the scanned digit


def code_prior() -> tfp.distributions.Distribution:
    """Return p(z): independent standard Gaussians for the two numbers of a code."""
    return tfd.Independent(tfd.Normal(tf.zeros(CODE_SIZE), 1.0), reinterpreted_batch_ndims=1)


def binomial_vae(
    code_layers: Sequence[tf_keras.layers.Layer],
    *,
    decoder_layers: Sequence[tf_keras.layers.Layer] | None = None,
    width: int = 64,
    num_pixels: int = 64,
    seed: int = 0,
) -> tf_keras.Sequential:
    """Return a network from images to the logits of their own pixels, by way of a code.

    Parameters
    ----------
    code_layers
        What turns the encoder's four numbers into a code: a ``tfp.layers.IndependentNormal(2)``
        and whatever is to add a KL to ``losses``.
    decoder_layers
        Layers from codes [batch, 2] to logits [batch, num_pixels]; ``None`` means two dense layers.
    width
        Units of the hidden layers.
    num_pixels
        Pixels of an image.
    seed
        Of the initial weights of the dense layers.

    Returns
    -------
    tf_keras.Sequential
        ``encoder``, the code layers and ``decoder``: images [batch, num_pixels] in [0, 1] to logits
        of the same shape, through one draw of each image's code.
    """
    encoder = _dense_layers([width, 2 * CODE_SIZE], seed=1000 * seed)
    if decoder_layers is None:
        decoder_layers = _dense_layers([width, num_pixels], seed=1000 * seed + 2)
    parts = (
        tf_keras.Sequential(encoder, name="encoder"),
        *code_layers,
        tf_keras.Sequential(list(decoder_layers), name="decoder"),
    )
    return tf_keras.Sequential(parts, name="vae")


def encode(vae: tf_keras.Sequential, images: tf.Tensor) -> tfp.distributions.Distribution:
    """Return q(z | x), a Gaussian over codes for each of the images [batch, pixels]."""
    return tfp.layers.IndependentNormal.new(vae.get_layer("encoder")(images), [CODE_SIZE])


def binomial_log_likelihood(counts: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return log p(x | z) of each image, in nats.

    Parameters
    ----------
    counts
        Inked dots of each pixel, 0 to 16: [batch, pixels].
    logits
        Log odds that a dot is inked: [..., batch, pixels].

    Returns
    -------
    tf.Tensor
        [..., batch], summed over the pixels.
    """
    pixels = tfd.Binomial(float(DOTS), logits=logits)
    return tfd.Independent(pixels, reinterpreted_batch_ndims=1).log_prob(counts)


def binomial_log_likelihood_of_pairs(counts: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return log p(x | z) of every image under every code, by one matrix product.

    Parameters
    ----------
    counts
        [images, pixels], 0 to 16.
    logits
        [codes, pixels].

    Returns
    -------
    tf.Tensor
        [codes, images], in nats.
    """
    counts = tf.convert_to_tensor(counts, logits.dtype)
    log_choices = (
        tf.math.lgamma(DOTS + 1.0)
        - tf.math.lgamma(counts + 1.0)
        - tf.math.lgamma(DOTS - counts + 1.0)
    )
    inked = tf.matmul(logits, counts, transpose_b=True)
    normaliser = DOTS * tf.reduce_sum(tf.nn.softplus(logits), axis=-1, keepdims=True)
    return inked - normaliser + tf.reduce_sum(log_choices, axis=-1)


def _dense_layers(widths: Sequence[int], seed: int) -> list[tf_keras.layers.Layer]:
    """Return dense layers, ReLU but for the last."""
    glorot = tf_keras.initializers.GlorotUniform
    last = len(widths) - 1
    return [
        tf_keras.layers.Dense(
            units,
            activation=None if index == last else "relu",
            kernel_initializer=glorot(seed=seed + index),
        )
        for index, units in enumerate(widths)
    ]
