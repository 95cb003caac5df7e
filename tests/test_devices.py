"""Training on several devices gives the result of one; the KL counts once."""

import functools
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from sampling import NIGHTLY

from helpers.draws.replay import trace
from helpers.page.fresh_process import run_programs
from helpers.training.devices import take_part

PROGRAM = """
import runpy, sys
sys.argv[1:] = ["{}"]
runpy.run_module("train_on_devices", run_name="__main__")
"""
LAYERS = ("DenseFlipout", "DenseLocalReparameterization")
# One worker for the file: its fixture is made once.
pytestmark = pytest.mark.xdist_group("replicas")


@functools.cache
def results_of(number):
    """Results with so many devices; three are left to the night, in a process of their own."""
    (done,) = run_programs({number: PROGRAM.format(number)}).values()
    assert done.error == ""
    return json.loads(done.output.splitlines()[-1])


@pytest.fixture
def results():
    """Those with two devices."""
    return results_of(2)


def assert_same(found, wanted):
    np.testing.assert_allclose(found["history"], wanted["history"], rtol=2e-5)
    np.testing.assert_allclose(found["weights"], wanted["weights"], rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize(
    ("number", "layer"),
    [
        (2, LAYERS[0]),
        pytest.param(2, LAYERS[1], marks=NIGHTLY),
        pytest.param(3, LAYERS[0], marks=NIGHTLY),
    ],
)
def test_history_and_weights_are_those_of_one_device(number, layer):
    trained = results_of(number)["trained"]
    assert_same(trained[f"many {layer}"], trained[f"one {layer}"])


def test_a_strategy_of_one_device_gives_the_same_too(results):
    assert_same(results["OneDeviceStrategy"], results["trained"]["one DenseFlipout"])


def test_another_result_would_be_seen(results):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same(results["adam"]["one"], results["trained"]["one DenseFlipout"])


def test_adam_gives_the_result_of_one_device_too(results):
    found, wanted = (results["adam"][strategy] for strategy in ("many", "one"))
    np.testing.assert_allclose(found["history"], wanted["history"], rtol=1e-3)
    np.testing.assert_allclose(found["weights"], wanted["weights"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("number", [2, pytest.param(3, marks=NIGHTLY)])
def test_the_kl_counts_once_whatever_the_number_of_devices(number):
    assert results_of(number)["kl_weight"] == pytest.approx(1 / 17, rel=1e-3)


def test_a_step_that_is_not_finite_moves_nothing(results):
    assert "stopped being finite at step 1:" in results["not_finite"]["message"]
    assert results["not_finite"]["same"]


REFUSED = {
    "num_draws": r"several devices.*one draw.*num_draws=1",
    "jit_compile": r"several devices.*without XLA.*jit_compile=False",
    "statistics": r"moving_mean.*own part of a batch.*LayerNormalization",
    "small": r"batch of 1 cannot be split over 2 replicas.*last batch of an epoch",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_split_is_refused_before_the_first_step(results, case):
    assert re.search(REFUSED[case], results[case]["message"])
    assert results[case]["message"].startswith("ValueError")
    assert results[case]["same"]


def test_a_saved_training_on_two_devices_goes_on_to_the_same_history(results):
    assert results["resumed"] == results["trained"]["many DenseFlipout"]


def traced_for(num_examples):
    """Noise of an example, of two rows an example, of weights, and of all at once."""

    def draw(x):
        shapes = ([num_examples, 3], [2 * num_examples], [5, 3], [1, num_examples, 4])
        return [tf.random.normal(shape) for shape in shapes]

    return trace(draw, tf.TensorSpec([num_examples, 5]))


@pytest.mark.parametrize(("start", "end"), [(0, 3), (3, 7), (6, 7)])
def test_each_replica_takes_the_noise_of_its_examples(start, end):
    rng = np.random.default_rng(1)
    shapes = ((7, 3), (14,), (5, 3), (1, 7, 4))
    noise = [tf.constant(rng.normal(size=shape)) for shape in shapes]
    parts = take_part(noise, traced_for(end - start), start, end)
    rows, double, weights, middle = (array.numpy() for array in noise)
    wanted = [rows[start:end], double[2 * start : 2 * end], weights, middle[:, start:end]]
    for part, array in zip(parts, wanted, strict=True):
        np.testing.assert_array_equal(part, array)
