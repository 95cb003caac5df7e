"""The book's trainer with one of its pieces taken out, to see what the piece brings."""

from typing import Any

import tensorflow as tf

import helpers.noise
import helpers.training
import helpers.training_steps
from benchmarks.book_training import prepare_trainer
from benchmarks.work import Images, Labels, Run, Work


def keras_update(optimizer: Any, gradients: Any, variables: Any) -> None:
    """Move the variables by Keras' own operations, a dozen for each."""
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def normals_of_xla(bits: tf.Tensor) -> tf.Tensor:
    """Return N(0, 1) numbers by XLA's own inverse of the error function."""
    unit = (tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) + 0.5) * 2.0**-23
    return 2**0.5 * tf.math.erfinv(unit)


PIECES: dict[str, tuple[Any, str, Any]] = {
    "fused Adam": (helpers.training_steps, "apply_gradients", keras_update),
    "softplus for vectors": (helpers.training_steps, "SUBSTITUTES", {}),
    "scales kept": (helpers.training_steps, "KEPT", ()),
    "normals for vectors": (helpers.noise, "normal_from_bits", normals_of_xla),
    "loop in the graph": (helpers.training, "_steps_per_call", lambda *_: 1),
}


def prepare_without(piece: str, work: Work, images: Images, labels: Labels, **options: Any) -> Run:
    """Set up the trainer without this piece. The change stays: a process has one contender."""
    setattr(*PIECES[piece])
    return prepare_trainer(work, images, labels, jit_compile=True, **options)
