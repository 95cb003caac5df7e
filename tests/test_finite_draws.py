"""Draws of counts come back, whatever the rates are."""

import numpy as np
import tensorflow_probability as tfp

from helpers.model.finite_draws import finite_draws

tfd = tfp.distributions
HUGE = 1e9  # which TensorFlow still draws, so that a failure of this test is no hang


def test_counts_of_huge_means_are_these_means():
    with finite_draws():
        drawn = tfd.Independent(tfd.Poisson([[HUGE, 2 * HUGE]]), 1).sample(5)
    np.testing.assert_array_equal(drawn, np.broadcast_to([[HUGE, 2 * HUGE]], (5, 1, 2)))


def test_all_other_draws_are_draws():
    with finite_draws():
        counts = np.asarray(tfd.Poisson(3.0).sample(200, seed=1))
        classes = np.asarray(tfd.Categorical(probs=[0.5, 0.5]).sample(200, seed=1))
        values = np.asarray(tfd.Normal(HUGE, 1e6).sample(200, seed=1))
    assert all(len(np.unique(drawn)) > 1 for drawn in (counts, classes, values))


def test_after_the_block_everything_is_drawn_again():
    with finite_draws():
        pass
    assert len(np.unique(tfd.Poisson(HUGE).sample(20, seed=1))) > 1
