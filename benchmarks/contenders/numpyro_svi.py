"""NumPyro: stochastic variational inference with ``AutoNormal``, the steps under ``scan``."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal

from work import Work


def prepare(work: Work, images: np.ndarray, labels: np.ndarray) -> Callable[[int], float]:
    num_examples = len(images)
    all_images, all_labels = jnp.asarray(images), jnp.asarray(labels)

    def model(images, labels):
        hidden = images
        for index, shape in enumerate(work.shapes):
            kernel = numpyro.sample(f"kernel_{index}", dist.Normal(0, 1).expand(shape).to_event(2))
            bias = numpyro.param(f"bias_{index}", jnp.zeros(shape[1]))
            hidden = (jax.nn.relu(hidden) if index else hidden) @ kernel + bias
        with numpyro.plate("examples", num_examples, subsample_size=work.batch_size):
            numpyro.sample("labels", dist.Categorical(logits=hidden), obs=labels)

    guide = AutoNormal(model, init_scale=0.05)
    svi = SVI(model, guide, numpyro.optim.Adam(work.learning_rate), Trace_ELBO(work.num_draws))
    size = work.batch_size
    state = svi.init(jax.random.key(work.seed), all_images[:size], all_labels[:size])

    def body(state, rows):
        return svi.update(state, all_images[rows], all_labels[rows])

    scan = jax.jit(lambda state, orders: jax.lax.scan(body, state, orders))
    generator = np.random.default_rng(work.seed)

    def run(num_steps: int) -> float:
        nonlocal state
        orders = generator.integers(0, num_examples, (num_steps, work.batch_size))
        state, losses = scan(state, orders)
        return float(losses[-1]) / num_examples

    return run
