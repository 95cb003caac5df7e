"""A Flipout step written by hand in JAX, with Adam of optax."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.work import Work

Parameters = list[dict[str, jax.Array]]


def initial_parameters(work: Work) -> Parameters:
    """Return mean, unconstrained scale and bias of each layer, as TFP starts them."""
    keys = jax.random.split(jax.random.key(work.seed), len(work.shapes))
    return [
        {
            "mean": 0.1 * jax.random.normal(key, shape),
            "untransformed_scale": jnp.full(shape, -3.0, jnp.float32),
            "bias": jnp.zeros(shape[1]),
        }
        for key, shape in zip(keys, work.shapes, strict=True)
    ]


def flipout(layer: dict[str, jax.Array], inputs: jax.Array, key: jax.Array) -> jax.Array:
    """Return the outputs [batch, units] of one layer (Wen et al. 2018, equation 4)."""
    noise_key, in_key, out_key = jax.random.split(key, 3)
    scale = jax.nn.softplus(layer["untransformed_scale"])
    perturbation = scale * jax.random.normal(noise_key, scale.shape)
    sign_in = jax.random.rademacher(in_key, inputs.shape, inputs.dtype)
    sign_out = jax.random.rademacher(out_key, (len(inputs), scale.shape[1]), inputs.dtype)
    mean = inputs @ layer["mean"] + layer["bias"]
    return mean + ((inputs * sign_in) @ perturbation) * sign_out


def kl_divergence(parameters: Parameters) -> jax.Array:
    """Return KL(posterior ‖ N(0, 1)) of all kernels, in nats."""
    total = jnp.zeros(())
    for layer in parameters:
        scale = jax.nn.softplus(layer["untransformed_scale"])
        total += 0.5 * jnp.sum(scale**2 + layer["mean"] ** 2 - 1 - 2 * jnp.log(scale))
    return total


def draw_nll(
    parameters: Parameters, key: jax.Array, images: jax.Array, labels: jax.Array
) -> jax.Array:
    """Return the mean negative log-likelihood of one draw, in nats per example."""
    hidden = images
    keys = jax.random.split(key, len(parameters))
    for index, (layer, layer_key) in enumerate(zip(parameters, keys, strict=True)):
        hidden = flipout(layer, jax.nn.relu(hidden) if index else hidden, layer_key)
    return optax.softmax_cross_entropy_with_integer_labels(hidden, labels).mean()


def make_step(work: Work, num_examples: int) -> tuple[Callable[..., Any], Any]:
    """Return (state, key, images, labels) ↦ (state, loss), and the state to start from."""
    optimizer = optax.adam(work.learning_rate)

    def loss_of(
        parameters: Parameters, key: jax.Array, images: jax.Array, labels: jax.Array
    ) -> jax.Array:
        keys = [key] if work.num_draws == 1 else list(jax.random.split(key, work.num_draws))
        nll = sum(draw_nll(parameters, it, images, labels) for it in keys) / work.num_draws
        return nll + kl_divergence(parameters) / num_examples

    def step(state: Any, key: jax.Array, images: jax.Array, labels: jax.Array) -> Any:
        parameters, moments = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, key, images, labels)
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(parameters, updates), moments), loss

    parameters = initial_parameters(work)
    return step, (parameters, optimizer.init(parameters))
