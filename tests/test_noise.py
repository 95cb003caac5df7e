"""The draws of a step: their distributions, their accuracy, and that seed and number fix them."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from helpers.draws.noise import Draw, draw_all, draw_one, normal_from_bits

MILLION = 10**6
WAYS = ("plain", "XLA")
MIXED = [
    Draw("normal", (7, 5), tf.float32),
    Draw("integer", (7, 3), tf.int64),
    Draw("uniform", (5,), tf.float32),
    Draw("integer", (2, 3), tf.int32, -4, 3),
    Draw("normal", (), tf.float32),
    Draw("normal", (3, 0), tf.float32),
]
# Names ↦ a million draws of each kind: 0 … 1 as a coin, −4 … 2, the whole range of a seed.
KINDS = {
    "normal": Draw("normal", (1000, 1000), tf.float32),
    "coin": Draw("integer", (MILLION,), tf.int64),
    "uniform": Draw("uniform", (MILLION,), tf.float32),
    "seven": Draw("integer", (MILLION,), tf.int32, -4, 3),
    "seed": Draw("integer", (MILLION,), tf.int32, -(2**31), 2**31 - 1),
}


def noise_of(draws, way):
    """(seed, number) ↦ the draws as arrays."""
    if way == "XLA":
        compiled = tf.function(lambda seed, number: draw_all(draws, seed, number), jit_compile=True)
    else:
        compiled = tf.function(
            lambda seed, number: [draw_one(draw, seed, number) for draw in draws]
        )

    def arrays(*pair):
        return [draw.numpy() for draw in compiled(*(tf.constant(x, tf.int64) for x in pair))]

    return arrays


@pytest.fixture(scope="module", params=WAYS)
def many(request):
    """Name ↦ a million draws, plain or by XLA."""
    draws = noise_of(list(KINDS.values()), request.param)(3, 0)
    return dict(zip(KINDS, draws, strict=True))


@pytest.fixture(scope="module", params=WAYS)
def mixed(request):
    """(seed, number) ↦ draws of all kinds, plain or by XLA."""
    return noise_of(MIXED, request.param)


def within_four_errors(values, expected, stddev):
    """Whether the mean of independent values fits its expectation."""
    return abs(np.mean(values, dtype=np.float64) - expected) < 4 * stddev / np.sqrt(np.size(values))


def test_a_biased_mean_would_be_seen():
    values = np.random.default_rng(0).normal(size=MILLION)
    assert within_four_errors(values, 0, 1)
    assert not within_four_errors(values + 0.005, 0, 1)


def test_normals_have_the_moments_of_a_standard_normal(many):
    z = many["normal"].astype(np.float64)
    # The variance of zᵏ is E[z²ᵏ] − E[zᵏ]², with E[z²], E[z⁴], E[z⁶], E[z⁸] = 1, 3, 15, 105.
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert within_four_errors(z**power, mean, np.sqrt(variance)), power


def test_normals_have_the_distribution_of_a_standard_normal(many):
    assert scipy.stats.kstest(many["normal"].ravel(), "norm").pvalue > 1e-3
    assert scipy.stats.kstest(1.02 * many["normal"].ravel(), "norm").pvalue < 1e-3


def test_tails_are_as_heavy_as_they_should_be(many):
    z = many["normal"]
    for limit in (1, 2, 3, 3.5, 4):
        share = scipy.stats.norm.sf(limit)
        for tail in (z > limit, z < -limit):
            assert within_four_errors(tail, share, np.sqrt(share)), limit
    assert 4.4 < np.abs(z).max() < 5.5


def test_normals_along_each_axis_are_uncorrelated(many):
    z = many["normal"].astype(np.float64)
    for one, other in ((z[1:], z[:-1]), (z[:, 1:], z[:, :-1]), (z[:, 32:], z[:, :-32])):
        assert within_four_errors(one * other, 0, 1)


def test_coins_are_fair_at_each_place_of_a_word_and_independent(many):
    coins = many["coin"]
    assert set(np.unique(coins)) == {0, 1}
    signs = (2 * coins - 1)[: MILLION // 32 * 32].reshape(-1, 32)
    for place in range(32):
        assert within_four_errors(signs[:, place], 0, 1), place
    for distance in range(1, 32):  # within a word
        assert within_four_errors(signs[:, distance:] * signs[:, :-distance], 0, 1), distance
    for distance in (1, 2, 31, 32):  # from word to word
        assert within_four_errors(signs[distance:] * signs[:-distance], 0, 1), distance


def test_all_whole_numbers_of_another_range_are_equally_likely(many):
    values, counts = np.unique(many["seven"], return_counts=True)
    assert values.tolist() == [-4, -3, -2, -1, 0, 1, 2]
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_numbers_from_the_whole_range_of_a_seed_are_spread_over_it_to_the_last_bit(many):
    seeds = many["seed"].astype(np.float64)
    assert scipy.stats.kstest((seeds + 2**31) / 2**32, "uniform").pvalue > 1e-3
    assert within_four_errors(many["seed"] & 1, 0.5, 0.5)
    assert len(np.unique(many["seed"])) > 0.999 * MILLION


def test_uniforms_fill_the_interval_without_its_end(many):
    u = many["uniform"]
    assert 0 <= u.min() < 1e-5
    assert 1 - 1e-5 < u.max() < 1
    assert scipy.stats.kstest(u, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "XLA"])
def test_normals_are_the_exact_quantiles_of_their_words(jit_compile):
    words = np.random.default_rng(1).integers(-(2**31), 2**31, MILLION).astype(np.int32)
    upper = np.r_[words >> 8, np.arange(-(2**23), -(2**23) + 999), np.arange(2**23 - 999, 2**23)]
    compiled = tf.function(normal_from_bits, jit_compile=jit_compile)
    z = compiled(tf.constant((upper << 8).astype(np.int32))).numpy()
    exact = scipy.special.ndtri((upper + 0.5) / 2**24 + 0.5)
    np.testing.assert_allclose(z, exact, rtol=1e-6)
    assert np.abs(z).max() < 5.5
    same_upper_bits = (upper << 8 | 0xAB).astype(np.int32)
    np.testing.assert_array_equal(compiled(tf.constant(same_upper_bits)).numpy(), z)


def test_draws_have_the_shapes_and_types_that_were_asked_for(mixed):
    for draw, value in zip(MIXED, mixed(3, 0), strict=True):
        assert value.shape == draw.shape
        assert value.dtype == draw.dtype.as_numpy_dtype


def test_the_same_seed_and_number_give_the_same_draws_whatever_tensorflow_drew(mixed):
    first = mixed(8, 5)
    tf.random.set_seed(99)
    tf.random.normal([3])
    for one, other in zip(first, mixed(8, 5), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("way", WAYS)
def test_neighbours_in_seed_or_number_are_uncorrelated(way):
    draws = [Draw("normal", (100_000,), tf.float32)]
    pairs = ((8, 5), (9, 5), (8, 6), (5, 8), (0, 5), (8, 0), (2**32 - 8, 5), (8, 2**32 - 5))
    draw = noise_of(draws, way)
    values = [draw(*pair)[0].astype(np.float64) for pair in pairs]
    for index, one in enumerate(values):
        for other in values[:index]:
            assert within_four_errors(one * other, 0, 1)


def test_nothing_to_draw_gives_nothing():
    assert draw_all([], tf.constant(3, tf.int64), tf.constant(0, tf.int64)) == []


def test_a_shape_may_be_a_tensor():
    seed, number = tf.constant(3, tf.int64), tf.constant(5, tf.int64)
    for draw in MIXED:
        with_tensor = draw._replace(shape=tf.constant(draw.shape, tf.int32))
        found = draw_one(with_tensor, seed, number).numpy()
        assert found.tobytes() == draw_one(draw, seed, number).numpy().tobytes()
