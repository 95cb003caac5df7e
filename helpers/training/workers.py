"""What the worker processes of a training tell each other, so that all do the same."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[np.float64]

# What a collective operation raises where a worker does not answer.
LOST = (
    *(tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError),
    *(tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError),
)
UNTESTED = (
    *(tf.distribute.experimental.ParameterServerStrategy, tf.distribute.TPUStrategy),
    *(tf.distribute.experimental.TPUStrategy, tf.distribute.experimental.CentralStorageStrategy),
)
SAME = 1e-4  # relative; of sums on processors of two kinds


class Workers:
    """The processes that train one network together; alone, without such a strategy.

    Each of them runs the same program on all the data and cuts its own part of every batch. Where
    they depend on a clock, a file or a key that was pressed, they agree by a collective operation.
    So all of them must call the methods in the same order.

    Parameters
    ----------
    strategy
        Of the network.

    Attributes
    ----------
    number, index
        How many there are, and which one this is, from 0. The first is the chief.

    Raises
    ------
    TypeError
        If the strategy is one that no test has seen.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        if isinstance(strategy, UNTESTED):
            raise TypeError(
                f"The network was built under {type(strategy).__name__}, which is not supported: "
                "build it in the scope of a MirroredStrategy or MultiWorkerMirroredStrategy."
            )
        self._strategy = strategy
        self.number, self.index = 1, 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            num_devices = len(strategy.extended.worker_devices)  # of this worker
            self.number = strategy.num_replicas_in_sync // num_devices
            self.index = _index(strategy.cluster_resolver)
        table = tf.TensorSpec([None, None], tf.float64)
        self._sum = tf.function(self._sum_over_workers, input_signature=[table], autograph=False)

    @property
    def is_chief(self) -> bool:
        """Whether this one writes files and shows the bar."""
        return self.index == 0

    def table(self, row: Sequence[float] | Array) -> Array:
        """Return what each worker has put in [workers, columns], float64."""
        mine = np.zeros((self.number, len(row)))
        mine[self.index] = row
        return mine if self.number == 1 else self._sum(tf.constant(mine)).numpy()

    def of_chief(self, number: int) -> int:
        """Return the number that the chief has."""
        return number if self.number == 1 else int(self.table([number])[0, 0])

    def any(self, holds: bool) -> bool:
        """Return whether it holds on one of them."""
        return holds if self.number == 1 else bool(self.table([holds]).any())

    def _sum_over_workers(self, mine: tf.Tensor) -> tf.Tensor:
        num_devices = len(self._strategy.extended.worker_devices)  # of this worker

        def on_replica(mine: tf.Tensor) -> tf.Tensor:  # all devices add up: one speaks for it
            """Return the worker's array on its first device, zeros on its others."""
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            return tf.where(tf.equal(number % num_devices, 0), mine, tf.zeros_like(mine))

        of_replicas = self._strategy.run(on_replica, (mine,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, of_replicas, axis=None)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Raise on all workers, after the block, if it raises on one; so that none waits for it.

        Raises
        ------
        RuntimeError
            On the others.
        """
        if self.number == 1:
            yield
            return
        try:
            yield
        except LOST:
            raise
        except Exception:
            self.table([True])
            raise
        failed = np.flatnonzero(self.table([False]))
        if len(failed):
            raise RuntimeError(
                f"Worker {failed[0]} of {self.number} could not go on, so all of them stop: its "
                "own output says why. Mend it and start all of them again."
            )

    @contextlib.contextmanager
    def watched(self, advice: Callable[[], str]) -> Iterator[None]:
        """Say in one sentence that a worker was lost, and what to do.

        Raises
        ------
        ConnectionError
            If one does not answer any more.
        """
        try:
            yield
        except LOST as error:
            if self.number == 1:
                raise
            raise ConnectionError(
                f"One of the {self.number} workers was lost: it was ended, or its machine cannot "
                f"be reached. {advice()}"
            ) from error

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Raise if a fact is another one on another worker.

        Parameters
        ----------
        facts
            Name ↦ what JSON knows; the same names on each worker.

        Raises
        ------
        ValueError
            On all workers.
        """
        if self.number == 1:
            return
        row = [zlib.crc32(json.dumps(fact, sort_keys=True).encode()) for fact in facts.values()]
        differs = np.ptp(self.table(row), axis=0) > 0
        if differs.any():
            names = [name for name, differs in zip(facts, differs, strict=True) if differs]
            raise ValueError(
                f"The workers do not train the same: {', '.join(names)} differ between them "
                f"(here: {_short(facts[names[0]])}). Run the same program with the same data, "
                "options and folder on each; the folder must lie on a disk that all of them share."
            )

    def check_same_values(self, variables: Sequence[tf.Variable]) -> None:
        """Raise if a variable has other values on another worker.

        Raises
        ------
        ValueError
            On all workers.
        """
        if self.number == 1:
            return
        sizes = np.array([_sizes(variable.numpy()) for variable in variables])  # [variables, 2]
        table = self.table(sizes.ravel()).reshape(self.number, *sizes.shape)
        within = SAME * table[0, :, :1]
        differs = ~np.isclose(table, table[0], rtol=0, atol=within, equal_nan=True).all(axis=(0, 2))
        if differs.any():
            name = variables[int(np.flatnonzero(differs)[0])].name
            raise ValueError(
                f"{name} has other values on another worker, which a weight that is set, or a "
                "callback that acts, on one worker alone can do. Do it on each of them."
            )


def _index(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> int:
    """Return the number of this worker: a chief, if ``TF_CONFIG`` names one, comes first."""
    if resolver.task_type == "chief":
        return 0
    chiefs = resolver.cluster_spec().as_dict().get("chief", [])
    return int(resolver.task_id) + len(chiefs)


def _sizes(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return a weighted sum of absolute values, and one of the values, in their order."""
    flat = values.astype(np.float64).ravel()
    weights = 1 + np.arange(flat.size) / max(1, flat.size)
    return float(np.abs(flat) @ weights), float(flat @ weights)


def _short(fact: Any) -> str:
    return text if len(text := json.dumps(fact)) < 100 else text[:100] + " …"
