"""Factorised Gaussian posteriors with an initialiser of their own for every layer.

Introduced in chapters/03-inspecting-losses.md, "An empty list fills up".
"""

from collections.abc import Callable
from typing import Any

import tensorflow_probability as tfp
import tf_keras

MakePosterior = Callable[..., Any]


def gaussian_posterior(seed: int) -> MakePosterior:
    """Return a ``kernel_posterior_fn`` that starts where TFP's default does, but by its own seed.

    TFP 0.25's default posterior hands *one* initialiser object to all layers, and under
    ``tf_keras`` that object returns the same numbers at each call: equal-shaped layers would
    start identical. Initialisers with a seed per layer avoid that.

    Parameters
    ----------
    seed
        Seed of this layer's initial means and untransformed scales; give each layer another.

    Returns
    -------
    MakePosterior
        For the argument ``kernel_posterior_fn`` (or ``bias_posterior_fn``) of a TFP layer: means
        from N(0, 0.1²), untransformed scales ρ from N(−3, 0.1²), σ = softplus(ρ), about 0.05.
    """
    random_normal = tf_keras.initializers.RandomNormal
    return tfp.layers.default_mean_field_normal_fn(
        loc_initializer=random_normal(stddev=0.1, seed=2 * seed),
        untransformed_scale_initializer=random_normal(mean=-3.0, stddev=0.1, seed=2 * seed + 1),
    )


def point_posterior() -> MakePosterior:
    """Return a ``bias_posterior_fn`` for a point estimate (no distribution) that starts at zero.

    TFP's default bias is a point estimate too, but it starts from the shared initialiser.
    """
    return tfp.layers.default_mean_field_normal_fn(is_singular=True, loc_initializer="zeros")
