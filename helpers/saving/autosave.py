"""Training that saves itself now and then, and goes on where it was."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tqdm.auto

from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .same_run import check_same_run

Array = npt.NDArray[np.float64]


class Autosave:
    """Saves the variables and the history of a run in a folder, every so many seconds.

    Parameters
    ----------
    folder
        Where; ``None`` to save nothing.
    save_every
        Seconds between two checkpoints.
    variables
        All that training changes.
    run
        What :func:`~helpers.saving.same_run.describe_run` says of it.
    """

    def __init__(
        self, folder: Any, save_every: float, variables: list[tf.Variable], run: dict[str, Any]
    ) -> None:
        self.folder, self.save_every, self.variables, self.run = folder, save_every, variables, run
        self.saved_at, self.saved_steps = time.monotonic(), -1

    def restore(self, resume: bool, num_columns: int, num_steps: int) -> Array:
        """Set the variables as they were saved, say so, and return the history [steps, columns].

        Raises
        ------
        ValueError
            If a checkpoint is there but ``resume`` is false, or it is of another run, or holds more
            steps or other columns than asked for.
        """
        checkpoint = None if self.folder is None else load_checkpoint(self.folder)
        if checkpoint is None:
            return np.empty((0, num_columns))
        if not resume:
            raise ValueError(
                f"{self.folder} holds a training of {checkpoint.step} steps: pass resume=True to "
                "go on with it, or another folder to start anew."
            )
        check_same_run(checkpoint, self.run)
        if checkpoint.step > num_steps:
            raise ValueError(
                f"{self.folder} holds {checkpoint.step} steps, more than the {num_steps} asked "
                "for: raise num_epochs, or pass another folder."
            )
        if checkpoint.rows.shape[1:] != (num_columns,):
            raise ValueError(
                f"{self.folder} holds a history of {checkpoint.rows.shape[1]} columns, but the "
                f"network has {num_columns}, one for each entry of losses and one more: build it "
                "as it was, or pass another folder."
            )
        for variable, value in zip(self.variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.saved_steps = checkpoint.step
        tqdm.auto.tqdm.write(f"Resumed after step {checkpoint.step}, saved in {self.folder}.")
        return checkpoint.rows

    def save_if_due(self, rows: Array) -> None:
        """Save if ``save_every`` seconds have gone by since the last time."""
        if time.monotonic() - self.saved_at >= self.save_every:
            self.save(rows)

    def save(self, rows: Array) -> None:
        """Save now, unless nothing has changed since the last time."""
        if self.folder is None or len(rows) == self.saved_steps:
            return
        values = [variable.numpy() for variable in self.variables]
        save_checkpoint(self.folder, Checkpoint(len(rows), values, rows, self.run))
        self.saved_at, self.saved_steps = time.monotonic(), len(rows)
