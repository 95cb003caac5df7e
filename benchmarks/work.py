"""The work that every contender does: the data, the network's widths, the batch and the draws."""

import os
import pathlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NUM_EXAMPLES = 60_000
NUM_FEATURES = 784
NUM_CLASSES = 10


@dataclass(frozen=True)
class Work:
    """What to train, and on what; every contender reads all of it from here.

    ``width`` is the number of units of the two hidden layers, ``batch_size`` is B and
    ``num_draws`` the number of weight draws per step. The loss is the mean negative log-likelihood
    plus KL / N, the optimizer Adam.
    """

    width: int = 400
    batch_size: int = 128
    num_draws: int = 1
    learning_rate: float = 1e-3
    seed: int = 0

    @property
    def layer_widths(self) -> list[int]:
        """Units of each layer; the last are the logits."""
        return [self.width, self.width, NUM_CLASSES]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of the kernels, [inputs, units]."""
        inputs = [NUM_FEATURES, *self.layer_widths[:-1]]
        return list(zip(inputs, self.layer_widths, strict=True))


def load_images(seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return 60,000 images [examples, 784] in [0, 1] and their labels [examples].

    They are MNIST's where the environment variable MNIST names the file ``mnist.npz`` of Keras,
    else deterministic images of the same shape: a blurred template per class plus noise.
    """
    path = os.environ.get("MNIST")
    if path:
        with np.load(pathlib.Path(path)) as arrays:
            images, labels = arrays["x_train"], arrays["y_train"]
        return (images.reshape(-1, NUM_FEATURES) / 255).astype(np.float32), labels.astype(np.int32)
    generator = np.random.default_rng(seed)
    templates = generator.random((NUM_CLASSES, NUM_FEATURES), dtype=np.float32) ** 4
    labels = generator.integers(0, NUM_CLASSES, NUM_EXAMPLES, dtype=np.int32)
    noise = generator.random((NUM_EXAMPLES, NUM_FEATURES), dtype=np.float32)
    return np.clip(templates[labels] + 0.5 * noise - 0.25, 0, 1), labels
