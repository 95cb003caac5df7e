"""Which training a checkpoint belongs to: each difference is named with its cure, and no other."""

import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.model.inputs import Examples
from helpers.networks.dense import bayesian_network
from helpers.saving.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from helpers.saving.same_run import check_same_run, describe_run, training_variables
from helpers.training.batches import BatchOrder
from helpers.training.data import ArrayBatches

RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(17, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 17).astype(np.int32)
SETTINGS = {"seed": 3, "batch_size": 7, "kl_weight": 1 / 17, "num_draws": 2, "jit_compile": False}
ADAM, SGD = tf_keras.optimizers.Adam, tf_keras.optimizers.SGD


def network(widths=(4, 3), **options):
    neural_net = bayesian_network(list(widths), **options)
    neural_net(IMAGES[:1])
    return neural_net


def described(neural_net=None, optimizer=None, images=IMAGES, labels=LABELS, **settings):
    neural_net = network() if neural_net is None else neural_net
    optimizer = ADAM(0.01) if optimizer is None else optimizer
    batches = ArrayBatches(
        Examples(images, labels), [tf.float32, tf.int32], BatchOrder(len(images), 1, 1, 0)
    )
    data = batches.fingerprint()
    options = {"likelihood": "classes", **SETTINGS, **settings}
    return describe_run(neural_net, optimizer, data, **options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of a run, as it comes back from the disk."""
    folder = tmp_path_factory.mktemp("saved")
    save_checkpoint(folder, Checkpoint(6, [], np.zeros((6, 4)), described()))
    return load_checkpoint(folder)


def differences(saved, run):
    """The lines of the error, without the headline."""
    with pytest.raises(ValueError, match=r"a checkpoint of another run \(step 6\)") as caught:
        check_same_run(saved, run)
    headline, *lines = str(caught.value).splitlines()
    assert "nothing was trained" in headline
    return lines


def test_the_same_run_described_again_passes(saved):
    check_same_run(saved, described())


@pytest.mark.parametrize("before", [None, 1], ids=["before there was a number", "another"])
def test_noise_that_was_drawn_in_another_way_is_no_same_run(saved, before):
    old = {name: value for name, value in saved.run.items() if name != "noise_version"}
    old |= {} if before is None else {"noise_version": before}
    (line,) = differences(dataclasses.replace(saved, run=old), described())
    assert re.search(rf"version of the noise: saved {before}, .*helpers of then, or start", line)


def test_a_run_is_described_in_what_json_knows():
    run = described(kl_weight=np.float32(0.25), seed=np.int64(3))
    assert json.loads(json.dumps(run)) == run


def test_a_network_built_again_passes_whatever_names_keras_made_up(saved):
    def unnamed():
        flipout = tfp.layers.DenseFlipout
        neural_net = tf_keras.Sequential([flipout(4, activation="relu"), flipout(3)])
        neural_net(IMAGES[:1])
        return neural_net

    first, again = unnamed(), unnamed()
    assert first.variables[0].name != again.variables[0].name
    check_same_run(Checkpoint(6, [], saved.rows, described(first)), described(again))


def test_other_starting_values_and_another_instance_of_the_optimizer_pass(saved):
    optimizer = ADAM(0.01)
    optimizer.build(network().trainable_variables)
    check_same_run(saved, described(network(seed=8), ADAM(0.01, name="another")))


def other_order(array):
    return np.concatenate([array[1:], array[:1]])


ANOTHER = {
    "seed": (lambda: {"seed": 4}, "- seed: saved 3, asked for 4. Pass the saved seed"),
    "batch": (lambda: {"batch_size": 8}, "- batch_size: saved 7, asked for 8. Pass the saved b"),
    "weight": (lambda: {"kl_weight": 0.25}, "- kl_weight: saved 0.0588235294117"),
    "draws": (lambda: {"num_draws": 1}, "- num_draws: saved 2, asked for 1. Pass the saved num_d"),
    "compiler": (lambda: {"jit_compile": True}, "- jit_compile: saved False, asked for True."),
    "order of images": (lambda: {"images": other_order(IMAGES)}, "- inputs, checksum: saved "),
    "labels": (lambda: {"labels": (LABELS + 1) % 3}, "- targets, checksum: saved "),
    "rate": (lambda: {"optimizer": ADAM(0.5)}, "- optimizer, learning_rate: saved 0.0099999"),
    "decay": (lambda: {"optimizer": ADAM(0.01, beta_1=0.8)}, "- optimizer, beta_1: saved 0.9, ask"),
    "activation": (
        lambda: {"neural_net": with_tanh()},
        "- layer 0: saved DenseFlipout relu kernel prior of log-density -1.0439 at 0.5, asked for "
        "DenseFlipout tanh kernel prior of log-density -1.0439 at 0.5. Build the network as it was",
    ),
}


def with_tanh():
    neural_net = network()
    neural_net.layers[0].activation = tf_keras.activations.tanh
    return neural_net


@pytest.mark.parametrize("case", ANOTHER)
def test_a_single_difference_is_named_alone_with_its_cure(saved, case):
    change, line = ANOTHER[case]
    (found,) = differences(saved, described(**change()))
    assert found.startswith(line)
    assert found.endswith(", or start anew in another folder.")


@pytest.mark.parametrize(
    ("package", "name"),
    [(tf, "TensorFlow"), (tfp, "TensorFlow Probability"), (tf_keras, "tf_keras")],
)
def test_another_version_is_named(saved, package, name, monkeypatch):
    monkeypatch.setattr(package, "__version__", "9.87.6")
    (found,) = differences(saved, described())
    assert found.startswith(f"- {name}: saved ")
    assert ", asked for 9.87.6. Install the saved version, or start anew" in found


def test_fewer_images_differ_in_shape_and_checksum(saved):
    lines = differences(saved, described(images=IMAGES[:9], labels=LABELS[:9]))
    assert lines[0].startswith("- inputs, shape: saved [17, 5], asked for [9, 5]. Pass the inputs")
    assert [line.split(":")[0] for line in lines[1:]] == [
        "- inputs, checksum",
        "- targets, shape",
        "- targets, checksum",
    ]


def test_a_wider_layer_is_named_by_its_variables_and_the_rest_counted(saved):
    lines = differences(saved, described(network((6, 3))))
    assert lines[0] == (
        "- variable 0: saved kernel_posterior_loc (5, 4) float32, asked for kernel_posterior_loc "
        "(5, 6) float32. Build the network as it was, or start anew in another folder."
    )
    assert "more differences of this kind" in lines[-1]
    assert len(lines) == 4


def test_a_layer_more_is_saved_as_nothing(saved):
    lines = differences(saved, described(network((4, 4, 3))))
    assert any(
        line.startswith("- layer 2: saved nothing, asked for DenseFlipout") for line in lines
    )


def test_another_class_of_layer_with_the_same_variables_is_another_network(saved):
    layer_class = tfp.layers.DenseReparameterization
    lines = differences(saved, described(network(layer_class=layer_class)))
    assert [line.split(",")[0].split(" prior")[0] for line in lines] == [
        "- layer 0: saved DenseFlipout relu kernel",
        "- layer 1: saved DenseFlipout linear kernel",
    ]


def test_another_prior_is_another_run(saved):
    def narrow(dtype, shape, *_):
        normal = tfp.distributions.Normal(tf.zeros(shape, dtype), 0.5)
        return tfp.distributions.Independent(normal, len(shape))

    lines = differences(saved, described(network(kernel_prior_fn=narrow)))
    # ln N(½; 0, 1) = −½ ln 2π − 1/8, and ln N(½; 0, ½) = −½ ln 2π + ln 2 − 1/2
    narrower = -0.5 * np.log(2 * np.pi) + np.log(2) - 0.5
    assert len(lines) == 2
    for line in lines:
        assert "saved DenseFlipout" in line
        assert f"log-density -1.0439 at 0.5, asked for {line.split(' ')[4]}" in line
        assert f"log-density {narrower:.4f} at 0.5." in line


def test_a_learnt_prior_changes_with_training_and_is_no_difference():
    def learnt(dtype, shape, name, trainable, add_variable):
        scale = add_variable("prior_scale", (), initializer="ones", dtype=dtype, trainable=True)
        normal = tfp.distributions.Normal(tf.zeros(shape, dtype), scale)
        return tfp.distributions.Independent(normal, len(shape))

    neural_net = network(kernel_prior_fn=learnt)
    before = Checkpoint(6, [], np.zeros((6, 4)), described(neural_net))
    next(v for v in neural_net.variables if "prior_scale" in v.name).assign(0.3)
    check_same_run(before, described(neural_net))


def test_another_optimizer_is_named_and_all_differences_have_a_line_in_order(saved):
    lines = differences(saved, described(optimizer=SGD(0.01), seed=4, labels=LABELS[::-1]))
    starts = [line.split(":")[0] for line in lines]
    assert starts.index("- targets, checksum") < starts.index("- optimizer, class")
    assert starts[-1] == "- seed"
    assert any("saved Adam, asked for SGD. Pass a new optimizer" in line for line in lines)


@pytest.mark.parametrize("optimizers", [tf_keras.optimizers, tf_keras.optimizers.legacy])
def test_the_variables_are_the_networks_then_the_optimizers_in_one_order(optimizers):
    neural_net, optimizer = network(), optimizers.Adam(0.01)
    variables = training_variables(neural_net, optimizer)
    trained, network_ends = len(neural_net.trainable_variables), len(neural_net.variables)
    assert all(a is b for a, b in zip(variables, neural_net.variables, strict=False))
    assert len(variables) == network_ends + 1 + 2 * trained  # the count of steps, two moments
    again = training_variables(neural_net, optimizer)
    assert all(a is b for a, b in zip(variables, again, strict=True))
    gradients = [tf.ones_like(variable) for variable in neural_net.trainable_variables]
    optimizer.apply_gradients(zip(gradients, neural_net.trainable_variables, strict=True))
    later = training_variables(neural_net, optimizer)
    assert all(a is b for a, b in zip(variables, later, strict=True))
    assert int(later[network_ends]) == 1


@pytest.mark.parametrize(
    "rate",
    [
        tf_keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9),
        tf_keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.2, 0.3]),
    ],
)
def test_a_schedule_of_the_learning_rate_is_compared_by_its_settings(saved, rate):
    run = described(optimizer=ADAM(rate))
    check_same_run(Checkpoint(6, [], saved.rows, run), described(optimizer=ADAM(rate)))
    other = tf_keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.8)
    lines = differences(Checkpoint(6, [], saved.rows, run), described(optimizer=ADAM(other)))
    assert lines[0].startswith("- optimizer, learning_rate: saved {")
