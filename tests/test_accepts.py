"""The table "accepts / refuses" of the API page: a sample of its cells is run.

The whole runs at night (python tests/accepts_table.py); ACCEPTS=all runs it here.
"""

import json
import os

import numpy as np
import pytest
from accepts_cells import INPUTS, LIKELIHOODS, TOOLS, Cell, FaultError, outcome, same
from accepts_table import (
    PAGE,
    RESULTS,
    Notes,
    all_cells,
    cell_text,
    read_outcomes,
    section,
    with_section,
)
from readers_networks import READERS

from helpers.training.history import history_table

SAMPLE, SEED = 16, 0


def test_the_matrix_is_as_large_as_it_is_said_to_be():
    assert len(READERS) >= 12
    assert len(LIKELIHOODS) >= 6
    assert len(INPUTS) >= 6
    assert len(TOOLS) == 4


def sample():
    """Some cells of each tool: those that the page shows, and others."""
    if os.environ.get("ACCEPTS") == "all":
        return all_cells()
    rng = np.random.default_rng(SEED)
    shown = all_cells(slices=True)
    return [shown[i] for i in rng.choice(len(shown), SAMPLE, replace=False)]


@pytest.mark.parametrize("cell", sample(), ids=" | ".join)
def test_a_cell_is_right_or_refused_as_the_page_says(cell):
    kept = read_outcomes() if RESULTS.exists() else {}
    found = outcome(cell)  # raises for a third kind
    assert found == kept.get(cell, found)


def test_the_page_shows_the_result_file():
    assert RESULTS.exists(), "make it: python tests/accepts_table.py --slices --workers 2"
    kept = json.loads(RESULTS.read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    assert page == with_section(page, section(kept, read_outcomes()))
    assert set(all_cells(slices=True)) <= set(read_outcomes()), "every cell of the page was run"


def test_a_wrong_number_is_a_fault(monkeypatch):
    def doubled(rows, *rest):
        rows = rows.copy()
        rows[:, 1] *= 2  # the first KL
        return history_table(rows, *rest)

    monkeypatch.setattr("helpers.training.stepper.history_table", doubled, raising=False)
    monkeypatch.setattr("helpers.training.session.history_table", doubled, raising=False)
    with pytest.raises(FaultError, match="kl"):
        outcome(Cell("train_by_elbo", "ends in softmax", "compiled", "array"))


def test_an_exception_of_a_library_is_a_fault(monkeypatch):
    def breaks(*_, **__):
        np.zeros(2).reshape(3)

    monkeypatch.setattr("accepts_cells.predict_by_draws", breaks)
    with pytest.raises(FaultError, match="cannot reshape"):
        outcome(Cell("predict_by_draws", "ends in softmax", "compiled", "array"))


def test_numbers_that_differ_are_told():
    same("nats", 1.0, 1.0 + 1e-5)
    with pytest.raises(FaultError, match=r"nats: 1\.0 in place of 1\.1"):
        same("nats", 1.0, 1.1)


def test_a_cell_says_who_refuses():
    notes = Notes()
    assert cell_text({"a": "right", "b": "right"}, notes) == "✓"
    assert cell_text({"a": "refused: no", "b": "refused: no"}, notes) == "refused (1)"
    mixed = {"a": "right", "b": "refused: other"}
    assert cell_text(mixed, notes) == "✓, but `b` refused (2)"
    assert notes.lines() == ["1. no", "2. other"]
