"""The Laplace approximation of a network's last layer: a Gaussian around its best weights.

The features under the last layer stay as they are, so the layer is a logistic regression with
several classes. Its log posterior has one maximum and a Hessian that fits into memory.

Introduced in chapters/13-when-not-to-use.md, "Laplace: curvature in place of training".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.special

from ..model.checks import check_labels

Array = npt.NDArray[np.float64]
NEWTON_STEPS = 100
HALVINGS = 40  # of a Newton step that overshoots
SMALL = 1e-9  # nats: a Newton step that promises less than this is the last


class LastLayer(NamedTuple):
    """The Gaussian posterior of a last layer.

    ``mean`` [features + 1, classes] holds the best weights, the biases in the last row;
    ``covariance`` [weights, weights] is that of the same weights, row after row; ``precision`` is
    that of the prior, one over its variance; ``log_evidence`` is Laplace's, in nats.
    """

    mean: Array
    covariance: Array
    precision: float
    log_evidence: float


def laplace_last_layer(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    precision: float,
    num_classes: int,
    trained: npt.ArrayLike | None = None,
) -> LastLayer:
    """Take the trained last layer, or find the best one, and the curvature there.

    Parameters
    ----------
    features
        [examples, features]: what the layer under the last one puts out.
    labels
        [examples], class numbers.
    precision
        Of the prior N(0, 1/precision) of every weight and bias, positive.
    num_classes
        The number C of classes.
    trained
        Weights of the trained layer [features + 1, classes], the biases in the last row; they
        become the mean as they are. ``None``: the maximum under the prior is found by Newton's
        method.

    Returns
    -------
    LastLayer
        The mean, the inverse of the Hessian of −log p(D, w) there, and the log evidence by
        Laplace's formula: log p(D, w) + ½ log det(2π · covariance).

    Raises
    ------
    ValueError
        If the precision is not positive, or labels or weights do not fit.

    References
    ----------
    MacKay (1992), *A Practical Bayesian Framework for Backpropagation Networks*; Daxberger et al.
    (2021), *Laplace Redux*.
    """
    if not precision > 0:
        raise ValueError(f"precision is {precision}: give one over the prior's variance, above 0.")
    inputs = _with_ones(features)
    labels = check_labels(labels, len(inputs), num_classes)
    shape = (inputs.shape[1], num_classes)
    weights = np.zeros(shape) if trained is None else np.asarray(trained, np.float64)
    if weights.shape != shape:
        raise ValueError(f"trained has shape {weights.shape}: give weights and biases as {shape}.")
    log_joint, gradient, hessian = _derivatives(inputs, labels, weights, precision)
    for _ in range(NEWTON_STEPS if trained is None else 0):
        step = scipy.linalg.solve(hessian, gradient, assume_a="pos").reshape(weights.shape)
        promised = float(gradient @ step.ravel())
        if promised < SMALL:
            break
        weights = _uphill(inputs, labels, weights, step, precision)
        log_joint, gradient, hessian = _derivatives(inputs, labels, weights, precision)
    _, log_det = np.linalg.slogdet(hessian)
    evidence = log_joint + 0.5 * (weights.size * np.log(2 * np.pi) - log_det)
    return LastLayer(weights, np.linalg.inv(hessian), precision, float(evidence))


def laplace_by_evidence(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    precisions: npt.ArrayLike,
    num_classes: int,
    trained: npt.ArrayLike | None = None,
) -> LastLayer:
    """Return the approximation whose prior precision has the highest log evidence.

    Parameters
    ----------
    features, labels, num_classes, trained
        As in :func:`laplace_last_layer`.
    precisions
        Candidates, each positive.

    Raises
    ------
    ValueError
        As :func:`laplace_last_layer`.
    """
    found = [
        laplace_last_layer(features, labels, precision, num_classes, trained)
        for precision in np.ravel(precisions)
    ]
    return max(found, key=lambda it: it.log_evidence)


def draw_last_layer(
    posterior: LastLayer, features: npt.ArrayLike, num_draws: int, seed: int = 0
) -> Array:
    """Return probabilities [draws, examples, classes] under draws of the last layer.

    Parameters
    ----------
    posterior
        Of :func:`laplace_last_layer`.
    features
        [examples, features] of the images to predict.
    num_draws, seed
        S, and the seed of the draws.
    """
    factor = np.linalg.cholesky(posterior.covariance)
    noise = np.random.default_rng(seed).normal(size=(num_draws, len(factor)))
    weights = posterior.mean + (noise @ factor.T).reshape(-1, *posterior.mean.shape)
    probabilities: Array = scipy.special.softmax(_with_ones(features) @ weights, axis=-1)
    return probabilities


def _with_ones(features: npt.ArrayLike) -> Array:
    """Return the features [examples, features + 1] in float64, with a column of ones for biases."""
    features = np.asarray(features, np.float64)
    return np.column_stack([features, np.ones(len(features))])


def _log_joint(
    inputs: Array, labels: npt.NDArray[np.int32], weights: Array, precision: float
) -> float:
    """Return log p(D | w) + log p(w), in nats."""
    log_probabilities = scipy.special.log_softmax(inputs @ weights, axis=1)
    log_likelihood = log_probabilities[np.arange(len(labels)), labels].sum()
    log_prior = 0.5 * weights.size * np.log(precision / (2 * np.pi))
    return float(log_likelihood + log_prior - 0.5 * precision * np.sum(weights**2))


def _derivatives(
    inputs: Array, labels: npt.NDArray[np.int32], weights: Array, precision: float
) -> tuple[float, Array, Array]:
    """Return log p(D, w), its gradient, and the Hessian of −log p(D, w)."""
    probabilities = scipy.special.softmax(inputs @ weights, axis=1)
    classes = np.arange(weights.shape[1])
    gradient = inputs.T @ ((labels[:, None] == classes) - probabilities) - precision * weights
    # Of each example: diag(p) − p pᵀ [classes, classes] times the outer product of its inputs.
    blocks = np.einsum("na,ab->nab", probabilities, np.eye(len(classes)))
    blocks -= np.einsum("na,nb->nab", probabilities, probabilities)
    products = inputs.T @ (inputs[:, :, None, None] * blocks[:, None]).reshape(len(inputs), -1)
    shape = (inputs.shape[1], inputs.shape[1], len(classes), len(classes))
    hessian = products.reshape(shape).transpose(0, 2, 1, 3).reshape(2 * [weights.size])
    hessian = hessian + precision * np.eye(weights.size)
    return _log_joint(inputs, labels, weights, precision), gradient.ravel(), hessian


def _uphill(
    inputs: Array,
    labels: npt.NDArray[np.int32],
    weights: Array,
    step: Array,
    precision: float,
) -> Array:
    """Return the weights after the step, halved until the log posterior does not fall."""
    start = _log_joint(inputs, labels, weights, precision)
    for halving in range(HALVINGS):
        candidate = weights + 0.5**halving * step
        if _log_joint(inputs, labels, candidate, precision) >= start:
            return candidate
    return weights
