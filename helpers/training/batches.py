"""The order of the batches: a pure function of the seed, so that a run can be taken up anywhere."""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class BatchOrder(NamedTuple):
    """Which examples each step sees.

    Each epoch passes over all N examples once, in an order drawn from (seed, epoch); its last batch
    is smaller where B does not divide N.
    """

    num_examples: int
    batch_size: int
    num_epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the smaller one included."""
        return -(-self.num_examples // self.batch_size)

    @property
    def num_steps(self) -> int:
        """Batches of the whole training."""
        return self.num_epochs * self.steps_per_epoch

    @property
    def batch_sizes(self) -> set[int]:
        """Sizes that occur: B, and what is left over."""
        rest = self.num_examples % self.batch_size
        return {self.batch_size, rest} - {0}

    def rows(self, step: int, most: int) -> npt.NDArray[np.int32]:
        """Return the examples [steps, batch] of up to ``most`` steps from ``step`` on.

        They end with the epoch, and before a batch of another size.
        """
        epoch, index = divmod(step, self.steps_per_epoch)
        order = _epoch_order(self.num_examples, self.seed, epoch)
        num_full = self.num_examples // self.batch_size
        if index == num_full:
            return order[None, index * self.batch_size :]
        full = order[: num_full * self.batch_size].reshape(num_full, self.batch_size)
        return full[index : index + most]


class StreamOrder(NamedTuple):
    """The batches of a source that brings its own, as they were counted in a first pass."""

    num_examples: int
    sizes: tuple[int, ...]
    num_epochs: int
    seed: int

    @property
    def batch_size(self) -> int:
        """Rows of the largest batch."""
        return max(self.sizes)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return len(self.sizes)

    @property
    def num_steps(self) -> int:
        """Batches of the whole training."""
        return self.num_epochs * self.steps_per_epoch

    @property
    def batch_sizes(self) -> set[int]:
        """Sizes that occur."""
        return set(self.sizes)


@functools.lru_cache(maxsize=2)
def _epoch_order(num_examples: int, seed: int, epoch: int) -> npt.NDArray[np.int32]:
    """Return all examples [examples] in the order of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(num_examples).astype(np.int32)
