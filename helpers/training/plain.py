"""The training loop as a page: what :func:`~helpers.training.train.train_by_elbo` does, openly.

Nothing is hidden and nothing is fast: one batch a turn, the loss in two lines, Keras' optimizer.
Under the same draws of the weights the fast trainer takes the same steps (a test compares them).

Introduced in chapters/05-training.md, "The training loop on one page".
"""

import pandas as pd
import tensorflow as tf
import tf_keras

from .batches import BatchOrder
from .elbo import negative_log_likelihood

Terms = tuple[tf.Tensor, tf.Tensor, tf.Tensor]  # NLL, KL, loss


def train_plainly(
    neural_net: tf_keras.Model,
    images: tf.Tensor,
    labels: tf.Tensor,
    *,
    num_epochs: int,
    batch_size: int = 128,
    optimizer: tf_keras.optimizers.Optimizer,
    seed: int = 0,
) -> pd.DataFrame:
    """Minimise mean negative log-likelihood + KL / N by one plain loop.

    Parameters
    ----------
    neural_net
        From images [batch, …] to logits [batch, classes]; it has been called once.
    images, labels
        Training images [examples, …] and class numbers [examples].
    num_epochs, batch_size
        Passes over the data, and B; the last batch of a pass may be smaller.
    optimizer
        Of ``tf_keras``.
    seed
        Of the order of the batches.

    Returns
    -------
    pandas.DataFrame
        A row per step: ``negative_log_likelihood`` (nats per example of the batch), ``kl`` (nats,
        all layers) and ``loss`` (what was minimised), before the step.
    """
    num_examples = len(images)

    @tf.function(reduce_retracing=True)
    def take_step(images: tf.Tensor, labels: tf.Tensor) -> Terms:
        """Take one step on a batch; return its NLL, its KL and the loss, in nats."""
        with tf.GradientTape() as tape:
            logits = neural_net(images, training=True)  # fills `losses`
            nll = negative_log_likelihood(logits, labels)  # mean over the batch
            kl = tf.add_n(neural_net.losses)  # read after the call
            loss = nll + kl / num_examples  # the negative ELBO, per example
        variables = neural_net.trainable_variables
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return nll, kl, loss

    order = BatchOrder(num_examples, batch_size, num_epochs, seed)
    rows = []
    for number in range(order.num_steps):
        batch = order.rows(number, most=1)[0]
        terms = take_step(images[batch], labels[batch])
        rows.append([float(term) for term in terms])
    return pd.DataFrame(rows, columns=["negative_log_likelihood", "kl", "loss"])
