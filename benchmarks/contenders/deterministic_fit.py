"""A plain network of the same size under ``fit``: the difference is the price of being Bayesian."""

import tf_keras

from benchmarks.tfp_networks import compiled, fit_steps, network, shaped
from benchmarks.work import Images, Labels, NotOfferedError, Run, Work

TITLE = "plain network: compile and fit"
ENVIRONMENT = "book"
KIND = "bound"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile the network; each run is one call of ``fit``, which shuffles the batches."""
    if work.num_draws > 1:
        raise NotOfferedError("a plain network draws no weights")
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = compiled(network(work, tf_keras.layers.Dense), work)
    images = shaped(images, work)
    return lambda num_steps: fit_steps(neural_net, images, labels, work, num_steps)
