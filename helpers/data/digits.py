"""The data of the book: scikit-learn's handwritten digits, bundled, so no download is needed.

Introduced in chapters/01-kl-formula.md, "Test the guess".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import sklearn.datasets
import sklearn.model_selection


class Digits(NamedTuple):
    """Images [examples, 64] as float32 in [0, 1] and labels [examples] as int32 in 0..9."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]


def load_digits_split(test_fraction: float = 0.2, seed: int = 0) -> tuple[Digits, Digits]:
    """Return the 1797 digits (8×8 pixels) as a training and a test part.

    Parameters
    ----------
    test_fraction
        Share of the examples to hold out, between 0 and 1, the same in each class.
    seed
        Seed of the split.

    Returns
    -------
    tuple of Digits
        Training and test digits: 1437 and 360 examples by default.

    References
    ----------
    Alpaydin and Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning
    Repository; scikit-learn ships its test part.
    """
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    parts = sklearn.model_selection.train_test_split(
        (images / 16.0).astype(np.float32),
        labels.astype(np.int32),
        test_size=test_fraction,
        stratify=labels,
        random_state=seed,
    )
    return Digits(parts[0], parts[2]), Digits(parts[1], parts[3])


def rotate_digits(images: npt.NDArray[np.float32], degrees: float) -> npt.NDArray[np.float32]:
    """Return the images turned counter-clockwise about their centre.

    Parameters
    ----------
    images
        Images [examples, 64] in [0, 1].
    degrees
        Angle; what leaves the frame is lost and what enters is background, 0.

    Returns
    -------
    ndarray
        Images [examples, 64] in [0, 1], float32.
    """
    squares = images.reshape(-1, 8, 8)
    turned = scipy.ndimage.rotate(squares, degrees, axes=(2, 1), reshape=False, order=1)
    return np.clip(turned, 0.0, 1.0).reshape(images.shape).astype(np.float32)
