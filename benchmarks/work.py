"""The work that every contender does: the data, the network, the batch and the draws."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NUM_FEATURES = 784
NUM_CLASSES = 10
IMAGE_SHAPE = (28, 28, 1)
NETWORKS = ("dense", "lenet5")
CHUNK = 1000  # examples that are made at a time, so that temporary arrays stay small

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Run = Callable[[int], float]


class NotOfferedError(Exception):
    """A contender has no way to do this work; the driver leaves it out and says why."""


@dataclass(frozen=True)
class Work:
    """What to train, and on what; every contender reads all of it from here.

    ``network`` is "dense" (784-width-width-10) or "lenet5", ``width`` the number of units of the
    two hidden layers of the dense one, ``batch_size`` is B and ``num_draws`` the number of weight
    draws per step. The loss is the mean negative log-likelihood plus KL / N, the prior N(0, 1), the
    posterior starts at means N(0, 0.1²) and scales of about 0.05, the optimizer is Adam.
    """

    network: str = "dense"
    width: int = 400
    batch_size: int = 128
    num_draws: int = 1
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"network is {self.network!r}: choose one of {', '.join(NETWORKS)}.")
        for name in ("width", "batch_size", "num_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1.")

    @property
    def layer_widths(self) -> list[int]:
        """Units of each layer of the dense network; the last are the logits."""
        return [self.width, self.width, NUM_CLASSES]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of the kernels of the dense network, [inputs, units]."""
        inputs = [NUM_FEATURES, *self.layer_widths[:-1]]
        return list(zip(inputs, self.layer_widths, strict=True))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one image as the network takes it."""
        return (NUM_FEATURES,) if self.network == "dense" else IMAGE_SHAPE

    def only_dense(self) -> None:
        """Refuse any network but the dense one; contenders call it that know no other."""
        if self.network != "dense":
            raise NotOfferedError(f"{self.network} is written for the TFP contenders only")


class Batches:
    """The rows of one batch after another: each epoch in a new order, its remainder left out."""

    def __init__(self, num_examples: int, work: Work) -> None:
        if num_examples < work.batch_size:
            raise ValueError(
                f"batch_size is {work.batch_size}, but there are {num_examples} examples: choose a "
                "smaller batch or more examples."
            )
        self._num_examples, self._batch_size = num_examples, work.batch_size
        self._generator = np.random.default_rng(work.seed)
        self._waiting = np.empty((0, work.batch_size), np.int64)

    def take(self, num_steps: int) -> Rows:
        """Return the rows of the next batches, [num_steps, batch]."""
        whole = self._num_examples // self._batch_size * self._batch_size
        while len(self._waiting) < num_steps:
            order = self._generator.permutation(self._num_examples)[:whole]
            self._waiting = np.concatenate([self._waiting, order.reshape(-1, self._batch_size)])
        taken, self._waiting = self._waiting[:num_steps], self._waiting[num_steps:]
        return taken


def load_images(mnist: str | None = None, num_examples: int = 60_000) -> tuple[Images, Labels]:
    """Return images [examples, 784] in [0, 1] and their labels [examples].

    They are MNIST's where ``mnist`` names the file ``mnist.npz`` of Keras, else deterministic
    images of the same shape: a template per class plus noise. No temporary array of the size of the
    images is made, so that the peak of memory that is measured later is the contender's.
    """
    if mnist:
        with np.load(pathlib.Path(mnist)) as arrays:
            pixels, labels = arrays["x_train"][:num_examples], arrays["y_train"][:num_examples]
        images = np.empty((len(pixels), NUM_FEATURES), np.float32)
        np.divide(pixels.reshape(images.shape), 255, out=images, casting="same_kind")
        return images, labels.astype(np.int32)
    generator = np.random.default_rng(0)
    templates = generator.random((NUM_CLASSES, NUM_FEATURES), dtype=np.float32) ** 4
    labels = generator.integers(0, NUM_CLASSES, num_examples, dtype=np.int32)
    images = np.empty((num_examples, NUM_FEATURES), np.float32)
    for start in range(0, num_examples, CHUNK):
        chunk = images[start : start + CHUNK]
        generator.random(dtype=np.float32, out=chunk)
        np.clip(templates[labels[start : start + CHUNK]] + 0.5 * chunk - 0.25, 0, 1, out=chunk)
    return images, labels
