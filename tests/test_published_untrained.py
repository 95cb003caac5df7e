"""The KL before any training: against drawn starts, quadrature of SciPy, and published numbers."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from helpers.losses.gaussian_kl import gaussian_kl
from helpers.published.priors import scale_mixture
from helpers.published.untrained import Spread, drawn_kl_stddev, kl_at_start

NORMAL, UNIFORM, CONSTANT = (
    Spread("normal", -3.0, 0.4),
    Spread("uniform", -5.0, -4.0),
    Spread("normal", -3.0, 0.0),
)


def test_published_starts():
    assert kl_at_start(545_310)[0] / 60_000 == pytest.approx(22.9994, abs=4e-3)
    dope, _ = kl_at_start(478_410, untransformed_scales=CONSTANT)
    assert dope / 469 == pytest.approx(2581.36, abs=0.03)
    zero = Spread("normal", 0.0, 0.0)
    wine, by_chance = kl_at_start(168, zero, zero)
    assert wine == pytest.approx(168 * (-np.log(np.log(2)) + (np.log(2) ** 2 - 1) / 2))
    assert by_chance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scales", [NORMAL, UNIFORM, CONSTANT])
def test_expectation_and_chance_are_those_of_many_drawn_starts(scales):
    means, size, prior = Spread("uniform", -0.2, 0.3), 40_000, 0.7
    mean = means.initializer(1)([size]).numpy()
    stddev = np.logaddexp(0, scales.initializer(2)([size]).numpy())
    nats = gaussian_kl(mean, stddev, 0.0, prior)
    expected, by_chance = kl_at_start(size, means, scales, prior=((1.0, prior),))
    assert abs(nats.sum() - expected) < 4 * by_chance
    assert nats.std() * np.sqrt(size) == pytest.approx(by_chance, rel=0.03)


def test_expectations_are_those_of_adaptive_quadrature():
    for spread, law in (
        (NORMAL, scipy.stats.norm(-3.0, 0.4)),
        (UNIFORM, scipy.stats.uniform(-5.0, 1.0)),
    ):
        value, _ = scipy.integrate.quad(
            lambda x, law=law: law.pdf(x) * np.log(np.logaddexp(0, x)), -8, 2, points=[-5, -4]
        )
        points, weights = spread.quadrature()
        ours = weights @ np.log(np.logaddexp(0, points))
        assert ours == pytest.approx(value, rel=1e-7)


def test_the_scatter_of_one_draw_is_that_of_many_draws():
    rng = np.random.default_rng(0)
    mean, stddev, prior = rng.normal(size=7), rng.uniform(0.1, 2.0, size=7), 0.6
    weights = mean + stddev * rng.normal(size=(200_000, 7))
    log_ratio = scipy.stats.norm.logpdf(weights, mean, stddev) - scipy.stats.norm.logpdf(
        weights, 0, prior
    )
    drawn = log_ratio.sum(axis=1).std()
    assert drawn_kl_stddev(mean, stddev, prior) == pytest.approx(drawn, rel=0.01)


def test_no_spread_and_no_weights_are_refused():
    with pytest.raises(ValueError, match="write the lower end first"):
        Spread("uniform", 1.0, 1.0)
    with pytest.raises(ValueError, match='write "normal" or "uniform"'):
        Spread("gauss", 0.0, 1.0)
    with pytest.raises(ValueError, match="at least 0"):
        Spread("normal", 0.0, -1.0)
    with pytest.raises(ValueError, match="num_weights is 0"):
        kl_at_start(0)
    with pytest.raises(ValueError, match="that add up to 1"):
        kl_at_start(3, prior=((0.5, 1.0), (0.4, 2.0)))


def test_the_kl_to_a_scale_mixture_is_that_of_many_draws():
    prior = scale_mixture(0.25, 0, 3)
    rng, size = np.random.default_rng(0), 400_000
    mean, stddev = rng.normal(0, 0.1, size), np.exp(rng.uniform(-3, -2, size))
    weights = mean + stddev * rng.normal(size=size)
    parts = [share * scipy.stats.norm.pdf(weights, 0, s) for share, s in prior]
    nats = scipy.stats.norm.logpdf(weights, mean, stddev) - np.log(sum(parts))
    spreads = Spread("normal", 0.0, 0.1), Spread("uniform", -3.0, -2.0)
    found, _ = kl_at_start(1, *spreads, prior=prior, to_stddev=np.exp)
    assert abs(found - nats.mean()) < 4 * nats.std() / np.sqrt(size)
