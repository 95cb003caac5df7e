"""The rows of the chapter on published numbers that need no training, computed once more.

What others have written stands here as numbers; the chapter reads the same ones from their logs.
"""

import numpy as np
import pytest
import scipy.stats
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge

from helpers.exact.linear_regression import (
    best_factorised_gaussian,
    exact_posterior,
    factorised_elbo,
    kl_to_exact,
    log_evidence,
)
from helpers.losses.gaussian_kl import gaussian_kl
from helpers.losses.posterior_weights import posterior_weights
from helpers.published.catalogue import CATALOGUE
from helpers.published.printed_kl import growth_with_step, undo_warm_up
from helpers.published.recipe import build_network
from helpers.published.results import read_results
from helpers.published.untrained import Spread, drawn_kl_stddev, kl_at_start

WINE = np.array([
    [46.2377, 6.7989], [52.9262, 7.2742], [45.8535, 6.7705], [45.6427, 6.7549], [48.2844, 6.9476],
    [40.1781, 6.3374], [46.1981, 6.7959], [40.5498, 6.3665], [38.6053, 6.2121], [46.0120, 6.7821],
    [37.6656, 6.1360], [41.5022, 6.4411], [36.3389, 6.0271], [38.2426, 6.1829], [43.7655, 6.6143],
    [41.8891, 6.4712], [36.5762, 6.0465], [39.5787, 6.2899], [37.0878, 6.0889], [37.2262, 6.1001],
])  # fmt: skip
CIFAR_STEPS = np.arange(800, 2000, 100)
CIFAR_KL = [34.035, 38.245, 42.445, 46.632, 50.807, 54.970, 59.120, 63.257, 67.381, 71.492, 75.590,
            79.674]  # fmt: skip
STRAIGHT_DOPE = {1: 2626.474, 2: 2606.282, 5: 2592.986, 10: 2582.930}


def test_the_wine_log_holds_the_closed_form_and_scatters_as_one_draw_does():
    zero = Spread("normal", 0.0, 0.0)
    expected = kl_at_start(168, zero, zero)[0] / 1248
    assert expected == pytest.approx(0.014369, abs=1e-6)
    found = WINE[:, 0] - WINE[:, 1] ** 2
    assert found.mean() == pytest.approx(0.01455, abs=1e-5)
    rng = np.random.default_rng(0)
    drawn = np.log(2) * rng.normal(size=(20_000, 168))
    estimates = scipy.stats.norm.logpdf(drawn, 0, np.log(2)) - scipy.stats.norm.logpdf(drawn)
    one_draw = estimates.sum(axis=1).std() / 1248
    assert drawn_kl_stddev(np.zeros(168), np.log(2)) / 1248 == pytest.approx(one_draw, rel=0.02)
    epoch = np.hypot(one_draw / np.sqrt(5), 0.0007 / np.sqrt(3))
    assert abs(found.mean() - expected) < 3 * epoch / np.sqrt(20)
    assert scipy.stats.chi2.cdf(19 * found.var(ddof=1) / epoch**2, 19) > 0.01


def test_lenet_starts_with_the_published_kl():
    network = build_network(CATALOGUE["lenet"].recipe, seed=1)
    network(np.zeros((1, 784), np.float32))
    weights = posterior_weights(network)
    assert len(weights) == 545_310
    by_hand = gaussian_kl(weights["mean"], weights["stddev"]).sum() / 60_000
    assert by_hand == pytest.approx(22.9994, abs=0.005)
    layers = [float(entry) / 60_000 for entry in network.losses]
    np.testing.assert_allclose(layers, [0.006, 0.101, 2.025, 20.832, 0.035], atol=1.5e-3)


def test_the_growing_kl_is_a_weight_that_rises():
    growth = growth_with_step(CIFAR_STEPS, CIFAR_KL)
    assert growth.exponent == pytest.approx(0.98, abs=0.01)
    undone = undo_warm_up(CIFAR_STEPS, CIFAR_KL, 50 * 50_000 / 128)
    assert undone[[0, -1]] == pytest.approx([830.9, 819.0], abs=0.1)


def test_the_diabetes_evidence_and_its_gap():
    features, targets = load_diabetes(return_X_y=True)
    ridge = BayesianRidge(compute_score=True, tol=1e-10, max_iter=1000).fit(features, targets)
    scaled = (features - features.mean(axis=0)) / np.sqrt(ridge.lambda_)
    centred, noise = targets - targets.mean(), 1 / np.sqrt(ridge.alpha_)
    exact = exact_posterior(scaled, centred, noise)
    best = best_factorised_gaussian(exact)
    evidence = log_evidence(scaled, centred, noise)
    covariance = scaled @ scaled.T + noise**2 * np.eye(len(targets))
    by_scipy = scipy.stats.multivariate_normal.logpdf(centred, cov=covariance)
    assert evidence == pytest.approx(-2405.7713, abs=1e-3)
    assert by_scipy == pytest.approx(evidence, abs=1e-6)
    assert kl_to_exact(best, exact) == pytest.approx(2.8984, abs=1e-4)
    assert factorised_elbo(scaled, centred, noise, best) == pytest.approx(-2408.6697, abs=1e-3)


def test_the_straight_dope_is_where_its_log_says():
    start, _ = kl_at_start(478_410, untransformed_scales=Spread("normal", -3.0, 0.0))
    assert start / 469 == pytest.approx(2581.36, abs=0.03)
    results = read_results("straight_dope")
    for epoch, printed in STRAIGHT_DOPE.items():
        ours = results.values("moving_loss", epoch) * 128
        assert abs(ours.mean() - printed) < 2.5
    assert 100 - results.interval("error_of_means", 10).mean == pytest.approx(97.75, abs=0.25)
