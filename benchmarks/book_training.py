"""The book's trainer as a contender: layers as a reader writes them, steps of the trainer."""

import tensorflow_probability as tfp
import tf_keras

from benchmarks.tfp_networks import network, shaped
from benchmarks.work import Images, Labels, Run, Work
from helpers.training.stepper import Stepper

EPOCHS = 10  # of the training that a reader asks for; the trainer decides by it whether XLA pays


def prepare_trainer(
    work: Work,
    images: Images,
    labels: Labels,
    *,
    layer_class: type = tfp.layers.DenseFlipout,
    jit_compile: bool | None = None,
) -> Run:
    """Return a run of the book's trainer on a network of one class of layers.

    ``jit_compile`` is the trainer's: ``None`` leaves the choice to it.
    """
    tf_keras.utils.set_random_seed(work.seed)
    stepper = Stepper(
        network(work, layer_class),
        shaped(images, work),
        labels,
        batch_size=work.batch_size,
        num_epochs=EPOCHS,
        optimizer=tf_keras.optimizers.Adam(work.learning_rate),
        seed=work.seed,
        num_draws=work.num_draws,
        jit_compile=jit_compile,
    )
    # The smaller batch at the end of an epoch compiles too: now, not in the middle of a timed run.
    stepper.take(stepper.order.steps_per_epoch - 1, most=1)
    taken = 0

    def run(num_steps: int) -> float:
        nonlocal taken
        loss = float("nan")
        for rows in stepper.run(taken, taken + num_steps):
            taken += len(rows)
            loss = float(rows[-1, 0] + rows[-1, 1:] @ stepper.terms.weights)
        return loss

    return run
