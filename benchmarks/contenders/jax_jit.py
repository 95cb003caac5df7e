"""The hand-written JAX step under ``jit``, one call a step."""

from collections.abc import Callable

import jax
import numpy as np

from contenders.jax_flipout import initial_parameters, make_step
from work import Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    step, optimizer = make_step(work, len(images))
    step = jax.jit(step, donate_argnums=0)
    parameters = initial_parameters(work)
    state = parameters, optimizer.init(parameters)
    key = jax.random.key(work.seed)

    def run(num_steps: int) -> float:
        nonlocal state, key
        for index in range(num_steps):
            key, step_key = jax.random.split(key)
            rows = slice(index * work.batch_size, (index + 1) * work.batch_size)
            state, loss = step(state, step_key, images[rows], labels[rows])
        return float(loss)

    return run
