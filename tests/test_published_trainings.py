"""A recipe is trained as it says, can be interrupted, and is measured rightly."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sampling import NIGHTLY

from benchmarks import published as command
from helpers.data.images import load_images
from helpers.losses.gaussian_kl import gaussian_kl
from helpers.published import again
from helpers.published.catalogue import CATALOGUE, Repeated
from helpers.published.priors import scale_mixture
from helpers.published.recipe import Recipe, build_network, make_optimizer
from helpers.published.repeat import LOGITS, repeat
from helpers.published.results import read_results
from helpers.published.untrained import Spread

tfd = tfp.distributions
TINY = Recipe(
    hidden=(5, 3),
    batch_size=7,
    bayesian_biases=True,
    learning_rate=0.02,
    pixels=(0.0, 1.0),
    untransformed_scales=Spread("normal", -6.0, 0.1),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """33 and 19 images, whose class can be seen."""
    rng, arrays = np.random.default_rng(0), {}
    patterns = rng.integers(0, 256, size=(10, 28, 28))
    for part, size in (("train", 33), ("test", 19)):
        labels = rng.integers(0, 10, size=size).astype(np.uint8)
        noise = rng.integers(-40, 40, size=(size, 28, 28))
        arrays[f"x_{part}"] = np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    path = tmp_path_factory.mktemp("images") / "few.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def data(file):
    return load_images("mnist", TINY.pixels, file)


@pytest.fixture(scope="module")
def points(data):
    return list(repeat(TINY, data, [2, 6], seed=3))


def test_bytes_become_pixels_between_the_ends(file):
    train, test = load_images("mnist", (-1.0, 1.0), file)
    with np.load(file) as arrays:
        expected = arrays["x_train"].reshape(33, 784) / 255 * 2 - 1
    np.testing.assert_allclose(train.images, expected, atol=1e-6)
    assert (test.images.shape, test.labels.dtype) == ((19, 784), np.int32)


def test_wrong_images_are_refused(tmp_path):
    np.savez(tmp_path / "half.npz", x_train=np.zeros((2, 28, 28)))
    with pytest.raises(ValueError, match=r"half\.npz has no array x_test, y_test, y_train"):
        load_images("mnist", path=tmp_path / "half.npz")
    with pytest.raises(ValueError, match=r"write one of 'mnist', 'fashion_mnist'"):
        load_images("cifar")


@pytest.mark.parametrize("estimator", ["flipout", "reparameterization", "local"])
def test_a_network_has_the_start_and_the_kl_of_its_recipe(data, estimator):
    recipe = dataclasses.replace(
        TINY,
        estimator=estimator,
        prior=((1.0, 0.6),),
        means=Spread("uniform", -0.2, 0.3),
        untransformed_scales=Spread("normal", -2.0, 0.0),
    )
    network = build_network(recipe, seed=1)
    network(data[0].images[:7])
    total = 0.0
    for layer, size in zip(network.layers, (784 * 5 + 5, 5 * 3 + 3, 3 * 10 + 10), strict=True):
        parts = [layer.kernel_posterior, layer.bias_posterior]
        means = np.concatenate([q.mean().numpy().ravel() for q in parts])
        stddevs = np.concatenate([q.stddev().numpy().ravel() for q in parts])
        assert means.shape == (size,)
        assert (means > -0.2).all()
        assert (means < 0.3).all()
        np.testing.assert_allclose(stddevs, np.logaddexp(0, -2.0), rtol=1e-6)
        total += gaussian_kl(means, stddevs, 0.0, 0.6).sum()
    assert sum(float(entry) for entry in network.losses) == pytest.approx(total, rel=1e-5)


def test_the_kl_to_a_scale_mixture_is_an_unbiased_draw(data):
    network = build_network(dataclasses.replace(TINY, prior=scale_mixture(0.25, 0, 2)), seed=1)
    drawn = []
    for _ in range(80):
        network(data[0].images[:2])
        drawn.append(sum(float(entry) for entry in network.losses))
    expected, points = 0.0, np.polynomial.hermite_e.hermegauss(60)
    for layer in network.layers:
        for q in (layer.kernel_posterior, layer.bias_posterior):
            mean, stddev = (x.numpy().astype(float)[..., None] for x in (q.mean(), q.stddev()))
            weights = mean + stddev * points[0]
            log_q = -0.5 * points[0] ** 2 - np.log(stddev * np.sqrt(2 * np.pi))
            parts = [
                share * np.exp(-0.5 * (weights / s) ** 2) / (s * np.sqrt(2 * np.pi))
                for share, s in ((0.25, 1.0), (0.75, np.exp(-2)))
            ]
            kl = (log_q - np.log(sum(parts))) @ (points[1] / points[1].sum())
            expected += kl.sum()
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - expected) < 4 * error


def test_a_skipped_layer_is_charged_and_not_used(data):
    recipe = dataclasses.replace(TINY, hidden=(5, 5, 5), skipped=(1, 2))
    network = build_network(recipe, seed=1)
    with tf.GradientTape(persistent=True) as tape:
        outputs = tf.reduce_sum(network(data[0].images[:7]))
        charged = tf.add_n(network.losses)
    skipped = network.layers[1].layer.kernel_posterior.distribution.loc
    assert tape.gradient(outputs, skipped) is None
    assert tf.reduce_any(tape.gradient(charged, skipped) != 0)
    assert len(network.losses) == 8


def test_the_learning_rate_is_halved_after_epochs():
    recipe = dataclasses.replace(TINY, halve_every=2.0, optimizer="sgd")
    optimizer, variable = make_optimizer(recipe, num_examples=33), tf.Variable(0.0)
    optimizer.build([variable])
    optimizer.iterations.assign(2 * 5)  # a batch of 7 is a fifth of an epoch
    optimizer.apply_gradients([(tf.constant(1.0), variable)])
    assert float(variable) == pytest.approx(-0.01)
    assert make_optimizer(dataclasses.replace(recipe, momentum=0.9), 33).momentum == 0.9


def test_recipes_that_cannot_be_are_refused():
    for changes, text in (
        ({"estimator": "vadam"}, "write one of 'flipout', 'reparameterization', 'local'"),
        ({"prior": ((0.5, 1.0),)}, "that add up to 1"),
        ({"prior": ((1.0, 0.0),)}, "that add up to 1"),
        ({"body": "lenet", "estimator": "local"}, "estimator='flipout'"),
        ({"optimizer": "lion"}, "write one of 'adam', 'sgd'"),
    ):
        with pytest.raises(ValueError, match=text):
            dataclasses.replace(TINY, **changes)


def test_points_are_what_numpy_makes_of_the_network(data, points, tmp_path):
    last = points[-1]
    network = build_network(TINY, seed=3)
    from helpers.training import train_by_elbo

    train, test = data
    history = train_by_elbo(
        network, *train, num_epochs=6, batch_size=7, seed=3, progress=False, jit_compile=False,
        optimizer=make_optimizer(TINY, 33),
    )  # fmt: skip
    by_epoch = history.groupby("epoch")["loss"].mean().to_numpy()
    found = np.concatenate([point.history["loss"] for point in points])
    np.testing.assert_allclose(found, by_epoch, rtol=1e-5)
    moving = history["loss"].iloc[0]
    for value in history["loss"].iloc[1:]:
        moving = 0.99 * moving + 0.01 * value
    assert last.history["moving_loss"].iloc[-1] == pytest.approx(moving, rel=1e-5)
    outputs = test.images.astype(float)
    for layer in network.layers:
        weights, bias = layer.kernel_posterior.mean().numpy(), layer.bias_posterior.mean().numpy()
        outputs = outputs @ weights + bias
        outputs = outputs if layer.name == "logits" else np.maximum(outputs, 0)
    error = 100 * np.mean(outputs.argmax(axis=1) != test.labels)
    assert last.error_of_means == pytest.approx(error)
    assert last.pruned[0.0] == pytest.approx(error)
    kls = [
        gaussian_kl(q.mean().numpy(), q.stddev().numpy()).sum()
        for layer in network.layers
        for q in (layer.kernel_posterior, layer.bias_posterior)
    ]
    assert last.kl == pytest.approx(sum(kls), rel=0.02)  # of the epoch, not of its end
    assert [point.epoch for point in points] == [2, 6]


def test_going_on_gives_the_numbers_of_a_training_without_a_break(data, points, tmp_path):
    from helpers.training import train_by_elbo  # as the command does, and is then killed

    train_by_elbo(
        build_network(TINY, seed=3), *data[0], num_epochs=3, batch_size=7, seed=3, progress=False,
        optimizer=make_optimizer(TINY, 33), likelihood=LOGITS, folder=tmp_path / "run",
    )  # fmt: skip
    (second,) = repeat(TINY, data, [6], after=2, seed=3, folder=tmp_path / "run")
    for ours, whole in ((second, points[1]),):
        assert dataclasses.replace(ours, seconds=0, history=None) == dataclasses.replace(
            whole, seconds=0, history=None
        )
        np.testing.assert_array_equal(ours.history, whole.history)


def test_epochs_have_to_rise(data):
    for epochs, after in (([], 0), ([2, 2], 0), ([3, 1], 0), ([2], 2)):
        with pytest.raises(ValueError, match="whole numbers that rise"):
            next(repeat(TINY, data, epochs, after=after))


@pytest.fixture
def tiny_catalogue(monkeypatch):
    tiny = {"tiny": Repeated("a tiny one", TINY, (1, 2))}
    for module in (command, again):
        monkeypatch.setattr(module, "CATALOGUE", tiny)


def run_command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["published", *map(str, words)])
    command.main()


@NIGHTLY
def test_the_command_goes_on_and_counts_its_starts(tiny_catalogue, monkeypatch, file, tmp_path):
    words = ["tiny", "--images", file, "--out", tmp_path, "--folder", tmp_path / "runs"]
    run_command(monkeypatch, *words, "--seeds", 0, 1, "--epochs", 1)
    assert json.loads((tmp_path / "tiny.json").read_text())["complete"]
    run_command(monkeypatch, *words, "--seeds", 0, 1)
    found = read_results("tiny", tmp_path)
    assert found.points[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert found.effort["starts"].to_list() == [2, 2]
    assert found.epochs["epoch"].to_list() == [1, 2, 1, 2]
    assert set(found.pruned["removed"]) >= {0.0, 0.5, 0.95}
    assert (found.last_epoch, found.interval("error").mean) == (
        2,
        pytest.approx(found.points.loc[[1, 3], "error"].mean()),
    )
    with pytest.raises(ValueError, match="no 'error' after 7 epochs"):
        found.values("error", 7)
    run_command(monkeypatch, *words, "--seeds", 0, 1)  # nothing left to do
    assert read_results("tiny", tmp_path).effort["starts"].to_list() == [2, 2]
    monkeypatch.setattr(again, "read_results", lambda name: read_results(name, tmp_path))
    table = again.train_again("tiny", 1, seed=9, images=file, progress=False)
    assert list(table.index) == ["error", "error_of_means", "log_density", "kl"]
    assert (
        table["inside"] == ((table["yours"] >= table["low"]) & (table["yours"] <= table["high"]))
    ).all()


def test_another_recipe_is_not_mixed_into_a_file(tiny_catalogue, monkeypatch, file, tmp_path):
    words = ["tiny", "--images", file, "--out", tmp_path, "--folder", tmp_path / "r", "--seeds", 0]
    run_command(monkeypatch, *words, "--epochs", 1)
    other = dataclasses.replace(TINY, learning_rate=0.01)
    monkeypatch.setattr(command, "CATALOGUE", {"tiny": Repeated("another", other, (1,))})
    with pytest.raises(SystemExit, match="holds another recipe"):
        run_command(monkeypatch, *words)


def test_names_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m benchmarks.published absent makes it"):
        read_results("absent", tmp_path)
    with pytest.raises(ValueError, match="There is no training 'absent', only: straight_dope"):
        again.train_again("absent")
    (tmp_path / "old.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="has format 0"):
        read_results("old", tmp_path)


def test_the_catalogue_is_measured_where_it_says():
    for name, repeated in CATALOGUE.items():
        found = read_results(name)
        assert set(found.points["epoch"]) <= set(repeated.epochs), name
        assert found.points["seed"].nunique() >= 3, name
