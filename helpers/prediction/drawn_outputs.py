"""What a network put out under many draws of its weights, and numbers computed from all of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from .output_leaves import HeadForm

Array = npt.NDArray[Any]

AT_ONCE = 2**22  # numbers of a head's output that a function is given at a time


class Some(NamedTuple):
    """Outputs of some draws for some examples.

    Rows of ``outputs`` count the examples of the first of these draws, then those of the next.
    """

    draws: range
    outputs: Any


class Chunk(NamedTuple):
    """Some examples: which, and their outputs under all draws."""

    examples: range
    of_draws: Callable[[], Iterator[Some]]


class Part(Protocol):
    """The outputs of consecutive examples under all draws."""

    @property
    def examples(self) -> range:
        """Which examples."""

    def chunks(self, head: int, at_once: int) -> Iterator[Chunk]:
        """Yield the outputs of one head, some examples at a time."""

    def few(self, head: int, most: int) -> Any:
        """Return the outputs of one head for some of the first examples under the first draw."""


class LeafPart:
    """Outputs as arrays.

    Parameters
    ----------
    examples
        Their numbers.
    heads
        How the outputs are put together.
    leaves
        Of all heads: [draws, examples, …], or [draws, …] where ``counts`` is false.
    """

    def __init__(
        self, examples: range, heads: list[HeadForm], leaves: list[Array], counts: list[bool]
    ) -> None:
        self.examples, self.heads, self.leaves, self.counts = examples, heads, leaves, counts

    def chunks(self, head: int, at_once: int = AT_ONCE) -> Iterator[Chunk]:
        """Yield the outputs of one head, some examples at a time."""
        form = self.heads[head]
        own = self.leaves[form.leaves]
        of_one = sum(leaf[0].size for leaf in own) / len(self.examples)
        size = max(1, int(at_once / max(1.0, of_one)))
        # Draws are computed together unless they differ in what the examples share.
        merges = all(
            counts or np.array_equal(leaf, np.broadcast_to(leaf[:1], leaf.shape))
            for leaf, counts in zip(own, self.counts[form.leaves], strict=True)
        )
        for start in range(0, len(self.examples), size):
            rows = slice(start, min(start + size, len(self.examples)))
            length = rows.stop - rows.start
            together = max(1, int(at_once / max(1.0, of_one * length))) if merges else 1
            of_draws = functools.partial(self._some, form, rows, together)
            yield Chunk(self.examples[rows], of_draws)

    def few(self, head: int, most: int) -> Any:
        """Return the outputs of one head for the first examples under the first draw."""
        some = next(self._some(self.heads[head], slice(0, min(most, len(self.examples))), 1))
        return some.outputs

    def _some(self, form: HeadForm, rows: slice, together: int) -> Iterator[Some]:
        """Yield so many draws at a time, put together from their leaves."""
        num_draws = len(self.leaves[0])
        for start in range(0, num_draws, together):
            draws = range(start, min(start + together, num_draws))
            own = zip(self.leaves[form.leaves], self.counts[form.leaves], strict=True)
            leaves = [_of_draws(leaf, counts, draws, rows) for leaf, counts in own]
            yield Some(draws, form.rebuild(leaves))


class ObjectPart:
    """Outputs as the network gave them, draw by draw: distributions that do not come apart.

    Parameters
    ----------
    examples
        Their numbers.
    outputs
        For each draw, the outputs of all heads.
    """

    def __init__(self, examples: range, outputs: list[list[Any]]) -> None:
        self.examples, self.outputs = examples, outputs

    def chunks(self, head: int, at_once: int = AT_ONCE) -> Iterator[Chunk]:  # noqa: ARG002
        """Yield the outputs of one head for all examples at once."""

        def of_draws() -> Iterator[Some]:
            """Yield the outputs of this head, one draw after another."""
            for number, heads in enumerate(self.outputs):
                yield Some(range(number, number + 1), heads[head])

        yield Chunk(self.examples, of_draws)

    def few(self, head: int, most: int) -> Any:  # noqa: ARG002 (these do not come apart)
        """Return the outputs of one head for all examples under the first draw."""
        return self.outputs[0][head]


class DrawnOutputs:
    """The outputs of all examples under all draws.

    Parameters
    ----------
    parts
        Of consecutive examples.
    num_draws
        Their number S. Without noise in the network the parts hold one draw, which stands for all.
    """

    def __init__(self, parts: Sequence[Part], num_draws: int) -> None:
        self.parts, self.num_draws = parts, num_draws

    @property
    def num_examples(self) -> int:
        """How many examples there are."""
        return sum(len(part.examples) for part in self.parts)

    def chunks(self, head: int, at_once: int = AT_ONCE) -> Iterator[Chunk]:
        """Yield the outputs of one head, some examples at a time."""
        for part in self.parts:
            yield from part.chunks(head, at_once)

    def few(self, head: int, most: int) -> Any:
        """Return the outputs of one head for some of the first examples under the first draw."""
        return self.parts[0].few(head, most)

    def evaluate(self, head: int, function: Callable[[Some, range], Any]) -> Array:
        """Return what a function gives for all draws and examples, float64 [draws, examples, …].

        Parameters
        ----------
        head
            The number of the output.
        function
            (some outputs, which examples) ↦ a row for each of their rows.

        Raises
        ------
        ValueError
            If it gives another number of rows.
        """
        columns = []
        for chunk in self.chunks(head):
            rows = []
            for some in chunk.of_draws():
                made = np.asarray(function(some, chunk.examples), np.float64)
                number = len(some.draws) * len(chunk.examples)
                check_rows(made.shape, number)
                rows.append(made.reshape(len(some.draws), len(chunk.examples), *made.shape[1:]))
            columns.append(_joined(rows, axis=0))
        drawn = _joined(columns, axis=1)
        return drawn if len(drawn) == self.num_draws else np.repeat(drawn, self.num_draws, axis=0)


def check_rows(shape: tuple[int, ...], number: int) -> None:
    """Raise unless the first axis counts so many rows of outputs.

    Raises
    ------
    ValueError
        If it is another number.
    """
    if not shape or shape[0] != number:
        raise ValueError(
            f"The likelihood gives shape {shape} for {number} rows of outputs: its first axis must "
            "count the examples, however many they are."
        )


def _of_draws(leaf: Array, counts: bool, draws: range, rows: slice) -> Array:
    """Return a leaf for some draws and rows, one draw under the other."""
    if not counts:
        return leaf[draws.start]
    some = leaf[draws.start : draws.stop, rows]
    return some.reshape(-1, *some.shape[2:])


def _joined(parts: list[Array], axis: int) -> Array:
    """Return parts side by side, a single one without a copy."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)
