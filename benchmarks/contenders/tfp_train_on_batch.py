"""The loop of TFP's example: ``train_on_batch`` on one NumPy batch after another.

Source: ``tensorflow_probability/examples/bayesian_neural_network.py``. As there, a batch is a slice
of the arrays, the accuracy is computed beside the loss, and both come back to Python at every step.
"""

import itertools

import tf_keras

from benchmarks.tfp_networks import compiled, flipout_network, shaped
from benchmarks.work import Images, Labels, Run, Work

TITLE = "TFP: train_on_batch loop"
ENVIRONMENT = "book"
KIND = "tfp"


def prepare(work: Work, images: Images, labels: Labels) -> Run:
    """Compile the network; the slices go on where the run before ended."""
    tf_keras.utils.set_random_seed(work.seed)
    neural_net = compiled(flipout_network(work, len(images)), work, metrics=["accuracy"])
    images, size = shaped(images, work), work.batch_size
    starts = itertools.cycle(range(0, len(images) - size + 1, size))

    def run(num_steps: int) -> float:
        for start in itertools.islice(starts, num_steps):
            batch = slice(start, start + size)
            results = neural_net.train_on_batch(images[batch], labels[batch], return_dict=True)
        return float(results["loss"])

    return run
