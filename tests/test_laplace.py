"""Laplace's last layer against numeric derivatives, another optimiser and an exact integral."""

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
from sampling import NIGHTLY

from helpers.prediction.laplace import draw_last_layer, laplace_by_evidence, laplace_last_layer

EXAMPLES, FEATURES, CLASSES, PRECISION = 23, 2, 3, 0.7


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    return rng.normal(size=(EXAMPLES, FEATURES)), rng.integers(0, CLASSES, EXAMPLES)


def minus_log_joint(flat, features, labels, precision, num_classes=CLASSES):
    """−log p(D, w), written with loops over the examples."""
    weights = flat.reshape(-1, num_classes)
    total = 0.5 * precision * flat @ flat - 0.5 * len(flat) * np.log(precision / (2 * np.pi))
    for row, label in zip(features, labels, strict=True):
        logits = row @ weights[:-1] + weights[-1]
        total -= logits[label] - scipy.special.logsumexp(logits)
    return total


def numeric_hessian(function, point, step=1e-3):
    size, shifts = len(point), step * np.eye(len(point))
    found = np.empty((size, size))
    for i, j in np.ndindex(size, size):
        corners = [
            a * b * function(point + a * shifts[i] + b * shifts[j])
            for a in (1, -1)
            for b in (1, -1)
        ]
        found[i, j] = sum(corners) / (4 * step**2)
    return found


def test_the_mean_is_the_best_layer_and_the_covariance_the_inverse_of_a_numeric_hessian(data):
    found = laplace_last_layer(*data, PRECISION, CLASSES)
    function = lambda flat: minus_log_joint(flat, *data, PRECISION)  # noqa: E731
    best = scipy.optimize.minimize(function, np.zeros(found.mean.size), method="BFGS")
    np.testing.assert_allclose(found.mean.ravel(), best.x, atol=1e-4)
    hessian = numeric_hessian(function, found.mean.ravel())
    np.testing.assert_allclose(np.linalg.inv(found.covariance), hessian, rtol=1e-4, atol=1e-4)


def test_the_evidence_is_laplaces_formula_at_the_best_layer(data):
    found = laplace_last_layer(*data, PRECISION, CLASSES)
    function = lambda flat: minus_log_joint(flat, *data, PRECISION)  # noqa: E731
    hessian = numeric_hessian(function, found.mean.ravel())
    volume = 0.5 * np.linalg.slogdet(2 * np.pi * np.linalg.inv(hessian))[1]
    expected = volume - function(found.mean.ravel())
    np.testing.assert_allclose(found.log_evidence, expected, rtol=1e-5)


@NIGHTLY
def test_with_many_examples_the_evidence_is_near_the_integral():
    rng = np.random.default_rng(0)
    features, labels = np.empty((60, 0)), (rng.random(60) < 0.3).astype(int)

    def joint(b, a):  # two biases, no features
        return np.exp(20 - minus_log_joint(np.array([a, b]), features, labels, 1.0, 2))

    integral, _ = scipy.integrate.dblquad(joint, -8, 8, -8, 8)
    found = laplace_last_layer(features, labels, 1.0, 2)
    assert abs(found.log_evidence - (np.log(integral) - 20)) < 0.02


def test_a_weak_prior_on_separable_data_still_ends_at_the_maximum():
    features = np.array([[-2.0], [-1.0], [1.0], [2.5]])
    found = laplace_last_layer(features, [0, 0, 1, 1], 1e-4, 2)
    gradient = scipy.optimize.approx_fprime(
        found.mean.ravel(), minus_log_joint, 1e-6, features, [0, 0, 1, 1], 1e-4, 2
    )
    assert np.abs(gradient).max() < 1e-4


def test_the_precision_of_most_evidence_is_chosen(data):
    precisions = [0.01, 0.3, 1.0, 30.0]
    evidences = [laplace_last_layer(*data, it, CLASSES).log_evidence for it in precisions]
    chosen = laplace_by_evidence(*data, precisions, CLASSES)
    assert chosen.precision == precisions[int(np.argmax(evidences))]


def test_trained_weights_stay_the_mean_and_get_the_curvature_where_they_are(data):
    trained = np.random.default_rng(8).normal(size=(FEATURES + 1, CLASSES))
    found = laplace_last_layer(*data, PRECISION, CLASSES, trained)
    np.testing.assert_array_equal(found.mean, trained)
    function = lambda flat: minus_log_joint(flat, *data, PRECISION)  # noqa: E731
    hessian = numeric_hessian(function, trained.ravel())
    np.testing.assert_allclose(np.linalg.inv(found.covariance), hessian, rtol=1e-4, atol=1e-4)
    volume = 0.5 * np.linalg.slogdet(2 * np.pi * found.covariance)[1]
    assert found.log_evidence == pytest.approx(volume - function(trained.ravel()), rel=1e-6)
    with pytest.raises(ValueError, match="give weights and biases as"):
        laplace_last_layer(*data, PRECISION, CLASSES, trained[:-1])


def test_draws_have_the_moments_of_the_posterior(data):
    found = laplace_last_layer(*data, PRECISION, CLASSES)
    others = np.random.default_rng(5).normal(size=(4, FEATURES))
    draws = draw_last_layer(found, others, num_draws=40_000, seed=2)
    assert draws.shape == (40_000, 4, CLASSES)
    np.testing.assert_allclose(draws.sum(axis=-1), 1.0)
    logits = np.log(draws)
    margin = logits[..., 0] - logits[..., 2]  # a linear function of the weights
    inputs = np.column_stack([others, np.ones(4)])
    contrast = np.einsum("ni,c->nic", inputs, [1, 0, -1]).reshape(4, -1)
    np.testing.assert_allclose(margin.mean(axis=0), contrast @ found.mean.ravel(), atol=0.05)
    variance = np.einsum("ni,ij,nj->n", contrast, found.covariance, contrast)
    np.testing.assert_allclose(margin.var(axis=0), variance, rtol=0.05)


def test_wrong_input_is_refused(data):
    with pytest.raises(ValueError, match="precision is 0"):
        laplace_last_layer(*data, 0, CLASSES)
    with pytest.raises(ValueError, match="3 outputs"):
        laplace_last_layer(data[0], data[1] + CLASSES, 1.0, CLASSES)
