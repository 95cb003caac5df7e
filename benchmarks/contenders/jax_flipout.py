"""A Flipout step written by hand in JAX, with Adam of optax."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from work import Work

Parameters = list[dict[str, jax.Array]]


def initial_parameters(work: Work) -> Parameters:
    """Return mean, unconstrained scale and bias of each layer, as TFP starts them."""
    keys = jax.random.split(jax.random.key(work.seed), len(work.shapes))
    return [
        {
            "loc": 0.1 * jax.random.normal(key, shape),
            "rho": jnp.full(shape, -3.0),
            "bias": jnp.zeros(shape[1]),
        }
        for key, shape in zip(keys, work.shapes, strict=True)
    ]


def flipout(layer: dict[str, jax.Array], inputs: jax.Array, key: jax.Array) -> jax.Array:
    """Return the outputs [batch, units] of one layer (Wen et al. 2018, equation 4)."""
    noise_key, in_key, out_key = jax.random.split(key, 3)
    scale = jax.nn.softplus(layer["rho"])
    perturbation = scale * jax.random.normal(noise_key, scale.shape)
    sign_in = jax.random.rademacher(in_key, inputs.shape, inputs.dtype)
    sign_out = jax.random.rademacher(out_key, (len(inputs), scale.shape[1]), inputs.dtype)
    mean = inputs @ layer["loc"] + layer["bias"]
    return mean + ((inputs * sign_in) @ perturbation) * sign_out


def kl_divergence(parameters: Parameters) -> jax.Array:
    """Return KL(posterior ‖ N(0, 1)) of all kernels, in nats."""
    total = jnp.zeros(())
    for layer in parameters:
        scale = jax.nn.softplus(layer["rho"])
        total += 0.5 * jnp.sum(scale**2 + layer["loc"] ** 2 - 1 - 2 * jnp.log(scale))
    return total


def make_step(work: Work, num_examples: int) -> tuple[Callable, optax.GradientTransformation]:
    """Return (state, key, images, labels) ↦ (state, loss) and the optimizer."""
    optimizer = optax.adam(work.learning_rate)

    def loss_of(parameters: Parameters, key: jax.Array, images: jax.Array, labels: jax.Array):
        hidden = images
        keys = jax.random.split(key, len(parameters))
        for index, (layer, layer_key) in enumerate(zip(parameters, keys, strict=True)):
            hidden = flipout(layer, jax.nn.relu(hidden) if index else hidden, layer_key)
        nll = optax.softmax_cross_entropy_with_integer_labels(hidden, labels).mean()
        return nll + kl_divergence(parameters) / num_examples

    def step(state, key, images, labels):
        parameters, moments = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, key, images, labels)
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(parameters, updates), moments), loss

    return step, optimizer
