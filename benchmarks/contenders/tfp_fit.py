"""TFP's way: ``compile`` and ``fit``, with the KL that the layers add to ``losses``."""

import tf_keras

from benchmarks.tfp_networks import compiled, fit_steps, flipout_network, shaped
from benchmarks.work import Images, Labels, Run, Work

TITLE = "TFP: compile and fit"
ENVIRONMENT = "book"
KIND = "tfp"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile the network; each run is one call of ``fit``, which shuffles the batches."""
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = compiled(flipout_network(work, len(images)), work)
    images = shaped(images, work)
    return lambda num_steps: fit_steps(neural_net, images, labels, work, num_steps)
