"""Held-out data at the end of each epoch, against the closed form of a linear model."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

import helpers.training.validation
from helpers.training import train_by_elbo

tfd, tfpl = tfp.distributions, tfp.layers
RNG = np.random.default_rng(3)
INPUTS = RNG.normal(size=(11, 2)).astype(np.float32)
TARGETS = RNG.normal(size=(11, 1)).astype(np.float32)
HELD_OUT = RNG.normal(size=(5, 2)).astype(np.float32), RNG.normal(size=(5, 1)).astype(np.float32)
NOISE, SPREAD = 0.7, 0.4
MEANS = np.array([[0.3], [-0.8]], np.float32)


def linear_model(layer_class=tfpl.DenseReparameterization):
    """y ~ N(x w, NOISE²) with w ~ N(MEANS, SPREAD²), which no training moves."""
    starts = tfpl.default_mean_field_normal_fn(
        loc_initializer=tf_keras.initializers.Constant(MEANS),
        untransformed_scale_initializer=tf_keras.initializers.Constant(np.log(np.expm1(SPREAD))),
    )
    layer = layer_class(1, name="linear", kernel_posterior_fn=starts, bias_posterior_fn=None)
    output = tfpl.DistributionLambda(lambda t: tfd.Normal(t, NOISE))
    return tf_keras.Sequential([layer, output])


def history(num_epochs=2, validation_data=HELD_OUT, **options):
    still = tf_keras.optimizers.SGD(0.0)
    options = {"batch_size": 4, "optimizer": still, "progress": False, **options}
    return train_by_elbo(
        linear_model(),
        INPUTS,
        TARGETS,
        num_epochs=num_epochs,
        validation_data=validation_data,
        **options,
    )


def closed_forms(inputs, targets):
    """E_w[−log p(y | x, w)] and log E_w[p(y | x, w)], means over the examples, in nats."""
    inputs, targets = inputs.astype(np.float64), targets.astype(np.float64)
    mean, variance = (inputs @ MEANS), (inputs**2).sum(axis=1, keepdims=True) * SPREAD**2
    expected = (
        0.5 * np.log(2 * np.pi * NOISE**2) + ((targets - mean) ** 2 + variance) / (2 * NOISE**2)
    ).mean()
    density = scipy.stats.norm.logpdf(targets, mean, np.sqrt(NOISE**2 + variance)).mean()
    return expected, density


def test_both_columns_are_the_closed_forms_within_sampling_error(monkeypatch):
    monkeypatch.setattr(helpers.training.validation, "NUM_DRAWS", 4000)
    row = history(num_epochs=1).iloc[-1]
    expected, density = closed_forms(*HELD_OUT)
    assert row["val_negative_log_likelihood"] == pytest.approx(expected, abs=0.05)
    assert row["val_log_predictive_density"] == pytest.approx(density, abs=0.03)
    assert abs(expected + density) > 0.1  # the two are not the same number


def test_they_stand_at_the_last_step_of_each_epoch_and_differ_by_their_draws():
    table = history(num_epochs=3)
    is_last = table["step"] % 3 == 0
    for name in ("val_negative_log_likelihood", "val_log_predictive_density"):
        assert table[name].notna().equals(is_last)
        assert table.loc[is_last, name].nunique() == 3  # the weights stand still, the draws do not


def test_the_training_is_the_same_with_and_without():
    alone = history(validation_data=None)
    watched = history()[alone.columns]
    np.testing.assert_array_equal(watched, alone)


@pytest.mark.parametrize("form", ["tuple", "dataset", "weights"])
def test_datasets_and_weights_are_taken_too(form, monkeypatch):
    monkeypatch.setattr(helpers.training.validation, "NUM_DRAWS", 500)
    weights = np.array([2.0, 0.0, 1.0, 1.0, 1.0], np.float32)
    data = {
        "tuple": HELD_OUT,
        "dataset": tf.data.Dataset.from_tensor_slices(HELD_OUT).batch(3),
        "weights": (*HELD_OUT, weights),
    }[form]
    value = history(num_epochs=1, validation_data=data).iloc[-1]["val_negative_log_likelihood"]
    each = [closed_forms(HELD_OUT[0][i : i + 1], HELD_OUT[1][i : i + 1])[0] for i in range(5)]
    wanted = np.mean(weights * each) if form == "weights" else np.mean(each)
    assert value == pytest.approx(wanted, abs=0.1)


def test_what_is_no_pair_is_refused():
    with pytest.raises(ValueError, match=r"validation_data must be \(inputs, targets\)"):
        history(validation_data=HELD_OUT[0])
