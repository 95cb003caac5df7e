"""Work is not lost: a training killed at any moment goes on to the same history, byte for byte.

The environment variable KILLS says how often (50 in the nightly run).
"""

import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import tf_keras
import yaml
from test_checkpoint import files_may_not_grow_beyond
from train_into_folder import IMAGES, LABELS, train_and_keep

import helpers.saving.autosave
from helpers.networks.dense import bayesian_network
from helpers.saving.checkpoint import load_checkpoint, lock_folder
from helpers.training import train_by_elbo

ROOT = pathlib.Path(__file__).resolve().parents[1]
KILLS = int(os.environ.get("KILLS", "3"))
EPOCHS = max(150, 15 * KILLS)  # enough for each to find it at work
STEPS = EPOCHS * 9  # 60 examples in batches of 7
VARIABLES = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
LONGEST_WAIT = 600  # seconds: more than a busy machine needs to start TensorFlow
# One worker for the file: its fixture is trained once.
pytestmark = pytest.mark.xdist_group("resume")


class Training:
    """A process that trains; what it prints is read as it comes."""

    def __init__(self, folder, result, num_epochs=EPOCHS, save_every=0.0, progress=False):
        program = [sys.executable, str(ROOT / "tests" / "train_into_folder.py")]
        self.process = subprocess.Popen(
            [*program, str(folder), str(result), str(num_epochs), str(save_every)],
            env={**os.environ, **VARIABLES, **({} if progress else {"TQDM_DISABLE": "1"})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines, self.errors = [], []
        self.readers = [
            threading.Thread(target=self.read, args=(self.process.stdout, self.lines)),
            threading.Thread(target=self.read, args=(self.process.stderr, self.errors)),
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, lines):
        lines.extend(iter(stream.readline, ""))

    def steps(self, event):
        """The numbers that came with an event so far."""
        words = [line.split() for line in list(self.lines)]
        return [int(number) for name, number in (w for w in words if len(w) == 2) if name == event]

    def wait_until(self, condition):
        """Wait until `condition()` holds or the process has ended."""
        limit = time.monotonic() + LONGEST_WAIT
        while not condition() and self.process.poll() is None:
            if time.monotonic() > limit:
                pytest.fail(f"It hangs:\n{self.finish(signal.SIGKILL)}")
            time.sleep(0.001)

    def finish(self, number=None):
        """Send a signal if one is given, wait for the end, and return all that was printed."""
        if number is not None:
            self.process.send_signal(number)
        try:
            self.process.wait(LONGEST_WAIT)
        finally:
            self.process.kill()
        for reader in self.readers:
            reader.join()
        return "".join(self.lines + self.errors)


def result_of(path):
    """The saved history and variables, as bytes by name."""
    with np.load(path) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The result of a training that was left alone and saved nothing, here in this process."""
    result = tmp_path_factory.mktemp("uninterrupted") / "result.npz"
    train_and_keep("-", result, EPOCHS, 0.0, progress=False)
    return result


def says_where_it_resumed(printed, step):
    """Whether it says from which step it goes on; nothing if it starts anew."""
    found = re.findall(r"(?i)resum\w*\D*(\d+)", printed)
    return found[:1] == [str(step)] if step else not found


def kill_somewhere(training, rng, target):
    """Kill it while it starts (one time in five), or once it has saved `target`, plus a moment."""
    training.wait_until(lambda: training.steps("starts"))
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 1))  # less than it takes to trace the step
    else:
        training.wait_until(lambda: max(training.steps("saved"), default=0) >= target)
        time.sleep(rng.uniform(0, 0.02))
    return training.finish(signal.SIGKILL)


def test_killed_at_any_moment_it_goes_on_to_the_same_history(tmp_path, uninterrupted):
    rng = random.Random(KILLS)
    folder, result = tmp_path / "folder", tmp_path / "result.npz"
    before, killed = 0, 0
    for target in sorted(rng.randrange(STEPS * 9 // 10) for _ in range(KILLS)):
        training = Training(folder, result)
        printed = kill_somewhere(training, rng, target)
        killed += training.process.returncode == -signal.SIGKILL
        found = load_checkpoint(folder)  # readable, whatever it was doing
        step = 0 if found is None else found.step
        assert len(found.rows if found else []) == step
        begun = [before, *training.steps("saving")][-1]
        done = [before, *training.steps("saved")][-1]
        assert done <= step <= begun, printed  # nothing that was saved is lost
        most = max(np.diff([before, *training.steps("saving")]), default=0)
        assert most <= 9, "more than one call of at most an epoch went unsaved"
        assert not training.steps("saving") or says_where_it_resumed(printed, before), printed
        before = step
    assert killed == KILLS, "a training ended before it was killed: make it longer"
    training = Training(folder, result)
    printed = training.finish()
    assert training.process.returncode == 0, printed
    assert says_where_it_resumed(printed, before), printed
    assert result_of(result) == result_of(uninterrupted)
    assert sorted(path.name for path in folder.iterdir()) == ["training.lock", "training.npz"]


def test_stopped_by_ctrl_c_it_saves_and_returns_the_history_so_far(tmp_path, uninterrupted):
    folder, result = tmp_path / "folder", tmp_path / "result.npz"
    training = Training(folder, result, num_epochs=100_000, save_every=3600, progress=True)
    training.wait_until(lambda: "nll=" in "".join(training.errors))
    start = time.monotonic()
    printed = training.finish(signal.SIGINT)
    assert time.monotonic() - start < 60, "all epochs would take half an hour"
    assert training.process.returncode == 0, printed
    (steps,) = training.steps("ends")
    assert f"Stopped after {steps} steps" in printed
    assert training.steps("saved")[-1] == load_checkpoint(folder).step == steps > 0
    with np.load(result) as stopped, np.load(uninterrupted) as whole:
        both = min(steps, STEPS)
        assert stopped["history"][:both].tobytes() == whole["history"][:both].tobytes()


# In this process: what else can go wrong.


def train(folder=None, neural_net=None, num_epochs=4, **options):
    neural_net = bayesian_network([4, 3], seed=2) if neural_net is None else neural_net
    settings = {"batch_size": 7, "seed": 4, "save_every": 0.0, "progress": False}
    settings |= {"folder": folder, "resume": folder is not None, **options}
    return train_by_elbo(neural_net, IMAGES, LABELS, num_epochs=num_epochs, **settings)


@pytest.fixture(scope="module")
def whole():
    """Network and history of an uninterrupted training that saves nothing."""
    neural_net = bayesian_network([4, 3], seed=2)
    return neural_net, train(neural_net=neural_net)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with the checkpoint of one epoch."""
    folder = tmp_path_factory.mktemp("saved")
    train(folder, num_epochs=1)
    return folder


def assert_same_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_saving_changes_no_number(tmp_path, whole):
    neural_net = bayesian_network([4, 3], seed=2)
    pd.testing.assert_frame_equal(train(tmp_path, neural_net), whole[1], check_exact=True)
    assert_same_weights(neural_net, whole[0])


def test_more_epochs_continue_the_same_history_with_other_starting_values(tmp_path, whole, capsys):
    train(tmp_path, num_epochs=1)
    assert "esum" not in "".join(capsys.readouterr())
    neural_net = bayesian_network([4, 3], seed=9)  # what was learnt takes the place of its start
    history = train(tmp_path, neural_net)
    assert says_where_it_resumed("".join(capsys.readouterr()), 9)
    pd.testing.assert_frame_equal(history, whole[1], check_exact=True)
    assert_same_weights(neural_net, whole[0])


def test_a_training_that_is_done_is_returned_whole_and_takes_no_step(tmp_path, whole):
    train(tmp_path)
    before = (tmp_path / "training.npz").read_bytes()
    optimizer = tf_keras.optimizers.Adam(0.01)
    history = train(tmp_path, optimizer=optimizer)
    pd.testing.assert_frame_equal(history, whole[1], check_exact=True)
    assert int(optimizer.iterations) == 36
    assert load_checkpoint(tmp_path).step == 36
    assert (tmp_path / "training.npz").read_bytes() == before


def test_the_disk_fills_up_while_it_trains(tmp_path, whole):
    train(tmp_path, num_epochs=1)
    size = (tmp_path / "training.npz").stat().st_size
    with (
        files_may_not_grow_beyond(size + 500),  # room for a few more rows
        pytest.raises(OSError, match=r"could not be saved in.*saved before is intact"),
    ):
        train(tmp_path)
    assert 9 <= load_checkpoint(tmp_path).step < 36
    pd.testing.assert_frame_equal(train(tmp_path), whole[1], check_exact=True)


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("kept")
    neural_net = bayesian_network([4, 3], seed=2)
    neural_net(IMAGES[:1])
    before = neural_net.get_weights()
    with pytest.raises(OSError, match="is a file: pass a folder"):
        train(tmp_path / "file", neural_net)
    assert all((a == b).all() for a, b in zip(before, neural_net.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda: {"neural_net": bayesian_network([5, 3])}, r"- variable 0: saved kernel_posterior"),
        (lambda: {"seed": 5}, "- seed: saved 4, asked for 5"),
        (lambda: {"learning_rate": 0.5}, "- optimizer, learning_rate: saved"),
        (lambda: {"batch_size": 9}, "- batch_size: saved 7, asked for 9"),
        (lambda: {"num_draws": 2}, "- num_draws: saved 1, asked for 2"),
        (lambda: {"kl_weight": 1.0}, "- kl_weight: saved 0.0166"),
    ],
    ids=["network", "seed", "learning rate", "batch size", "draws", "KL weight"],
)
def test_another_run_is_refused_and_the_checkpoint_stays(saved, change, line):
    before = (saved / "training.npz").read_bytes()
    with pytest.raises(ValueError, match=line):
        train(saved, **change())
    assert (saved / "training.npz").read_bytes() == before


def test_a_folder_in_which_another_training_runs_is_refused(tmp_path):
    with lock_folder(tmp_path), pytest.raises(BlockingIOError, match="Another training"):
        train(tmp_path)


def test_between_two_saves_lies_no_more_than_the_interval(tmp_path, monkeypatch):
    class Clock:
        """Each look at it takes a second."""

        now = 0.0

        def monotonic(self):
            self.now += 1
            return self.now

    clock, saves = Clock(), []
    monkeypatch.setattr(helpers.saving.autosave, "time", clock)
    save = lambda *_: saves.append(clock.now)  # noqa: E731
    monkeypatch.setattr(helpers.saving.autosave, "save_checkpoint", save)
    train(tmp_path, num_epochs=12, save_every=5.0)  # at least 24 calls, each looking once
    pauses = np.diff([0.0, *saves])
    assert len(pauses) >= 4
    assert pauses.max() <= 5 + 2
    assert pauses[:-1].min() >= 5


def test_compiled_by_xla_and_with_two_draws_it_resumes_to_the_same_history_too(tmp_path):
    options = {"jit_compile": True, "num_draws": 2}
    neural_nets = [bayesian_network([4, 3], seed=seed) for seed in (2, 9)]
    alone = train(None, neural_nets[0], num_epochs=2, **options)
    train(tmp_path, num_epochs=1, **options)
    resumed = train(tmp_path, neural_nets[1], num_epochs=2, **options)
    pd.testing.assert_frame_equal(resumed, alone, check_exact=True)
    assert_same_weights(*neural_nets)


def test_a_folder_with_a_checkpoint_is_not_overwritten_by_a_training_that_starts_anew(saved):
    before = (saved / "training.npz").read_bytes()
    with pytest.raises(ValueError, match=r"holds a training of 9 steps: pass resume=True"):
        train(saved, resume=False)
    assert (saved / "training.npz").read_bytes() == before


def test_fewer_epochs_than_are_saved_are_refused(saved):
    with pytest.raises(ValueError, match=r"9 steps, more than the 0 asked for: raise num_epochs"):
        train(saved, num_epochs=0)


def test_fifty_kills_every_night():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())
    (schedule,) = workflow[True]["schedule"]  # YAML 1.1 reads the key `on` as true
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])
    last = workflow["jobs"]["kills"]["steps"][-1]
    assert last["env"] == {"KILLS": "50"}
    assert last["run"].endswith("-m pytest tests/test_resume.py")
    assert workflow["permissions"] == {"contents": "read"}


def test_more_epochs_do_not_change_the_compiler_of_a_saved_training(tmp_path, monkeypatch):
    def train(num_epochs, **options):
        neural_net = bayesian_network([3], seed=1)
        steps = {"num_epochs": num_epochs, "batch_size": 20, "progress": False, **options}
        return train_by_elbo(neural_net, IMAGES, LABELS, **steps), neural_net.count_params()

    _, num_weights = train(1, folder=tmp_path)
    monkeypatch.setattr("helpers.training.stepper.UPDATES_THAT_PAY", num_weights * 6)
    resumed, _ = train(3, folder=tmp_path, resume=True)
    whole, _ = train(3, jit_compile=False)
    pd.testing.assert_frame_equal(resumed, whole)
