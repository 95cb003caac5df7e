"""NumPyro: stochastic variational inference with ``AutoNormal``, the steps under ``scan``.

Source: NumPyro's examples of SVI, ``SVI.run`` among them, which scans over ``SVI.update``. One
weight draw serves the whole batch, so a layer needs one product where Flipout needs two.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.infer.initialization import init_to_value

from benchmarks.work import Batches, Images, Labels, Run, Work

TITLE = "NumPyro: SVI, AutoNormal"
ENVIRONMENT = "jax"
KIND = "peer"


def make_model(work: Work, num_examples: int) -> Any:
    """Return the model of a batch, whose log-likelihood is scaled up to all examples."""

    def model(images: jax.Array, labels: jax.Array) -> None:
        hidden = images
        for index, shape in enumerate(work.shapes):
            kernel = numpyro.sample(f"kernel_{index}", dist.Normal(0, 1).expand(shape).to_event(2))
            bias = numpyro.param(f"bias_{index}", jnp.zeros(shape[1]))
            hidden = (jax.nn.relu(hidden) if index else hidden) @ kernel + bias
        with numpyro.plate("examples", num_examples, subsample_size=work.batch_size):
            numpyro.sample("labels", dist.Categorical(logits=hidden), obs=labels)

    return model


def initial_means(work: Work) -> dict[str, jax.Array]:
    """Return the means to start from, N(0, 0.1²) as TFP's."""
    keys = jax.random.split(jax.random.key(work.seed), len(work.shapes))
    return {
        f"kernel_{index}": 0.1 * jax.random.normal(key, shape)
        for index, (key, shape) in enumerate(zip(keys, work.shapes, strict=True))
    }


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Set up model, guide and optimizer; compile the loop over steps."""
    work.only_dense()
    model, size = make_model(work, len(images)), work.batch_size
    start = init_to_value(values=initial_means(work))
    guide = AutoNormal(model, init_scale=0.05, init_loc_fn=start)
    objective = TraceMeanField_ELBO(work.num_draws)  # the KL in closed form; it is the faster one
    svi = SVI(model, guide, numpyro.optim.Adam(work.learning_rate), objective)
    all_images, all_labels = jnp.asarray(images), jnp.asarray(labels)
    state = svi.init(jax.random.key(work.seed), all_images[:size], all_labels[:size])
    batches = Batches(len(images), work)

    @jax.jit
    def loop(state: Any, orders: jax.Array, data: Any) -> Any:
        def body(state: Any, rows: jax.Array) -> Any:
            return svi.update(state, data[0][rows], data[1][rows])

        return jax.lax.scan(body, state, orders)

    def run(num_steps: int) -> float:
        nonlocal state
        orders = jnp.asarray(batches.take(num_steps))
        state, losses = loop(state, orders, (all_images, all_labels))
        return float(losses[-1]) / len(images)

    return run
