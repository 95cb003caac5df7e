"""Train a small network: python train_into_folder.py FOLDER RESULT EPOCHS SAVE_EVERY.

It is what the tests of resuming start, kill and start again. FOLDER `-` trains without checkpoints.
RESULT gets the history and the network's variables. Each line of the output is one event.
"""

import sys

import numpy as np

import helpers.saving.autosave
from helpers.networks.dense import bayesian_network
from helpers.training import train_by_elbo

RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(60, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 60).astype(np.int32)


def tell(event, number=0):
    """Print one event."""
    sys.stdout.write(f"{event} {number}\n")
    sys.stdout.flush()


def announce_saving():
    """Print the step before and after each save, so that a witness outlives the process."""
    save = helpers.saving.autosave.save_checkpoint

    def announced(folder, checkpoint):
        tell("saving", checkpoint.step)
        save(folder, checkpoint)
        tell("saved", checkpoint.step)

    helpers.saving.autosave.save_checkpoint = announced


def train_and_keep(folder, result, num_epochs, save_every, progress=True):
    """Train as said above, and write the result."""
    neural_net = bayesian_network([4, 3], seed=2)
    options = {"folder": folder, "save_every": save_every, "resume": folder is not None}
    options = {"progress": progress, **({} if folder == "-" else options)}
    history = train_by_elbo(
        neural_net, IMAGES, LABELS, num_epochs=num_epochs, batch_size=7, seed=4, **options
    )
    values = {f"variable_{i}": value.numpy() for i, value in enumerate(neural_net.variables)}
    np.savez(result, history=history.to_numpy(np.float64), columns=list(history), **values)
    return len(history)


if __name__ == "__main__":
    FOLDER, RESULT, EPOCHS, SAVE_EVERY = sys.argv[1:]
    announce_saving()
    tell("starts")
    tell("ends", train_and_keep(FOLDER, RESULT, int(EPOCHS), float(SAVE_EVERY)))
