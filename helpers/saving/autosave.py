"""Training that saves itself now and then, and goes on where it was."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tqdm.auto

from .checkpoint import Checkpoint, load_checkpoint, lock_folder, save_checkpoint
from .same_run import check_same_run

Array = npt.NDArray[np.float64]
Folder = str | os.PathLike[str]
Place = Callable[[], dict[str, Any]]


class Saving(Protocol):
    """What a training asks for, whether it is saved or not.

    ``place`` is what was saved beside the weights that are gone on from; empty without them.
    """

    place: dict[str, Any]

    def saved_option(self, name: str) -> Any:
        """The option of this name in the checkpoint that is gone on from; ``None`` without one."""

    def check_repeatable(self, operations: list[str]) -> None:
        """Raise if a training that draws by these operations cannot be saved."""

    def check_order(self, *, is_known: bool) -> None:
        """Raise if another process could not see the data in the same order."""

    def restore(
        self,
        variables: list[tf.Variable],
        describe: Callable[[], dict[str, Any]],
        num_columns: int,
        num_steps: int,
    ) -> Array:
        """Set the variables as saved, and return the history so far [steps, columns]."""

    def is_due(self) -> bool:
        """Whether it is time to save."""

    def save(self, rows: Array, place: Place) -> None:
        """Save now."""

    def advice(self) -> str:
        """Say from which step a training can go on that ends now."""


class NotSaved:
    """A training without a folder: it begins anew, and nothing is kept."""

    def __init__(self) -> None:
        self.place: dict[str, Any] = {}

    def saved_option(self, name: str) -> Any:
        """Nothing was saved."""

    def check_repeatable(self, operations: list[str]) -> None:
        """Whatever it draws need not be drawn again."""

    def check_order(self, *, is_known: bool) -> None:
        """Whatever it sees need not be seen again."""

    def restore(
        self,
        variables: list[tf.Variable],
        describe: Callable[[], dict[str, Any]],
        num_columns: int,
        num_steps: int,
    ) -> Array:
        """It begins anew."""
        del variables, describe, num_steps
        return np.empty((0, num_columns))

    def is_due(self) -> bool:
        """Nothing is kept."""
        return False

    def save(self, rows: Array, place: Place) -> None:
        """Nothing is kept."""

    def advice(self) -> str:
        """Say that it begins anew."""
        return "Nothing was saved: start all of them again, with folder= to be able to go on."


class Autosave:
    """Saves the variables and the history of a run in a folder, every so many seconds.

    Parameters
    ----------
    folder
        Where.
    save_every
        Seconds between two checkpoints.
    checkpoint
        What the folder holds.
    writes
        Whether this process writes the file; of several workers, one does.
    """

    def __init__(
        self,
        folder: Folder,
        save_every: float,
        checkpoint: Checkpoint | None,
        *,
        writes: bool = True,
    ) -> None:
        self.folder, self.save_every, self.checkpoint = folder, save_every, checkpoint
        self.writes = writes
        self.variables: list[tf.Variable] = []
        self.run: dict[str, Any] = {}
        self.place: dict[str, Any] = {}
        self.saved_at, self.saved_steps = time.monotonic(), -1

    def saved_option(self, name: str) -> Any:
        """The option of this name in the checkpoint; ``None`` where there is none."""
        return None if self.checkpoint is None else self.checkpoint.run.get(name)

    def check_repeatable(self, operations: list[str]) -> None:
        """Raise if a training draws by operations that could not draw the same again.

        Raises
        ------
        ValueError
            If there are such ``operations``.
        """
        if operations:
            raise ValueError(
                f"The operation {operations[0]} draws from a state of TensorFlow that no "
                "checkpoint holds, so a training of this network cannot be resumed draw for draw. "
                "Train it without folder, or draw by tf.random.normal or tf.random.uniform, "
                "outside of loops."
            )

    def check_order(self, *, is_known: bool) -> None:
        """Raise if the data come in an order that no other process would see.

        Raises
        ------
        ValueError
            If the order is not known.
        """
        if not is_known:
            raise ValueError(
                "The dataset is shuffled without a seed, so that a resumed training could not see "
                "the same batches. Give every shuffle one: dataset.shuffle(1000, seed=1)."
            )

    def restore(
        self,
        variables: list[tf.Variable],
        describe: Callable[[], dict[str, Any]],
        num_columns: int,
        num_steps: int,
    ) -> Array:
        """Set the variables as they were saved, say so, and return the history [steps, columns].

        Parameters
        ----------
        variables
            All that training changes.
        describe
            Returns what :func:`~helpers.saving.same_run.describe_run` says of the run.
        num_columns, num_steps
            Of the whole history.

        Raises
        ------
        ValueError
            If the checkpoint is of another run, or holds more steps or other columns.
        """
        self.variables, self.run = variables, describe()
        checkpoint, self.checkpoint = self.checkpoint, None  # its arrays are needed only once
        if checkpoint is None:
            return np.empty((0, num_columns))
        check_same_run(checkpoint, self.run)
        self._check_size(checkpoint, num_columns, num_steps)
        for variable, value in zip(variables, checkpoint.variables, strict=True):
            variable.assign(value)
        self.saved_steps, self.place = checkpoint.step, checkpoint.place
        if self.writes:
            tqdm.auto.tqdm.write(f"Resumed after step {checkpoint.step}, saved in {self.folder}.")
        return checkpoint.rows

    def _check_size(self, checkpoint: Checkpoint, num_columns: int, num_steps: int) -> None:
        """Raise if the history does not fit: more steps than asked for, or other columns."""
        if checkpoint.step > num_steps:
            raise ValueError(
                f"{self.folder} holds {checkpoint.step} steps, more than the {num_steps} asked "
                "for: raise num_epochs, or pass another folder."
            )
        if checkpoint.rows.shape[1:] != (num_columns,):
            raise ValueError(
                f"{self.folder} holds a history of {checkpoint.rows.shape[1]} columns, but now "
                f"there are {num_columns} (negative log-likelihood, a term for each entry of "
                "losses, validation): build the network as it was, or pass another folder."
            )

    def is_due(self) -> bool:
        """Whether ``save_every`` seconds have gone by since the last time."""
        return time.monotonic() - self.saved_at >= self.save_every

    def save(self, rows: Array, place: Place) -> None:
        """Save now, unless nothing has changed since the last time.

        Parameters
        ----------
        rows
            History so far [steps, columns].
        place
            Returns what is saved beside it.
        """
        if len(rows) == self.saved_steps:
            return
        values = [variable.numpy() for variable in self.variables]  # workers may read them together
        if self.writes:
            save_checkpoint(self.folder, Checkpoint(len(rows), values, rows, self.run, place()))
        self.saved_at, self.saved_steps = time.monotonic(), len(rows)

    def advice(self) -> str:
        """Say from which step a training can go on that ends now."""
        if self.saved_steps < 0:
            return "Nothing was saved yet: start all of them again."
        return (
            f"Start all of them again, with resume=True: they go on from step {self.saved_steps}, "
            f"saved in {self.folder}."
        )


@contextlib.contextmanager
def saving_into(
    folder: Folder | None, save_every: float, *, resume: bool, writes: bool = True
) -> Iterator[Saving]:
    """Lock the folder, look once what it holds, and hand out what saves a training there.

    Parameters
    ----------
    folder
        Where; ``None`` to save nothing.
    save_every
        Seconds between two checkpoints.
    resume
        Whether to go on from a checkpoint that is there.
    writes
        Whether this process writes into the folder, and locks it.

    Raises
    ------
    ValueError
        If a checkpoint is there but ``resume`` is false, or it is damaged.
    OSError
        If the folder cannot be written to, or another training holds it.
    """
    if folder is None:
        yield NotSaved()
        return
    with lock_folder(folder) if writes else contextlib.nullcontext():
        checkpoint = load_checkpoint(folder)
        if checkpoint is not None and not resume:
            raise ValueError(
                f"{folder} holds a training of {checkpoint.step} steps: pass resume=True to "
                "go on with it, or another folder to start anew."
            )
        yield Autosave(folder, save_every, checkpoint, writes=writes)
