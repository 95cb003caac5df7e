"""Check cells: whether a reader's answer to an exercise is right, and if not, a hint.

Introduced in chapters/01-kl-formula.md, "Exercise: a narrower prior".
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Verdict(NamedTuple):
    """Whether an answer is right, and a sentence for the reader (shown in a notebook)."""

    correct: bool
    text: str

    def _repr_markdown_(self) -> str:
        return f"{'✓' if self.correct else '✏️'} {self.text}"

    def __repr__(self) -> str:
        return self.text


def check_answer(
    answer: float | None,
    expected: float,
    *,
    unit: str = "nats",
    tolerance: float = 1e-3,
    mistakes: Mapping[str, float] | None = None,
) -> Verdict:
    """Compare a reader's number with the expected one.

    Parameters
    ----------
    answer
        The reader's number, or ``None`` while there is none.
    expected
        The right number.
    unit
        Unit for the sentence.
    tolerance
        Relative tolerance.
    mistakes
        Hint ↦ the number that this typical mistake gives.

    Returns
    -------
    Verdict
        ``correct`` and a sentence: right, which mistake it looks like, or how far off it is.
    """
    if answer is None:
        return Verdict(False, "No answer yet: replace `None` by yours and run the cell again.")
    value = float(answer)
    if np.isclose(value, expected, rtol=tolerance, atol=1e-9):
        return Verdict(True, f"Right: {_shown(value)} {unit}.")
    for hint, wrong in (mistakes or {}).items():
        if np.isclose(value, wrong, rtol=tolerance, atol=1e-9):
            return Verdict(False, f"Not yet: {_shown(value)} {unit}. {hint}")
    if np.isnan(value):
        return Verdict(
            False, "Not yet: this is not a number (NaN). Look for 0/0 or log of 0 or less."
        )
    direction = "too high" if value > expected else "too low"
    return Verdict(False, f"Not yet: {_shown(value)} {unit} is {direction}.")


def _shown(value: float) -> str:
    """Return a number as a reader writes it: whole and large ones without an exponent."""
    whole = np.isfinite(value) and (value == round(value) or abs(value) >= 10_000)
    return f"{value:,.0f}" if whole else f"{value:,.4g}"
