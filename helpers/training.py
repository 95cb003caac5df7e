"""Training a Bayesian network by its ELBO, with the history of both terms as a table."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tf_keras
import tqdm.auto

from helpers.elbo import elbo, negative_log_likelihood
from helpers.layer_losses import loss_entries
from helpers.validation import check_images, check_keras_version, check_labels, check_optimizer

Step = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def train_by_elbo(
    neural_net: tf_keras.Model,
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    num_epochs: int,
    batch_size: int = 128,
    learning_rate: float = 0.01,
    kl_weight: float | None = None,
    optimizer: tf_keras.optimizers.Optimizer | None = None,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Minimise mean negative log-likelihood + ``kl_weight`` · KL, and return the history.

    With the default weight, 1/N, the loss is the negative ELBO divided by N. Each step takes one
    draw of the weights. Interrupting it (Ctrl-C, or the stop button of a notebook) ends training
    and returns the history so far; the network keeps what it has learnt.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model from images [batch, …] to logits [batch, classes].
    images, labels
        Training images [examples, …] and class numbers [examples].
    num_epochs
        How often to pass over the data.
    batch_size
        B, at most the number of examples; the last batch of an epoch may be smaller.
    learning_rate
        Of Adam; unused when ``optimizer`` is given.
    kl_weight
        Factor on the KL beside the *mean* negative log-likelihood. ``None`` means 1/N.
    optimizer
        A ``tf_keras`` optimizer; pass the same one again to go on training, with another seed, so
        that the order and the draws are new.
    seed
        Of the order of the batches and of TensorFlow's global generator (the weight draws).
    progress
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        A row per step: ``step``, ``epoch``, ``negative_log_likelihood`` (nats per example, of the
        batch), ``kl`` (nats, all layers), one column ``kl <layer>`` per layer (nats), ``elbo``
        (nats, whole data set, estimated from the batch) and ``loss`` (what was minimised).

    Raises
    ------
    TypeError
        If the network or the optimizer is not of ``tf_keras``.
    ValueError
        If the data hold NaN, labels lie outside the classes, the batch is larger than the data,
        the network has no KL, or the loss stops being finite.
    """
    images, labels = check_training_data(neural_net, images, labels, batch_size)
    num_examples = len(images)
    kl_weight = 1.0 / num_examples if kl_weight is None else float(kl_weight)
    optimizer = tf_keras.optimizers.Adam(learning_rate) if optimizer is None else optimizer
    check_optimizer(optimizer)
    step = make_training_step(neural_net, optimizer, kl_weight)
    tf.random.set_seed(seed)
    rows: list[tuple[Any, ...]] = []
    # Without `disable` the bar shows in notebooks too, and TQDM_DISABLE=1 switches it off.
    options = {} if progress else {"disable": True}
    bar = tqdm.auto.tqdm(range(num_epochs), unit="epoch", **options)
    try:
        for epoch in bar:
            for batch in epoch_batches(num_examples, batch_size, seed=[seed, epoch]):
                nll, kls = step(tf.constant(images[batch]), tf.constant(labels[batch]))
                rows.append((epoch, float(nll), *kls.numpy().astype(float)))
                _check_finite(rows[-1], step_number=len(rows))
            bar.set_postfix(nll=f"{rows[-1][1]:.3f}", kl=f"{sum(rows[-1][2:]):.0f}")
    except KeyboardInterrupt:
        bar.write(f"Stopped after {len(rows)} steps; the history so far is returned.")
    return _history(rows, neural_net, num_examples, kl_weight)


def make_training_step(
    neural_net: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer, kl_weight: float
) -> Step:
    """Return one compiled step: (images, labels) ↦ (mean NLL, the entries of ``losses``).

    The step draws the weights once, adds the two terms, and moves the posterior's parameters along
    the gradient. Both results are those *before* the move, in nats.
    """

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            nll = negative_log_likelihood(neural_net(images, training=True), labels)
            kls = tf.stack(neural_net.losses)  # after the call, inside the tape
            loss = nll + kl_weight * tf.reduce_sum(kls)
        gradients = tape.gradient(loss, neural_net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, neural_net.trainable_variables, strict=True))
        return nll, kls

    return step


def epoch_batches(
    num_examples: int, batch_size: int, seed: int | list[int]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the indices of each batch of one epoch, in an order drawn from ``seed``."""
    order = np.random.default_rng(seed).permutation(num_examples)
    for start in range(0, num_examples, batch_size):
        yield order[start : start + batch_size]


def check_training_data(
    neural_net: tf_keras.Model, images: npt.ArrayLike, labels: npt.ArrayLike, batch_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return images and labels as arrays, after calling the network once on the first image.

    Raises
    ------
    TypeError, ValueError
        As :func:`train_by_elbo` says.
    """
    check_keras_version(neural_net)
    images = check_images(images)
    logits = neural_net(images[:1])
    if len(logits.shape) != 2:
        raise ValueError(
            f"The network maps one image to shape {tuple(logits.shape)}: it must give logits of "
            "shape (1, classes). Flatten before the last layer."
        )
    labels = check_labels(labels, len(images), int(logits.shape[1]))
    if not 1 <= batch_size <= len(images):
        raise ValueError(
            f"batch_size is {batch_size}, but there are {len(images)} training examples: "
            f"choose a batch size from 1 to {len(images)}."
        )
    if not neural_net.losses:
        raise ValueError(
            "The network has no entry in losses, so this would be maximum likelihood, not an ELBO. "
            "Use TFP's layers with their prior and divergence left in place."
        )
    return images, labels


def _check_finite(row: tuple[Any, ...], step_number: int) -> None:
    if not np.all(np.isfinite(row)):
        raise ValueError(
            f"The loss stopped being finite at step {step_number}: negative log-likelihood "
            f"{row[1]}, KL per layer {', '.join(map(str, row[2:]))} nats. Try a smaller learning "
            "rate."
        )


def _history(
    rows: list[tuple[Any, ...]], neural_net: tf_keras.Model, num_examples: int, kl_weight: float
) -> pd.DataFrame:
    """Turn the rows (epoch, NLL, KL of each entry) into the table that is returned."""
    names = [f"kl {name}" for name in _entry_names(neural_net)]
    history = pd.DataFrame(rows, columns=["epoch", "negative_log_likelihood", *names])
    kl = history[names].sum(axis=1)
    history.insert(0, "step", np.arange(1, len(rows) + 1))
    history.insert(3, "kl", kl)
    history["elbo"] = elbo(history["negative_log_likelihood"], kl, num_examples)
    history["loss"] = history["negative_log_likelihood"] + kl_weight * kl
    return history


def _entry_names(neural_net: tf_keras.Model) -> list[str]:
    """Name each entry of ``losses`` after its layer; part and number are added against clashes."""
    entries = loss_entries(neural_net)
    names = [entry.layer.name for entry in entries]
    names = [
        name if names.count(name) == 1 else f"{name} {entry.part}"
        for name, entry in zip(names, entries, strict=True)
    ]
    return [
        name if names.count(name) == 1 else f"{name} {names[: index + 1].count(name)}"
        for index, name in enumerate(names)
    ]
