"""MNIST and Fashion-MNIST: 60,000 images to train on and 10,000 to test on, 28×28 pixels.

Nothing here is bundled: Keras downloads the images once (11 MB or 31 MB) and keeps them. The
chapters run without them.
"""

import os
import pathlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tf_keras

DATASETS = ("mnist", "fashion_mnist")


class Images(NamedTuple):
    """Images [examples, 784] as float32 and labels [examples] as int32 in 0..9."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]


def load_images(
    name: str,
    pixels: tuple[float, float] = (0.0, 1.0),
    path: str | os.PathLike[str] | None = None,
) -> tuple[Images, Images]:
    """Return the training and the test images of a data set.

    Parameters
    ----------
    name
        ``"mnist"`` or ``"fashion_mnist"``.
    pixels
        What 0 and 255 become.
    path
        A file in NumPy's format with x_train, y_train, x_test and y_test, for work without a
        network connection; ``None`` lets Keras download the data.

    Raises
    ------
    ValueError
        If there is no such data set, or the file does not hold these arrays.
    OSError
        If it cannot be downloaded or read.

    References ---------- LeCun et al. (1998), *Gradient-based learning applied to document
    recognition*; Xiao et al. (2017), *Fashion-MNIST*.
    """
    if name not in DATASETS:
        raise ValueError(f"data is {name!r}: write one of {', '.join(map(repr, DATASETS))}.")
    if path is None:
        parts = getattr(tf_keras.datasets, name).load_data()
    else:
        parts = _read(pathlib.Path(path))
    low, high = pixels
    train, test = (
        Images(
            (low + np.reshape(images, (len(images), -1)) / 255.0 * (high - low)).astype(np.float32),
            np.asarray(labels, np.int32),
        )
        for images, labels in parts
    )
    return train, test


def _read(path: pathlib.Path) -> list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    with np.load(path) as file:
        missing = {f"{x}_{part}" for x in "xy" for part in ("train", "test")} - set(file.files)
        if missing:
            raise ValueError(f"{path.name} has no array {', '.join(sorted(missing))}.")
        return [(file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test")]
