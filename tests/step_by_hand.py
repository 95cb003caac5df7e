"""The step of a Bayesian network in float64 NumPy, given the noise; gradients by differences.

What the tests of the replayed step compare it with. Nothing here comes from TensorFlow or helpers.
"""

import numpy as np
import scipy.special

EPSILON = 1e-5  # of the central differences: their error is about 1e-10


def softplus(x):
    return np.logaddexp(0, x)


def signs(coins):
    return 2.0 * coins - 1


def flipout(x, mean, stddev, noise):
    scaled = stddev * next(noise).reshape(stddev.shape)
    sign_in, sign_out = signs(next(noise)), signs(next(noise))
    return x @ mean + ((x * sign_in) @ scaled) * sign_out


def reparameterization(x, mean, stddev, noise):
    return x @ (mean + stddev * next(noise).reshape(stddev.shape))


def local_reparameterization(x, mean, stddev, noise):
    return x @ mean + np.sqrt(x**2 @ stddev**2) * next(noise)[0]


def convolution(x, kernel):
    """A convolution without padding: [n, h, w, c] and [rows, columns, c, filters]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel)


def convolution_flipout(x, mean, stddev, noise):
    scaled = stddev * next(noise).reshape(stddev.shape)
    sign_in, sign_out = (signs(next(noise))[:, None, None] for _ in range(2))
    return convolution(x, mean) + convolution(x * sign_in, scaled) * sign_out


LAYERS = {
    "DenseFlipout": flipout,
    "DenseReparameterization": reparameterization,
    "DenseLocalReparameterization": local_reparameterization,
    "Convolution2DFlipout": convolution_flipout,
}


def gaussian_kl(mean, stddev):
    """KL of N(mean, stddev²) from N(0, 1), summed over all weights."""
    return np.sum(0.5 * (mean**2 + stddev**2 - 1) - np.log(stddev))


def nll_of(logits, labels):
    log_probabilities = scipy.special.log_softmax(logits, axis=1)
    return -log_probabilities[np.arange(len(labels)), labels].mean()


def terms_of(kinds, weights, noise, images, labels):
    """Mean NLL and the KL of each layer, for layers with (mean, rho, bias) and ReLU in between."""
    x, noise, kls = images.astype(np.float64), iter(noise), []
    for index, kind in enumerate(kinds):
        mean, rho, bias = weights[3 * index : 3 * index + 3]
        x = LAYERS[kind](x, mean, softplus(rho), noise) + bias
        kls.append(gaussian_kl(mean, softplus(rho)))
        if index < len(kinds) - 1:
            x = np.maximum(x, 0)
        if kind.startswith("Conv"):
            x = x.reshape(len(x), -1)
    assert next(noise, None) is None, "noise is left over"
    return np.array([nll_of(x, labels), *kls])


def differences(function, weights):
    """The gradient of a function of a list of arrays, by central differences."""
    gradients = []
    for index, weight in enumerate(weights):
        gradient = np.empty_like(weight)
        for place in np.ndindex(weight.shape):
            ends = []
            for step in (EPSILON, -EPSILON):
                moved = [*weights[:index], weight.copy(), *weights[index + 1 :]]
                moved[index][place] += step
                ends.append(function(moved))
            gradient[place] = (ends[0] - ends[1]) / (2 * EPSILON)
        gradients.append(gradient)
    return gradients


def step_by_hand(kinds, weights, noise, images, labels, kl_weight):
    """The terms, and the gradients of NLL + kl_weight · KL."""
    noise = [np.asarray(draw, np.float64) for draw in noise]

    def loss(moved):
        terms = terms_of(kinds, moved, noise, images, labels)
        return terms[0] + kl_weight * terms[1:].sum()

    return terms_of(kinds, weights, noise, images, labels), differences(loss, weights)


def weights_of(neural_net):
    return [weight.numpy().astype(np.float64) for weight in neural_net.trainable_weights]
