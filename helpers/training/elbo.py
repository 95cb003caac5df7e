"""The evidence lower bound (ELBO) and its two terms, in nats.

Introduced in chapters/01-kl-formula.md, "Test the guess".
"""

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd = tfp.distributions


def negative_log_likelihood(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the mean negative log-likelihood of a batch.

    Parameters
    ----------
    logits
        [batch, classes], the network's output.
    labels
        [batch], class numbers.

    Returns
    -------
    tf.Tensor
        A scalar in nats *per example*: the mean of −log p(label | image, weights).
    """
    return -tf.reduce_mean(tfd.Categorical(logits=logits).log_prob(labels))


def kl_divergence(neural_net: tf_keras.Model) -> tf.Tensor:
    """Return KL(posterior ‖ prior) of all weights: the sum of ``neural_net.losses``.

    Call the network first, inside the same ``GradientTape``: a call is what fills ``losses``.

    Returns
    -------
    tf.Tensor
        A scalar in nats, for the whole network (not per example).

    Raises
    ------
    ValueError
        If ``losses`` is empty, so that a forgotten KL cannot pass for a KL of 0.
    """
    if not neural_net.losses:
        raise ValueError(
            "losses is empty, so there is no KL to add. Call the network on the batch before "
            "reading losses, and check that its layers have a prior and a divergence."
        )
    return tf.add_n(neural_net.losses)


def elbo(negative_log_likelihood: tf.Tensor, kl: tf.Tensor, num_examples: int) -> tf.Tensor:
    """Return the ELBO of the whole data set: −N · mean NLL − KL.

    Parameters
    ----------
    negative_log_likelihood
        Nats per example (a mean).
    kl
        Nats of the whole network.
    num_examples
        N, the number of *training* examples.

    Returns
    -------
    tf.Tensor
        Nats; a lower bound of the log evidence, to be maximised.

    References
    ----------
    Graves (2011), *Practical Variational Inference for Neural Networks*, equation 1; Blundell et
    al. (2015), *Weight Uncertainty in Neural Networks*, equation 1 (both with the sign turned).
    """
    return -num_examples * negative_log_likelihood - kl
