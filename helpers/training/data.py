"""What a training needs of its data: arrays that fit the network, and their shapes as batches."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..model.checks import check_images, check_keras_version, check_labels

Batch = tuple[tf.TensorSpec, tf.TensorSpec]  # of images and labels


def check_training_data(
    neural_net: tf_keras.Model, images: npt.ArrayLike, labels: npt.ArrayLike, batch_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return images and labels as arrays, after calling the network once on the first image.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says.
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


def batch_spec(
    images: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], size: int | None
) -> Batch:
    """Return shape and type of a batch of images and of its labels, ``None`` for any size."""
    return (
        tf.TensorSpec([size, *images.shape[1:]], images.dtype),
        tf.TensorSpec([size], labels.dtype),
    )
