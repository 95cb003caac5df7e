"""When a training saves itself, what it restores, and what it refuses to go on from."""

import numpy as np
import pytest
import tensorflow as tf

import helpers.saving.autosave
from helpers.saving.autosave import Autosave, NotSaved, saving_into
from helpers.saving.checkpoint import (
    Checkpoint,
    load_checkpoint,
    lock_folder,
    save_checkpoint,
)

RUN = {"seed": 3, "batch_size": 7}
ROWS = np.arange(15.0).reshape(5, 3)


class Clock:
    """Stands still unless it is moved."""

    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(helpers.saving.autosave, "time", clock)
    return clock


def nowhere():
    """What a training without data of its own saves beside its history."""
    return {}


def variables_of(value):
    """Variables of several shapes and types that all hold one number."""
    return [
        tf.Variable(tf.fill([5, 3], float(value))),
        tf.Variable(value, dtype=tf.int64),
        tf.Variable(tf.fill([2], tf.constant(value, tf.float64))),
    ]


def autosave_into(folder, value=1, save_every=10.0, run=RUN):
    """What saves a run there, with variables of its own."""
    autosave = Autosave(folder, save_every, load_checkpoint(folder))
    autosave.variables, autosave.run = variables_of(value), run
    return autosave


def restore(autosave, **size):
    return autosave.restore(autosave.variables, lambda: autosave.run, **size)


def save_if_due(autosave, steps):
    """As a training does after each call."""
    if autosave.is_due():
        autosave.save(ROWS[:steps], nowhere)


def saved_steps(folder):
    checkpoint = load_checkpoint(folder)
    return None if checkpoint is None else checkpoint.step


def test_it_saves_when_the_interval_is_over_and_not_before(tmp_path, clock):
    autosave = autosave_into(tmp_path)
    for now, steps, saved in (
        (105, 1, None),
        (109.9, 2, None),
        (110, 3, 3),
        (119, 4, 3),
        (121, 5, 5),
    ):
        clock.now = now
        save_if_due(autosave, steps)
        assert saved_steps(tmp_path) == saved, now


def test_an_interval_of_zero_saves_at_every_call(tmp_path, clock):
    autosave = autosave_into(tmp_path, save_every=0.0)
    for steps in (1, 2, 4):
        save_if_due(autosave, steps)
        assert saved_steps(tmp_path) == steps


def test_the_interval_begins_anew_with_a_save_in_between(tmp_path, clock):
    autosave = autosave_into(tmp_path)
    clock.now = 108
    autosave.save(ROWS[:1], nowhere)
    clock.now = 111
    save_if_due(autosave, 2)
    assert saved_steps(tmp_path) == 1


def test_who_does_not_write_counts_what_another_saves_and_leaves_the_folder_alone(tmp_path, clock):
    autosave_into(tmp_path).save(ROWS[:2], nowhere)
    with (
        saving_into(tmp_path, 9.0, resume=True),  # holds the lock
        saving_into(tmp_path, 9.0, resume=True, writes=False) as other,
    ):
        other.save(ROWS[:4], nowhere)
    assert saved_steps(tmp_path) == 2
    assert "go on from step 4," in other.advice()


def test_nothing_new_is_not_saved_again(tmp_path, clock, monkeypatch):
    saves = []
    monkeypatch.setattr(helpers.saving.autosave, "save_checkpoint", lambda *_: saves.append(1))
    autosave = autosave_into(tmp_path)
    for _ in range(3):
        autosave.save(ROWS[:2], nowhere)
    assert len(saves) == 1
    autosave.save(ROWS[:3], nowhere)
    assert len(saves) == 2


def test_without_a_folder_nothing_is_saved_or_restored(tmp_path, clock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with saving_into(None, 0.0, resume=True) as saving:
        assert isinstance(saving, NotSaved)
        assert saving.restore([], dict, num_columns=3, num_steps=9).shape == (0, 3)
        assert saving.saved_option("seed") is None
        saving.check_repeatable(["Multinomial"])
        assert not saving.is_due()
        saving.save(ROWS, nowhere)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resume", [False, True])
def test_an_empty_folder_starts_with_no_rows_and_leaves_the_variables(tmp_path, resume, capsys):
    variables = variables_of(4)
    with saving_into(tmp_path, 9.0, resume=resume) as saving:
        rows = saving.restore(variables, lambda: RUN, num_columns=3, num_steps=9)
        assert saving.saved_option("seed") is None
    assert rows.shape == (0, 3)
    assert all(np.all(variable.numpy() == 4) for variable in variables)
    assert capsys.readouterr().out == ""


def test_variables_and_rows_come_back_as_they_were_saved(tmp_path, capsys):
    autosave_into(tmp_path, value=6).save(ROWS, nowhere)
    later = autosave_into(tmp_path, value=0)
    assert later.saved_option("seed") == 3
    rows = restore(later, num_columns=3, num_steps=5)
    np.testing.assert_array_equal(rows, ROWS)
    for variable, wanted in zip(later.variables, variables_of(6), strict=True):
        assert variable.dtype == wanted.dtype
        np.testing.assert_array_equal(variable, wanted)
    assert f"Resumed after step 5, saved in {tmp_path}." in capsys.readouterr().out


def test_what_was_restored_is_not_saved_again_until_there_is_more(tmp_path):
    autosave_into(tmp_path).save(ROWS[:4], nowhere)
    before = (tmp_path / "training.npz").stat().st_mtime_ns
    later = autosave_into(tmp_path)
    rows = restore(later, num_columns=3, num_steps=5)
    later.save(rows, nowhere)
    assert (tmp_path / "training.npz").stat().st_mtime_ns == before
    later.save(ROWS, nowhere)
    assert saved_steps(tmp_path) == 5


REFUSED = {
    "another run": ({}, {**RUN, "seed": 4}, "- seed: saved 3, asked for 4"),
    "fewer steps": ({"num_steps": 4}, RUN, "5 steps, more than the 4 asked for: raise num_epochs"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_gone_on_from_is_refused_and_everything_stays(tmp_path, case):
    options, run, advice = REFUSED[case]
    autosave_into(tmp_path, value=6).save(ROWS, nowhere)
    before = (tmp_path / "training.npz").read_bytes()
    later = autosave_into(tmp_path, value=1, run=run)
    with pytest.raises(ValueError, match=advice):
        restore(later, **{"num_columns": 3, "num_steps": 5, **options})
    assert (tmp_path / "training.npz").read_bytes() == before
    assert all(np.all(variable.numpy() == 1) for variable in later.variables)


def test_a_checkpoint_that_nobody_asked_for_is_refused_and_stays(tmp_path):
    autosave_into(tmp_path).save(ROWS, nowhere)
    before = (tmp_path / "training.npz").read_bytes()
    advice = "holds a training of 5 steps: pass resume=True"
    with pytest.raises(ValueError, match=advice), saving_into(tmp_path, 9.0, resume=False):
        pass
    assert (tmp_path / "training.npz").read_bytes() == before


def test_the_folder_is_locked_before_it_is_read_and_read_once(tmp_path, monkeypatch):
    done = []

    def locked(folder):
        done.append("locked")
        return lock_folder(folder)

    def loaded(folder):
        done.append("read")
        return load_checkpoint(folder)

    monkeypatch.setattr(helpers.saving.autosave, "lock_folder", locked)
    monkeypatch.setattr(helpers.saving.autosave, "load_checkpoint", loaded)
    with saving_into(tmp_path, 9.0, resume=True) as saving:
        saving.saved_option("seed")
        saving.restore(variables_of(1), lambda: RUN, num_columns=3, num_steps=5)
        with pytest.raises(BlockingIOError), saving_into(tmp_path, 9.0, resume=True):
            pass
    assert done == ["locked", "read", "locked"]


def test_a_damaged_checkpoint_is_refused(tmp_path):
    autosave_into(tmp_path).save(ROWS, nowhere)
    path = tmp_path / "training.npz"
    path.write_bytes(path.read_bytes()[:100])
    advice = "is damaged or no checkpoint"
    with pytest.raises(ValueError, match=advice), saving_into(tmp_path, 9.0, resume=True):
        pass


def test_variables_that_are_not_finite_are_not_saved_over_a_good_checkpoint(tmp_path):
    autosave_into(tmp_path).save(ROWS[:2], nowhere)
    spoiled = autosave_into(tmp_path)
    spoiled.variables[0].assign(tf.fill([5, 3], np.nan))
    with pytest.raises(ValueError, match="NaN or infinite values after step 3"):
        spoiled.save(ROWS[:3], nowhere)
    assert saved_steps(tmp_path) == 2


def test_a_checkpoint_of_the_same_run_with_other_columns_is_told(tmp_path):
    values = [variable.numpy() for variable in variables_of(1)]
    save_checkpoint(tmp_path, Checkpoint(5, values, ROWS[:, :2], RUN))
    with pytest.raises(ValueError, match=r"2 columns.*3"):
        restore(autosave_into(tmp_path), num_columns=3, num_steps=5)
