"""The picture of the first page shows each entry of losses beside the KL by hand."""

import numpy as np
import pytest

from helpers.figures.losses import plot_losses_by_hand
from helpers.networks.dense import bayesian_network

WIDTHS = [3, 5, 2]  # all different, and different from the number of inputs


@pytest.fixture(scope="module")
def neural_net():
    network = bayesian_network(WIDTHS, seed=4)
    network(np.ones([7, 6], np.float32))
    return network


def heights_of_bars(picture):
    (axis,) = picture.figure.axes
    return [[bar.get_height() for bar in group] for group in axis.containers]


def test_bars_are_the_losses_and_two_parts_that_add_up_to_them(neural_net):
    entries, means, scales = heights_of_bars(plot_losses_by_hand(neural_net))
    for layer, entry, mean, scale in zip(neural_net.layers, entries, means, scales, strict=True):
        mu, sigma = layer.kernel_posterior.mean().numpy(), layer.kernel_posterior.stddev().numpy()
        assert entry == pytest.approx(float(layer.losses[0]))
        assert mean == pytest.approx(np.sum(mu.astype(float) ** 2) / 2, rel=1e-5)
        rest = sum((s**2 - 1) / 2 - np.log(s) for s in sigma.astype(float).ravel())
        assert scale == pytest.approx(rest, rel=1e-5)
        assert mean + scale == pytest.approx(entry, rel=1e-5)


def test_description_names_every_layer_with_its_numbers(neural_net):
    text = plot_losses_by_hand(neural_net).alt
    for layer in neural_net.layers:
        assert f"{layer.name} {float(layer.losses[0]):,.1f}" in text
    assert text.count("L2 part") == len(WIDTHS)


def test_an_entry_that_differs_from_the_kl_shows_as_unequal_bars():
    def doubled(posterior, prior, _):
        return 2.0 * posterior.kl_divergence(prior)

    network = bayesian_network([4], seed=1, kernel_divergence_fn=doubled)
    network(np.ones([2, 3], np.float32))
    ((entry,), (mean,), (scale,)) = heights_of_bars(plot_losses_by_hand(network))
    assert entry == pytest.approx(2.0 * (mean + scale), rel=1e-5)
