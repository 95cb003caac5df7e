"""The places that draws of the weights have in one evaluation: calls, or rows of a call.

What stands in each place can be chosen among the draws that were seen there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .draws_in_rows import DrawsInRows
from .outputs_again import NotedCalls


class DrawSlots(Protocol):
    """Several draws of the weights for each example."""

    @property
    def count(self) -> int:
        """How many draws there are."""

    def filled(
        self, contents: Sequence[int], *, running: bool
    ) -> contextlib.AbstractContextManager[None]:
        """Let draw number s be the one that had the number contents[s].

        Parameters
        ----------
        contents
            A number below ``count`` for each draw.
        running
            Whether to run the layers as well, for what they add to ``losses``.
        """


@dataclass
class CallSlots:
    """Calls of one network on the same inputs.

    Attributes
    ----------
    noted
        All its calls.
    places
        Which of them are those on the same inputs.
    """

    noted: NotedCalls
    places: list[int]

    @property
    def count(self) -> int:
        """How many calls on the same inputs there are."""
        return len(self.places)

    def filled(
        self, contents: Sequence[int], *, running: bool
    ) -> contextlib.AbstractContextManager[None]:
        """Let these calls return what others of them returned."""
        calls = list(self.noted.calls)
        for place, number in zip(self.places, contents, strict=True):
            calls[place] = calls[place][0], self.noted.calls[self.places[number]][1]
        return NotedCalls(self.noted.network, calls).given_again(running=running)


@dataclass
class RowSlots:
    """Rows of one call of a network, several for each example.

    Attributes
    ----------
    noted
        The call.
    in_rows
        How its rows belong to those of the batch.
    """

    noted: NotedCalls
    in_rows: DrawsInRows

    @property
    def count(self) -> int:
        """How many rows an example has."""
        return self.in_rows.draws

    def filled(
        self, contents: Sequence[int], *, running: bool
    ) -> contextlib.AbstractContextManager[None]:
        """Let the call return some rows in place of others of the same example."""
        ((arguments, outputs),) = self.noted.calls
        one = NotedCalls(self.noted.network, [(arguments, self.in_rows.filled(outputs, contents))])
        return one.given_again(running=running)
