"""The comparison of methods, at tiny sizes: tasks, networks in NumPy, counts, and the file."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from sampling import NIGHTLY

from benchmarks import uncertainty
from helpers.data.digits import Digits, load_digits_split
from helpers.networks.dense import plain_network

TINY = uncertainty.Effort(
    plain_epochs=3,
    dropout_epochs=2,
    elbo_epochs=3,
    frozen_epochs=2,
    width_epochs=2,
    members=2,
    draws=4,
    chains=2,
    burn_in=5,
    kept=3,
    leapfrog=2,
)


def test_every_class_is_left_out_once_and_never_seen():
    seen = []
    for seed in range(5):
        task = uncertainty.without_two_classes(seed)
        train, test = load_digits_split(seed=seed)
        left_out = {2 * seed, 2 * seed + 1}
        count = sum(np.isin(it.labels, list(left_out)).sum() for it in (train, test))
        assert len(task.unusual["unseen classes"]) == count
        assert set(task.train.labels) == set(range(8))
        first = task.train.images[0]
        (place,) = np.flatnonzero((train.images == first).all(axis=1))
        assert sorted(set(range(10)) - left_out)[task.train.labels[0]] == train.labels[place]
        seen += left_out
    assert sorted(seen) == list(range(10))


def test_the_network_of_hmc_is_that_of_numpy():
    rng = np.random.default_rng(0)
    widths = [4, 3, 2]
    weights = rng.normal(size=(5, 4 * 3 + 3 + 3 * 2 + 2)).astype(np.float32)
    images = rng.normal(size=(6, 4)).astype(np.float32)
    found = uncertainty.network_logits(tf.constant(weights), tf.constant(images), widths)
    for chain, all_weights in enumerate(weights):
        kernel, bias, last, last_bias = np.split(all_weights, [12, 15, 21])
        hidden = np.maximum(images @ kernel.reshape(4, 3) + bias, 0)
        np.testing.assert_allclose(
            found[chain], hidden @ last.reshape(3, 2) + last_bias, rtol=1e-4, atol=1e-5
        )


def test_hmc_draws_the_posterior_of_a_layer_that_is_known():
    """Without information in the images, the posterior of the bias is that of a grid."""
    labels = np.array([0] * 9 + [1] * 3, np.int32)
    data = Digits(np.zeros((12, 1), np.float32), labels)
    task = uncertainty.Task(data, data, {}, 2)
    effort = TINY._replace(chains=8, burn_in=150, kept=250, leapfrog=10)
    fitted = uncertainty.fit_hmc(task, 0, effort, [1, 2], 0.5)
    probability = fitted.predict(data.images)[:, 0, 0]
    grid = np.linspace(-8, 8, 801)  # difference of two biases: prior N(0, 2)
    density = -(grid**2) / 4 - 9 * np.log1p(np.exp(-grid)) - 3 * np.log1p(np.exp(grid))
    density = np.exp(density - density.max())
    expected = (density / (1 + np.exp(-grid))).sum() / density.sum()
    assert probability.mean() == pytest.approx(expected, abs=0.02)
    assert fitted.notes["r_hat"] < 1.1


def test_training_lowers_the_loss_and_counts_its_steps():
    task = uncertainty.all_classes(1)
    network, fitted = uncertainty.fit_plain(task, 1, TINY)
    assert fitted.notes["loss"][-1] < fitted.notes["loss"][0]
    assert fitted.steps == 3 * 12
    assert fitted.stored == 64 * 32 + 32 + 32 * 10 + 10
    draws = fitted.predict(task.test.images[:7])
    assert draws.shape == (1, 7, 10)
    np.testing.assert_allclose(draws[0], tf.nn.softmax(network(task.test.images[:7])), rtol=1e-5)


def test_the_trained_loss_is_the_mean_over_the_batches_of_keras_loss():
    train, _ = load_digits_split()
    few = Digits(train.images[:50], train.labels[:50])
    network = plain_network([5, 10], kernel_regularizer=uncertainty.l2_penalty(few))
    network(few.images)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    before = float(loss(few.labels, network(few.images)) + sum(network.losses))
    _, losses = uncertainty.train_plain(network, few, 1, seed=0)  # one batch, one step
    assert losses[0] == pytest.approx(before, rel=1e-5)


def test_points_of_a_training_are_means_before_them():
    losses = list(np.arange(100.0))
    found = uncertainty.at_points(losses)
    assert found[-1] == pytest.approx(98.5)
    assert found[9] == pytest.approx(48.5)
    assert len(found) == len(uncertainty.POINTS)


def test_a_unit_is_in_use_if_it_moves_a_logit():
    rng = np.random.default_rng(0)
    activations = np.column_stack([rng.uniform(size=20), np.ones(20), rng.uniform(size=20)])
    outgoing = np.array([[1.0, 0.0], [5.0, 5.0], [0.001, 0.0]])
    assert uncertainty.units_in_use(outgoing, activations) == 1  # constant, and next to nothing
    outgoing[2] = 0.5
    assert uncertainty.units_in_use(outgoing, activations) == 2


@NIGHTLY
def test_the_file_names_how_it_came_about_and_holds_every_method(tmp_path):
    out = tmp_path / "results.json"
    uncertainty.main(["--seeds", "1", "--widths", "6", "--out", str(out)], TINY)
    text = out.read_text(encoding="utf-8")
    record = json.loads(text)
    assert str(tmp_path) not in text
    assert record["complete"] is True
    assert record["seeds"] == [0]
    assert record["effort"]["plain_epochs"] == 3
    assert record["environments"]["book"]["packages"]["tensorflow"] == tf.__version__
    rows = {(it["task"], it["method"]): it for it in record["measurements"]}
    assert {method for _, method in rows} == set(uncertainty.METHODS)
    ensemble, plain = rows["all", "ensemble"], rows["all", "plain"]
    assert ensemble["stored"] == 2 * plain["stored"]
    assert "turned by 90°, mutual_information, auroc" in ensemble
    assert "turned by 90°, mutual_information, auroc" not in plain
    assert "unseen classes, total, share" in rows["without two", "hmc"]
    assert rows["all", "bayesian_biases"]["notes"]["units_in_use"] <= 32
    (units,) = record["widths"]
    assert 0 < units["bayesian"] <= 6


def test_one_method_is_measured_anew_and_the_others_are_kept(tmp_path):
    out = tmp_path / "results.json"
    made = uncertainty.makers(uncertainty.all_classes(0), 0, TINY)
    assert [*made, "distance", "distance_features"] == list(uncertainty.METHODS)
    record = uncertainty.new_record(uncertainty.parse_options(["--out", "x"]), [], TINY)
    rows = [{"method": it, "task": "all", "seed": 0} for it in ("plain", "laplace", "gone")]
    out.write_text(json.dumps({**record, "seeds": [0], "measurements": rows}))
    uncertainty.main(["--only", "laplace", "--out", str(out)], TINY)
    after = json.loads(out.read_text(encoding="utf-8"))
    found = [(it["method"], it["task"]) for it in after["measurements"]]
    assert found == [("plain", "all"), ("laplace", "all"), ("laplace", "without two")]
    assert after["measurements"][1]["notes"]["precision"] > 0
    assert [it["command"].split()[-4:-2] for it in after["amended"]] == [["--only", "laplace"]]
    assert after["command"] == record["command"]
