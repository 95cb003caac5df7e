"""Two worker processes give the result of one; one that dies leaves what all go on from."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from train_on_workers import DIES_IN_EPOCH, HELD_OUT, SAVED_STEPS, of_stream, saved, trained

from helpers.saving.checkpoint import load_checkpoint
from helpers.training import train_by_elbo
from helpers.training.workers import Workers

PROGRAM = Path(__file__).with_name("train_on_workers.py")
SECONDS = 400  # then the workers are killed
ALONE = tf.distribute.get_strategy()
# One process for the file: its fixtures are made once.
pytestmark = pytest.mark.xdist_group("workers")


def free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for it in sockets:
            it.bind(("127.0.0.1", 0))
        return [it.getsockname()[1] for it in sockets]


def run_workers(part, folder):
    """Start two workers; return exit code and printed values of each. None outlives the call."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    with contextlib.ExitStack() as stack:
        workers, outputs = [], []
        for index in (0, 1):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            variables = {
                "TF_CONFIG": json.dumps(task),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "CUDA_VISIBLE_DEVICES": "-1",
            }
            outputs.append(stack.enter_context((folder / f"{part} {index}").open("w+")))
            worker = subprocess.Popen(  # TensorFlow hears SIGTERM and goes on, so SIGKILL ends it
                [sys.executable, PROGRAM, part, folder],
                env={**os.environ, **variables},
                stdout=outputs[-1],
                stderr=(folder / f"{part} {index}.log").open("w"),
            )
            stack.callback(worker.wait)
            stack.callback(worker.kill)
            workers.append(worker)
        for worker in workers:
            worker.wait(timeout=SECONDS)
        for output in outputs:
            output.seek(0)
        printed = [  # the bar writes there, too
            [json.loads(line) for line in output if line.startswith(("{", '"'))]
            for output in outputs
        ]
    return [worker.returncode for worker in workers], printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def first(folder):
    return run_workers("first", folder)


@pytest.fixture(scope="module")
def results(first):
    """Those of the chief and of the other."""
    return [printed[0] for printed in first[1]]


@pytest.fixture(scope="module")
def saved_by_first(folder, first):
    """What worker 1 left when it died."""
    return load_checkpoint(folder / "worker dies")


@pytest.fixture(scope="module")
def second(folder, saved_by_first):
    return run_workers("second", folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return saved(ALONE, tmp_path_factory.mktemp("alone"))


def assert_same(found, wanted, rtol=2e-5):
    np.testing.assert_allclose(found["history"], wanted["history"], rtol=rtol)
    np.testing.assert_allclose(found["weights"], wanted["weights"], rtol=10 * rtol, atol=rtol / 10)


def test_history_weights_and_validation_are_those_of_one_process(results):
    wanted = trained(ALONE, validation_data=HELD_OUT)
    for found in results:
        assert_same(found["SGD"], wanted)


def test_a_weighted_dataset_and_adam_give_the_result_of_one_process_too(results):
    found, wanted = results[1]["Adam"], of_stream(ALONE)
    np.testing.assert_allclose(found["history"], wanted["history"], rtol=1e-3)
    np.testing.assert_allclose(found["weights"], wanted["weights"], rtol=1e-3, atol=1e-3)


def test_another_result_would_be_seen(results):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same(results[0]["SGD"], trained(ALONE, validation_data=HELD_OUT, seed=5))


def test_an_interrupt_of_one_stops_all_after_the_same_step(results):
    chief, other = (result["interrupted"] for result in results)
    assert len(chief["history"]) == 3
    assert chief == other
    np.testing.assert_allclose(chief["history"], np.array(trained(ALONE)["history"])[:3], rtol=2e-5)


REFUSED_BY_ALL = {
    "other data": "ValueError: The workers do not train the same: inputs differ",
    "small": "ValueError: A batch of 1 cannot be split over 2 replicas",
    "other weights": "ValueError: .* has other values on another worker",
    "not shared": "ValueError: .*step to go on from.*folder must lie on a disk that all",
}


@pytest.mark.parametrize("case", REFUSED_BY_ALL)
def test_what_is_not_the_same_for_all_is_refused_by_all_before_the_first_step(results, case):
    for result in results:
        assert re.match(REFUSED_BY_ALL[case], result[case]["message"], re.DOTALL)
    assert results[1][case]["same"]  # the chief's may be those of the checkpoint


def test_an_error_of_one_is_told_by_the_others(results):
    assert results[1]["one fails"]["message"].startswith("ValueError: ")
    wanted = "RuntimeError: Worker 1 of 2 could not go on, so all of them stop"
    assert results[0]["one fails"]["message"].startswith(wanted)
    assert all(result["one fails"]["same"] for result in results)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("run", "doomed", "place"), [("first", 1, "worker"), ("second", 0, "chief")]
)
def test_who_is_left_ends_with_one_sentence_that_says_how_to_go_on(request, run, doomed, place):
    codes, printed = request.getfixturevalue(run)
    assert codes[doomed] == -signal.SIGKILL
    assert codes[1 - doomed] == 0
    assert len(printed[doomed]) == 1
    message = printed[1 - doomed][1]
    assert message.startswith("ConnectionError: One of the 2 workers was lost")
    assert f"resume=True: they go on from step {SAVED_STEPS}" in message
    assert f"{place} dies" in message


def test_the_checkpoint_is_of_the_step_that_the_sentence_names(saved_by_first):
    assert saved_by_first.step == SAVED_STEPS == 3 * (DIES_IN_EPOCH + 1) - 1


def test_started_again_all_go_on_to_the_history_of_an_uninterrupted_one(second, uninterrupted):
    for printed in second[1]:
        assert_same(printed[0]["resumed"], uninterrupted)


def test_one_process_alone_can_go_on_as_well(second, folder, uninterrupted):
    assert load_checkpoint(folder / "chief dies").step == SAVED_STEPS
    assert_same(saved(ALONE, folder / "chief dies", resume=True), uninterrupted)


def test_strategies_that_no_test_has_seen_are_refused():
    strategy = tf.distribute.experimental.CentralStorageStrategy(["CPU:0"], "CPU:0")
    with strategy.scope():
        neural_net = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=[5])])
    with pytest.raises(TypeError, match=r"CentralStorageStrategy.*MultiWorkerMirroredStrategy"):
        train_by_elbo(neural_net, *HELD_OUT, num_epochs=1)


def test_a_process_alone_agrees_with_itself():
    workers = Workers(ALONE)
    assert (workers.number, workers.is_chief, workers.of_chief(3)) == (1, True, 3)
    assert workers.any(True)
    assert not workers.any(False)
    with pytest.raises(tf.errors.AbortedError), workers.watched(str), workers.together():
        raise tf.errors.AbortedError(None, None, "its own")
