"""Train small networks as one of several workers: python train_on_workers.py PART FOLDER.

``TF_CONFIG`` says which worker this is. Prints JSON. Part "first" trains what is compared with one
process and ends with a training in which worker 1 dies; "second" goes on with that, and ends with
one in which the chief dies.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from helpers.networks.dense import bayesian_network
from helpers.page.errors import error_message
from helpers.training import train_by_elbo

RNG = np.random.default_rng(1)
INPUTS = RNG.normal(size=(17, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 17).astype(np.int32)
HELD_OUT = (RNG.normal(size=(9, 5)).astype(np.float32), RNG.integers(0, 3, 9).astype(np.int32))
DIES_IN_EPOCH = 2  # from 0; three steps each
SAVED_STEPS = 8  # a checkpoint after each step but the ninth, whose validation is not measured


class HeldOut(tf_keras.utils.Sequence):
    """Held-out data; who reads them in epoch ``dies_in`` is killed."""

    def __init__(self, dies_in=None):
        super().__init__()
        self.passes_left = None if dies_in is None else dies_in + 1  # one counts the examples

    def __len__(self):
        return 1

    def __getitem__(self, index):
        if self.passes_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.passes_left is not None:
            self.passes_left -= 1
        return HELD_OUT


class Interrupts(tf_keras.callbacks.Callback):
    """Presses Ctrl-C at the end of the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        os.kill(os.getpid(), signal.SIGINT)


def build(strategy, optimizer="SGD"):
    """A network and an optimizer."""
    with strategy.scope():
        neural_net = bayesian_network([3], seed=2)
        neural_net(INPUTS[:1])
        rate = {"SGD": 0.1, "Adam": 0.05}[optimizer]
        return neural_net, getattr(tf_keras.optimizers, optimizer)(rate)


def train(built, inputs=INPUTS, targets=LABELS, **options):
    """Batches of 7, 7 and 3: none divides by 2."""
    neural_net, optimizer = built
    options = {"num_epochs": 2, "batch_size": 7, "seed": 4, "progress": False, **options}
    return train_by_elbo(neural_net, inputs, targets, optimizer=optimizer, **options)


def trained(strategy, *data, optimizer="SGD", **options):
    """History and weights."""
    built = build(strategy, optimizer)
    history = train(built, *data, **options)
    weights = np.concatenate([weight.ravel() for weight in built[0].get_weights()])
    return {"history": history.to_numpy(float).tolist(), "weights": weights.tolist()}


def of_stream(strategy):
    """Trained by Adam on a dataset in batches of 7, 7 and 3, with weights of the examples."""
    weights = np.linspace(0.5, 2, 17).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS, weights))
    dataset = dataset.shuffle(17, seed=3).batch(7)
    return trained(strategy, dataset, None, batch_size=None, optimizer="Adam")


def saved(strategy, folder, dies_in=None, **options):
    """Trained in four epochs, with a checkpoint after every call."""
    return trained(
        strategy,
        num_epochs=4,
        validation_data=HeldOut(dies_in),
        folder=folder,
        save_every=0,
        **options,
    )


def refused(built, *data, moved_by=0, **options):
    """The error, and whether no weight was moved by it; the weights are moved before."""
    neural_net = built[0]
    neural_net.set_weights([weight + moved_by for weight in neural_net.get_weights()])
    before = neural_net.get_weights()
    message = error_message(lambda: train(built, *data, **options))
    same = all((a == b).all() for a, b in zip(before, neural_net.get_weights(), strict=True))
    return {"message": message, "same": same}


def first(strategy, index, folder):
    """What ends well, and what is refused."""
    mine = [] if index == 0 else [INPUTS + 1]
    only_here = folder / f"of {index}"
    if index == 0:
        trained(tf.distribute.get_strategy(), num_epochs=1, folder=only_here)
    network = build(strategy)  # one for all that is refused
    cases = {
        "SGD": lambda: trained(strategy, validation_data=HELD_OUT),
        "Adam": lambda: of_stream(strategy),
        "interrupted": lambda: trained(strategy, callbacks=[Interrupts()] if index == 1 else []),
        "other data": lambda: refused(network, *mine),
        "one fails": lambda: refused(network, *([] if index == 0 else [INPUTS, LABELS + 9])),
        "small": lambda: refused(network, INPUTS[:15], LABELS[:15]),
        "not shared": lambda: refused(network, folder=only_here, resume=True),
        "other weights": lambda: refused(network, moved_by=index),
    }
    results = {}
    for name, train_it in cases.items():
        print(name, file=sys.stderr, flush=True)  # noqa: T201
        results[name] = train_it()
    return results


def main(part, folder):
    """Print results, then train until one dies, and print the error of the one that is left."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index, folder = json.loads(os.environ["TF_CONFIG"])["task"]["index"], Path(folder)
    shared = {"first": folder / "worker dies", "second": folder / "chief dies"}
    if part == "first":
        results = first(strategy, index, folder)
    else:
        results = {"resumed": saved(strategy, shared["first"], resume=True)}
    print(json.dumps(results), flush=True)  # noqa: T201
    doomed = {"first": 1, "second": 0}[part]
    dies_in = DIES_IN_EPOCH if index == doomed else None
    message = error_message(lambda: saved(strategy, shared[part], dies_in))
    print(json.dumps(message), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
