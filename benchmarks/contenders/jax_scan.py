"""The hand-written JAX step under ``scan``: all steps of a run in one compiled program."""

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.jax_step import make_step
from benchmarks.work import Batches, Images, Labels, Run, Work

TITLE = "JAX by hand: scan"
ENVIRONMENT = "jax"
KIND = "peer"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile the loop; the data stay on the device, and batches are gathered there."""
    work.only_dense()
    step, state = make_step(work, len(images))
    all_images, all_labels = jnp.asarray(images), jnp.asarray(labels)
    key, batches = jax.random.key(work.seed), Batches(len(images), work)

    def loop(state: Any, keys: jax.Array, orders: jax.Array, data: Any) -> Any:
        def body(state: Any, inputs: tuple[jax.Array, jax.Array]) -> Any:
            step_key, rows = inputs
            return step(state, step_key, data[0][rows], data[1][rows])

        return jax.lax.scan(body, state, (keys, orders))

    loop = jax.jit(loop, donate_argnums=0)

    def run(num_steps: int) -> float:
        nonlocal state, key
        key, run_key = jax.random.split(key)
        keys, orders = jax.random.split(run_key, num_steps), batches.take(num_steps)
        state, losses = loop(state, keys, jnp.asarray(orders), (all_images, all_labels))
        return float(losses[-1])

    return run
