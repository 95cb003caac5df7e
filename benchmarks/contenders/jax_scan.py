"""The hand-written JAX step under ``scan``: all steps in one compiled program."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from contenders.jax_flipout import initial_parameters, make_step
from work import Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    step, optimizer = make_step(work, len(images))
    all_images, all_labels = jnp.asarray(images), jnp.asarray(labels)
    parameters = initial_parameters(work)
    state = parameters, optimizer.init(parameters)
    key = jax.random.key(work.seed)

    @partial(jax.jit, static_argnums=2, donate_argnums=0)
    def epoch(state, key, num_steps):
        def body(state, key):
            row_key, step_key = jax.random.split(key)
            rows = jax.random.randint(row_key, (work.batch_size,), 0, len(all_images))
            return step(state, step_key, all_images[rows], all_labels[rows])

        state, losses = jax.lax.scan(body, state, jax.random.split(key, num_steps))
        return state, losses[-1]

    def run(num_steps: int) -> float:
        nonlocal state, key
        key, epoch_key = jax.random.split(key)
        state, loss = epoch(state, epoch_key, num_steps)
        return float(loss)

    return run
