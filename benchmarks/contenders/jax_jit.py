"""The hand-written JAX step under ``jit``, one call a step on a NumPy batch."""

import jax

from benchmarks.jax_step import make_step
from benchmarks.work import Batches, Images, Labels, Run, Work

TITLE = "JAX by hand: jit"
ENVIRONMENT = "jax"
KIND = "peer"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile one step; the state stays on the device and is updated in place."""
    work.only_dense()
    step, state = make_step(work, len(images))
    step = jax.jit(step, donate_argnums=0)
    key, batches = jax.random.key(work.seed), Batches(len(images), work)

    def run(num_steps: int) -> float:
        nonlocal state, key
        key, *step_keys = jax.random.split(key, num_steps + 1)
        for step_key, rows in zip(step_keys, batches.take(num_steps), strict=True):
            state, loss = step(state, step_key, images[rows], labels[rows])
        return float(loss)

    return run
