"""The KL of Gaussians: hand-worked numbers, TFP in float64, and integrals done here."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import tensorflow_probability as tfp

from helpers.losses.gaussian_kl import (
    gaussian_kl,
    gaussian_kl_terms,
    kl_by_quadrature,
    log_normal_density,
)

tfd = tfp.distributions
RNG = np.random.default_rng(3)
MEAN = RNG.normal(0.0, 1.5, (7, 5))
STDDEV = RNG.uniform(0.02, 3.0, (7, 5))


def test_equals_hand_worked_numbers():
    assert gaussian_kl(1.0, 2.0) == pytest.approx(2.0 - math.log(2.0), rel=1e-14)
    # (1 + 1)²/(2·9) + (4/9 − 1)/2 − ln(2/3)
    expected = 2 / 9 - 5 / 18 - math.log(2 / 3)
    assert gaussian_kl(1.0, 2.0, -1.0, 3.0) == pytest.approx(expected, rel=1e-14)


def test_equals_tfp_for_every_weight_with_a_prior_per_column():
    prior_mean, prior_stddev = RNG.normal(size=5), RNG.uniform(0.3, 2.0, 5)
    expected = tfd.kl_divergence(tfd.Normal(MEAN, STDDEV), tfd.Normal(prior_mean, prior_stddev))
    kl = gaussian_kl(MEAN, STDDEV, prior_mean, prior_stddev)
    assert kl.shape == (7, 5)
    assert kl.dtype == np.float64
    np.testing.assert_allclose(kl, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("mean", "stddev", "prior"), [(0.4, 0.3, (0, 1)), (-2, 1.7, (1, 0.5))])
def test_equals_the_integral_of_the_definition(mean, stddev, prior):
    def density(weight, centre, scale):
        return math.exp(-0.5 * ((weight - centre) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))

    def integrand(weight):
        q = density(weight, mean, stddev)
        return q * math.log(q / density(weight, *prior))

    expected, _ = scipy.integrate.quad(integrand, mean - 9 * stddev, mean + 9 * stddev)
    assert gaussian_kl(mean, stddev, *prior) == pytest.approx(expected, rel=1e-9)


def test_is_zero_only_where_posterior_and_prior_agree():
    assert gaussian_kl(0.0, 1.0) == 0.0
    assert gaussian_kl(-3.0, 0.2, -3.0, 0.2) == 0.0
    assert np.all(gaussian_kl(MEAN, STDDEV) > 0.0)


def test_is_not_symmetric():
    assert gaussian_kl(0.0, 0.5, 0.0, 1.0) != pytest.approx(
        gaussian_kl(0.0, 1.0, 0.0, 0.5), rel=0.1
    )


def test_gradient_in_the_mean_is_weight_decay_by_the_prior_variance():
    step = 1e-5
    slope = gaussian_kl(MEAN + step, STDDEV, 0.0, 2.0) - gaussian_kl(MEAN - step, STDDEV, 0.0, 2.0)
    np.testing.assert_allclose(slope / (2 * step), MEAN / 4.0, atol=1e-7)


def test_float32_input_is_computed_in_float64():
    kl = gaussian_kl(np.float32(1e-4), np.float32(1.0))
    assert kl == pytest.approx(5e-9, rel=1e-6)


@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["stddev", "prior_stddev"])
def test_a_standard_deviation_that_is_not_positive_is_refused(name, bad):
    arguments = {"mean": np.zeros(3), "stddev": np.ones(3), "prior_stddev": np.ones(3)}
    arguments[name] = np.array([1.0, bad, 2.0])
    advice = f"^{name} must be positive.*smallest value is.*not the untransformed scale"
    with pytest.raises(ValueError, match=advice):
        gaussian_kl(**arguments)


def test_terms_are_the_four_sums_of_appendix_b_and_add_to_the_kl():
    weights = list(zip(MEAN.ravel(), STDDEV.ravel(), strict=True))
    expected = {
        "½μ²": sum(0.5 * mean * mean for mean, _ in weights),
        "½σ²": sum(0.5 * stddev * stddev for _, stddev in weights),
        "−log σ": -sum(math.log(stddev) for _, stddev in weights),
        "−½": -0.5 * 35,
    }
    terms = gaussian_kl_terms(MEAN, STDDEV)
    assert list(terms) == list(expected)
    assert terms == pytest.approx(expected, rel=1e-12)
    assert sum(terms.values()) == pytest.approx(gaussian_kl(MEAN, STDDEV).sum(), rel=1e-12)


def test_terms_refuse_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match=r"\(7, 5\) but stddev has shape \(5,\).*for each mean"):
        gaussian_kl_terms(MEAN, STDDEV[0])


def test_terms_refuse_an_untransformed_scale():
    with pytest.raises(ValueError, match=r"smallest value is -3\.0"):
        gaussian_kl_terms(np.zeros(3), np.full(3, -3.0))


@pytest.mark.parametrize("pair", itertools.product([-1.3, 0.0], [0.4, 2.5]))
def test_quadrature_equals_the_closed_form(pair):
    mean, stddev = pair
    log_q, log_p = log_normal_density(mean, stddev), log_normal_density(0.5, 1.5)
    kl = kl_by_quadrature(log_q, log_p, mean - 12 * stddev, mean + 12 * stddev)
    assert kl == pytest.approx(float(gaussian_kl(mean, stddev, 0.5, 1.5)), rel=1e-9)


def test_quadrature_equals_the_exact_kl_to_a_laplace_prior():
    mean, stddev, scale = 0.8, 0.6, 1.3
    entropy = 0.5 * math.log(2 * math.pi * math.e * stddev**2)
    mean_distance = stddev * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * stddev**2))
    mean_distance += mean * scipy.special.erf(mean / (stddev * math.sqrt(2)))
    expected = -entropy + math.log(2 * scale) + mean_distance / scale

    def log_laplace(weight):
        return -math.log(2 * scale) - abs(weight) / scale

    kl = kl_by_quadrature(log_normal_density(mean, stddev), log_laplace, -8.0, 8.0)
    assert kl == pytest.approx(expected, rel=1e-7)


def test_quadrature_does_not_step_over_a_narrow_peak():
    kl = kl_by_quadrature(log_normal_density(3.337, 0.02), log_normal_density(0, 1), -20.0, 20.0)
    assert kl == pytest.approx(float(gaussian_kl(3.337, 0.02)), rel=1e-8)


@pytest.mark.parametrize(("upper", "mass"), [(1.0, "0.84134"), (4.0, "0.999968")])
def test_quadrature_refuses_limits_that_cut_off_a_part_of_q(upper, mass):
    density = log_normal_density(0.0, 1.0)
    with pytest.raises(ValueError, match=f"mass of {mass}.*widen the limits"):
        kl_by_quadrature(density, density, -20.0, upper)


def test_log_normal_density_is_the_formula_in_nats():
    expected = -0.5 * ((0.3 - 1.2) / 0.7) ** 2 - math.log(0.7 * math.sqrt(2 * math.pi))
    assert log_normal_density(1.2, 0.7)(0.3) == pytest.approx(expected, rel=1e-14)
