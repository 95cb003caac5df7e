"""The table of ``losses``: every kind of model, each value recomputed from the raw variables."""

import math
from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.losses import losses_by_layer
from helpers.losses.by_layer import COLUMNS, bayesian_layers, closed_form_in_float64
from helpers.losses.posterior_weights import random_posteriors
from helpers.model.loss_entries import loss_entries
from helpers.networks.dense import bayesian_network, plain_network
from helpers.networks.posteriors import gaussian_posterior, point_posterior

tfd, tfl = tfp.distributions, tfp.layers
L = tf_keras.layers
IMAGES = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


def flipout(units, seed, layer_class=tfl.DenseFlipout, **options):
    """A layer with starts of its own; `options` win."""
    starts = {
        "kernel_posterior_fn": gaussian_posterior(seed),
        "bias_posterior_fn": point_posterior(),
    }
    return layer_class(units, **{**starts, **options})


def convolution(filters, seed):
    return tfl.Convolution2DFlipout(
        filters,
        (3, 2),
        kernel_posterior_fn=gaussian_posterior(seed),
        bias_posterior_fn=point_posterior(),
    )


def kl_by_formula(layer, part="kernel", prior_stddev=1.0):
    """½ Σ (μ² + σ²)/s² − 1 − 2 log(σ/s) in float64, from the layer's variables by their names."""
    values = {w.name.split("/")[-1].split(":")[0]: w.numpy() for w in layer.trainable_weights}
    mean, rho = values[f"{part}_posterior_loc"], values[f"{part}_posterior_untransformed_scale"]
    smallest = np.finfo(rho.dtype).eps  # TFP adds it to softplus(ρ)
    mean, rho = mean.astype(np.float64), rho.astype(np.float64)
    ratio = (smallest + np.log1p(np.exp(rho))) / prior_stddev
    return np.sum(0.5 * (mean / prior_stddev) ** 2 + 0.5 * ratio**2 - 0.5 - np.log(ratio))


def vector_posterior(kernel_size, bias_size, dtype=None):
    """For DenseVariational: one Gaussian over kernel and bias, started away from the prior."""
    size = kernel_size + bias_size

    def distribution(parameters):
        normal = tfd.Normal(parameters[:size], 0.01 + tf.nn.softplus(parameters[size:]))
        return tfd.Independent(normal, 1)

    start = tf_keras.initializers.RandomNormal(stddev=1.0, seed=8)
    variables = tfl.VariableLayer(2 * size, dtype=dtype, initializer=start)
    return tf_keras.Sequential([variables, tfl.DistributionLambda(distribution, dtype=dtype)])


def vector_prior(kernel_size, bias_size, dtype=None):
    size = kernel_size + bias_size
    normal = tfd.Normal(tf.zeros(size, dtype), tf.constant(2.0, dtype))
    return lambda _: tfd.Independent(normal, 1)


def trainable_vector_prior(kernel_size, bias_size, dtype=None):
    size = kernel_size + bias_size
    start = tf_keras.initializers.RandomNormal(stddev=0.5, seed=9)
    variables = tfl.VariableLayer(size, dtype=dtype, initializer=start)
    normal = tfl.DistributionLambda(lambda mean: tfd.Independent(tfd.Normal(mean, 2.0), 1))
    return tf_keras.Sequential([variables, normal])


def variational(units, prior=vector_prior, **options):
    return tfl.DenseVariational(units, vector_posterior, prior, **options)


class Subclassed(tf_keras.Model):
    """Bayesian and ordinary layers in attributes, a list and a dictionary."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.first = flipout(5, 1, activation="relu", name="first")
        self.rest = [flipout(4, 2, name="second"), {"last": flipout(3, 3, name="third")}]
        self.plain = L.Dense(4, name="plain")

    def call(self, inputs):
        second = self.rest[0](self.first(inputs))
        return self.rest[1]["last"](self.plain(second))


class CalledTwice(tf_keras.Model):
    """One layer used twice in a forward pass: its KL is in losses twice."""

    def __init__(self):
        super().__init__()
        self.shared = flipout(5, 1, name="shared")
        self.head = flipout(3, 2, name="head")

    def call(self, inputs):
        return self.head(self.shared(self.shared(inputs)))


def sequential():
    return bayesian_network([5, 4, 3])


def functional():
    inputs = tf_keras.Input((5,))
    left, right = flipout(5, 1, name="left")(inputs), flipout(5, 2, name="right")(inputs)
    outputs = flipout(3, 3, tfl.DenseReparameterization, name="joined")(left * right)
    return tf_keras.Model(inputs, outputs)


def nested():
    inner = tf_keras.Sequential([flipout(4, 1, name="deep"), L.ReLU()], name="inner")
    middle = tf_keras.Sequential([inner, flipout(4, 2, name="middle_layer")], name="middle")
    return tf_keras.Sequential([L.Dense(5), middle, flipout(3, 3, name="outer")])


def convolutional():
    tiles = L.Lambda(lambda images: tf.tile(images[:, :4, None, None], [1, 1, 3, 2]))
    return tf_keras.Sequential([tiles, convolution(4, 1), L.Flatten(), flipout(3, 2)])


def once_per_time_step():
    steps = L.TimeDistributed(flipout(4, 1, tfl.DenseReparameterization))
    return tf_keras.Sequential([L.Reshape((5, 1)), steps, L.Flatten(), flipout(3, 2)])


def with_other_losses():
    return tf_keras.Sequential(
        [
            L.Dense(4, kernel_regularizer=tf_keras.regularizers.L2(0.3), name="penalised"),
            flipout(4, 1, activity_regularizer=tf_keras.regularizers.L1(0.2), name="active"),
            L.ActivityRegularization(l2=0.1, name="watched"),
            flipout(3, 2, name="last"),
        ]
    )


def variational_stack():
    return tf_keras.Sequential(
        [
            L.Dense(6),
            variational(4, kl_use_exact=True, name="exact"),
            variational(4, name="one_draw"),
            variational(3, use_bias=False, kl_use_exact=True, name="no_bias"),
        ]
    )


MODELS = {
    sequential: ["kernel"] * 3,
    functional: ["kernel"] * 3,
    Subclassed: ["kernel"] * 3,
    CalledTwice: ["kernel"] * 3,
    nested: ["kernel"] * 3,
    convolutional: ["kernel"] * 2,
    once_per_time_step: None,  # Keras calls the wrapped layer as often as it likes
    with_other_losses: None,  # told apart in a test of its own
    variational_stack: ["kernel and bias", "kernel and bias", "kernel"],
}


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_rows_are_the_entries_of_losses_in_their_order_and_add_to_their_sum(make):
    neural_net = make()
    table = losses_by_layer(neural_net, IMAGES)
    np.testing.assert_array_equal(table["entry"], [float(value) for value in neural_net.losses])
    assert table["entry"].sum() == pytest.approx(float(sum(neural_net.losses)), rel=1e-6)
    assert tuple(table.columns) == COLUMNS
    assert table.index.tolist() == list(range(len(neural_net.losses)))
    if MODELS[make]:
        assert table["part"].tolist() == MODELS[make]


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (sequential, ["hidden_1", "hidden_2", "logits"]),
        (functional, ["left", "right", "joined"]),
        (Subclassed, ["first", "second", "third"]),
        (CalledTwice, ["shared", "shared", "head"]),
        (nested, ["deep", "middle_layer", "outer"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_entry_belongs_to_its_layer_and_equals_the_formula(make, names):
    neural_net = make()
    table = losses_by_layer(neural_net, IMAGES)
    assert table["layer"].tolist() == names
    for row, layer in zip(
        table.itertuples(), [entry.layer for entry in loss_entries(neural_net)], strict=True
    ):
        expected = kl_by_formula(layer)
        assert row.layer == layer.name
        assert row.nats == pytest.approx(expected, rel=1e-5)
        assert row.closed_form == pytest.approx(expected, rel=1e-6)
        assert row.difference == pytest.approx(row.nats - row.closed_form, abs=1e-12)
        assert row.num_weights == layer.trainable_weights[0].shape.num_elements()
        assert row.nats_per_weight == pytest.approx(expected / row.num_weights, rel=1e-5)
    assert table["class"].tolist()[:2] == ["DenseFlipout", "DenseFlipout"]


def test_convolutions_count_every_weight_of_the_filters():
    neural_net = convolutional()
    table = losses_by_layer(neural_net, IMAGES)
    assert table["class"].tolist() == ["Conv2DFlipout", "DenseFlipout"]
    assert table["num_weights"].tolist() == [3 * 2 * 2 * 4, 2 * 2 * 4 * 3]
    expected = [kl_by_formula(neural_net.layers[index]) for index in (1, 3)]
    np.testing.assert_allclose(table["nats"], expected, rtol=1e-5)
    np.testing.assert_allclose(table["closed_form"], expected, rtol=1e-6)


def vector_kl(layer, prior_mean=0.0):
    """KL of a DenseVariational layer with `vector_posterior` to N(prior_mean, 2²)."""
    mean, rho = np.split(layer.trainable_weights[0].numpy().astype(np.float64), 2)
    ratio = (0.01 + np.log1p(np.exp(rho))) / 2.0
    return np.sum(0.5 * ((mean - prior_mean) / 2.0) ** 2 + 0.5 * ratio**2 - 0.5 - np.log(ratio))


def test_dense_variational_is_one_entry_for_kernel_and_bias():
    neural_net = variational_stack()
    table = losses_by_layer(neural_net, IMAGES).set_index("layer")
    assert table["num_weights"].to_dict() == {"exact": 28, "one_draw": 20, "no_bias": 12}
    expected = {layer.name: vector_kl(layer) for layer in neural_net.layers[1:]}
    assert table["closed_form"].to_dict() == pytest.approx(expected, rel=1e-6)
    assert table.loc[["exact", "no_bias"], "difference"].abs().max() < 1e-4
    assert abs(table.loc["one_draw", "difference"]) > 0.01


def test_the_closed_form_of_gaussians_is_the_book_s_own_and_not_tfp_s():
    neural_net = tf_keras.Sequential([flipout(4, 1), variational(3, kl_use_exact=True)])
    neural_net(IMAGES)
    posteriors = random_posteriors(neural_net)
    with mock.patch.object(tfd, "kl_divergence", side_effect=AssertionError("TFP's was asked")):
        found = closed_form_in_float64(tuple(posteriors))
    assert found == pytest.approx(float(sum(neural_net.losses)), rel=1e-6)


def test_one_draw_of_dense_variational_scatters_about_the_closed_form():
    neural_net = tf_keras.Sequential([variational(3, name="one_draw")])
    tf.random.set_seed(0)
    draws = []
    for _ in range(150):
        neural_net(IMAGES)
        draws.append(float(neural_net.losses[0]))
    exact = losses_by_layer(neural_net)["closed_form"].item()
    assert abs(np.mean(draws) - exact) < 4 * scipy.stats.sem(draws)
    assert np.std(draws) > 0.1


def test_a_trainable_prior_of_dense_variational_is_read_as_it_stands():
    neural_net = tf_keras.Sequential([variational(3, trainable_vector_prior, kl_use_exact=True)])
    table = losses_by_layer(neural_net, IMAGES)
    layer = neural_net.layers[0]
    expected = vector_kl(layer, prior_mean=layer.trainable_weights[1].numpy())
    assert table["closed_form"].item() == pytest.approx(expected, rel=1e-6)
    assert table["nats"].item() == pytest.approx(expected, rel=1e-5)


def normal_prior(stddev):
    def prior(dtype, shape, *_):
        return tfd.Independent(tfd.Normal(tf.zeros(shape, dtype), stddev), len(shape))

    return prior


def test_a_bayesian_bias_is_a_second_entry_after_its_kernel():
    bias = {"bias_posterior_fn": gaussian_posterior(20), "bias_prior_fn": normal_prior(0.5)}
    neural_net = tf_keras.Sequential([flipout(5, 1, **bias), flipout(3, 2)])
    table = losses_by_layer(neural_net, IMAGES)
    assert table["part"].tolist() == ["kernel", "bias", "kernel"]
    assert table["num_weights"].tolist() == [25, 5, 15]
    first, last = neural_net.layers
    expected = [kl_by_formula(first), kl_by_formula(first, "bias", 0.5), kl_by_formula(last)]
    np.testing.assert_allclose(table["nats"], expected, rtol=1e-5)
    np.testing.assert_allclose(table["closed_form"], expected, rtol=1e-6)


def test_kernel_and_bias_alternate_where_a_layer_is_called_twice():
    bias = {"bias_posterior_fn": gaussian_posterior(20), "bias_prior_fn": normal_prior(0.5)}
    shared = flipout(5, 1, **bias)
    inputs = tf_keras.Input((5,))
    table = losses_by_layer(tf_keras.Model(inputs, shared(shared(inputs))), IMAGES)
    assert table["part"].tolist() == ["kernel", "bias", "kernel", "bias"]
    assert table["num_weights"].tolist() == [25, 5, 25, 5]
    assert table["difference"].abs().max() < 1e-4


def test_a_bias_with_only_a_prior_adds_minus_its_log_prior_density():
    layer = flipout(3, 1, bias_prior_fn=normal_prior(0.05))
    layer.build((None, 5))
    bias = np.array([0.02, -0.1, 0.0], np.float32)
    next(w for w in layer.trainable_weights if "bias" in w.name).assign(bias)
    table = losses_by_layer(layer, IMAGES).set_index("part")
    expected = -scipy.stats.norm(0.0, 0.05).logpdf(bias.astype(np.float64)).sum()
    assert expected < 0
    assert table.loc["bias", "nats"] == pytest.approx(expected, rel=1e-5)
    assert table.loc["bias", "closed_form"] == pytest.approx(expected, rel=1e-5)


def test_a_layer_without_a_kernel_prior_shows_only_its_bias():
    bias = {"bias_posterior_fn": gaussian_posterior(20), "bias_prior_fn": normal_prior(0.5)}
    table = losses_by_layer(flipout(3, 1, kernel_prior_fn=None, **bias), IMAGES)
    assert table["part"].tolist() == ["bias"]
    assert table["num_weights"].tolist() == [3]
    assert abs(table["difference"].item()) < 1e-4


def test_other_losses_are_named_and_have_no_closed_form():
    neural_net = with_other_losses()
    table = losses_by_layer(neural_net, IMAGES)
    found = dict(zip(zip(table["layer"], table["part"], strict=True), table["entry"], strict=True))
    penalised, active, _, last = neural_net.layers
    assert found["penalised", "weight regulariser"] == pytest.approx(
        0.3 * np.sum(penalised.kernel.numpy().astype(np.float64) ** 2), rel=1e-5
    )
    assert found["active", "kernel"] == pytest.approx(kl_by_formula(active), rel=1e-5)
    assert found["last", "kernel"] == pytest.approx(kl_by_formula(last), rel=1e-5)
    assert {("active", "activity regulariser"), ("watched", "activity regulariser")} < set(found)
    others = table[table["part"] != "kernel"]
    assert len(others) == 3
    assert (
        others[["num_weights", "nats", "nats_per_weight", "closed_form", "difference"]]
        .isna()
        .all(None)
    )


def test_a_loss_that_a_layer_adds_itself_is_named_so():
    class Adds(L.Layer):
        def call(self, inputs):
            self.add_loss(2.5)
            return inputs

    table = losses_by_layer(tf_keras.Sequential([Adds(name="adds"), flipout(3, 1)]), IMAGES)
    assert table["part"].tolist() == ["added loss", "kernel"]
    assert table["entry"].iloc[0] == 2.5
    assert table["kind"].tolist() == ["regulariser", "KL"]
    assert math.isnan(table["nats"].iloc[0])


@pytest.mark.parametrize("number", [40, 10_000_000])
def test_a_scaled_divergence_shows_up_as_a_divisor_and_not_as_a_difference(number):
    def scaled(posterior, prior, _):
        return tfd.kl_divergence(posterior, prior) / number

    layer = flipout(3, 1, kernel_divergence_fn=scaled)
    row = losses_by_layer(layer, IMAGES).iloc[0]
    assert row["kind"] == f"KL / {number:,}"
    assert row["closed_form"] == pytest.approx(kl_by_formula(layer), rel=1e-6)
    assert row["entry"] == pytest.approx(kl_by_formula(layer) / number, rel=1e-5)
    assert row["divisor"] == pytest.approx(number, rel=1e-9)
    assert row["nats"] == pytest.approx(kl_by_formula(layer), rel=1e-5)
    assert abs(row["difference"]) < 1e-4


def test_a_healthy_fit_network_has_no_difference_after_training_either():
    def scaled(posterior, prior, _):
        return tfd.kl_divergence(posterior, prior) / 7

    neural_net = tf_keras.Sequential(
        [flipout(4, 1, kernel_divergence_fn=scaled), flipout(3, 2, kernel_divergence_fn=scaled)]
    )
    neural_net.compile("adam", "mse")
    neural_net.fit(IMAGES, np.zeros((7, 3), np.float32), epochs=3, verbose=0)
    table = losses_by_layer(neural_net, IMAGES)
    assert table["divisor"].tolist() == pytest.approx([7, 7])
    assert (table["difference"].abs() < 1e-5 * table["closed_form"]).all()


def names_and_columns():
    left, right = tf_keras.Input((5,), name="left"), tf_keras.Input((1,), name="right")
    return tf_keras.Model([left, right], flipout(3, 1)(L.Concatenate()([left, right])))


ONE = np.ones((7, 1), np.float32)
FORMS = {
    "list": [IMAGES, ONE],
    "tuple": (IMAGES, ONE),
    "dict": {"left": IMAGES, "right": ONE},
    "dataset": tf.data.Dataset.from_tensor_slices((((IMAGES, ONE)), np.zeros(7))).batch(4),
    "tensors": [tf.constant(IMAGES), tf.constant(ONE)],
    "frame and series": [pd.DataFrame(IMAGES), pd.Series(ONE[:, 0])],
}


@pytest.mark.parametrize("form", FORMS)
def test_several_inputs_are_taken_in_every_form(form):
    neural_net = names_and_columns()
    row = losses_by_layer(neural_net, FORMS[form]).iloc[0]
    assert row["nats"] == pytest.approx(kl_by_formula(neural_net.layers[-1]), rel=1e-5)


def test_a_divergence_per_weight_is_summed():
    def per_weight(posterior, prior, _):
        return tfd.kl_divergence(posterior.distribution, prior.distribution)

    layer = flipout(3, 1, kernel_divergence_fn=per_weight)
    row = losses_by_layer(layer, IMAGES).iloc[0]
    assert layer.losses[0].shape == (5, 3)
    assert row["nats"] == pytest.approx(kl_by_formula(layer), rel=1e-5)


def test_a_prior_with_a_trainable_scale_is_read_as_it_stands():
    def prior(dtype, shape, name, trainable, add_variable):
        start = tf_keras.initializers.Constant(0.7)
        scale = add_variable(f"{name}_scale", shape=(), initializer=start, dtype=dtype)
        return tfd.Independent(tfd.Normal(tf.zeros(shape, dtype), scale), len(shape))

    layer = flipout(3, 1, tfl.DenseReparameterization, kernel_prior_fn=prior)
    before = losses_by_layer(layer, IMAGES)["closed_form"].item()
    assert before == pytest.approx(kl_by_formula(layer, prior_stddev=0.7), rel=1e-6)
    next(w for w in layer.trainable_weights if "scale" in w.name and w.shape == ()).assign(1.9)
    after = losses_by_layer(layer, IMAGES).iloc[0]
    assert after["closed_form"] == pytest.approx(kl_by_formula(layer, prior_stddev=1.9), rel=1e-6)
    assert abs(after["difference"]) < 1e-4


def test_a_laplace_prior_by_monte_carlo_has_no_closed_form():
    def prior(dtype, shape, *_):
        return tfd.Independent(tfd.Laplace(tf.zeros(shape, dtype), 1.0), len(shape))

    def by_draws(posterior, prior, _):
        weights = posterior.sample(20)
        return tf.reduce_mean(posterior.log_prob(weights) - prior.log_prob(weights))

    layer = flipout(3, 1, kernel_prior_fn=prior, kernel_divergence_fn=by_draws)
    row = losses_by_layer(layer, IMAGES).iloc[0]
    assert row["entry"] == row["nats"] == float(layer.losses[0])
    assert row["kind"] == "KL, drawn"
    assert row["num_weights"] == 15
    assert math.isnan(row["closed_form"])
    assert math.isnan(row["difference"])


def test_a_closed_form_that_is_not_of_two_gaussians_is_left_to_tfp():
    def prior(dtype, shape, *_):
        return tfd.Sample(tfd.Normal(tf.zeros([], dtype), 0.5), shape)

    def against_the_same_prior(posterior, _, __):
        return tf.constant(1.0)

    layer = flipout(3, 1, kernel_prior_fn=prior, kernel_divergence_fn=against_the_same_prior)
    assert math.isnan(losses_by_layer(layer, IMAGES)["closed_form"].item())


def test_float64_layers_agree_to_float64_precision():
    neural_net = tf_keras.Sequential(
        [flipout(5, 1, dtype="float64"), flipout(3, 2, dtype="float64")]
    )
    table = losses_by_layer(neural_net, IMAGES.astype(np.float64))
    assert {loss.dtype for loss in neural_net.losses} == {tf.float64}
    assert table["difference"].abs().max() < 1e-12
    assert table["nats"].iloc[0] == pytest.approx(kl_by_formula(neural_net.layers[0]), rel=1e-9)


def test_float64_dense_variational_agrees_to_float64_precision():
    layer = variational(3, kl_use_exact=True, dtype="float64")
    table = losses_by_layer(layer, IMAGES.astype(np.float64))
    assert table["difference"].abs().max() < 1e-12


@pytest.fixture(scope="module")
def shared_net():
    return bayesian_network([4, 3])


def test_ten_calls_leave_the_entries_of_one(shared_net):
    for _ in range(10):
        shared_net(IMAGES)
    assert len(losses_by_layer(shared_net)) == 2


def test_a_value_older_than_the_weights_shows_up_as_a_difference(shared_net):
    shared_net(IMAGES)
    mean = shared_net.layers[0].trainable_weights[0]
    mean.assign_add(tf.ones_like(mean))
    row = losses_by_layer(shared_net).iloc[0]
    assert row["closed_form"] == pytest.approx(kl_by_formula(shared_net.layers[0]), rel=1e-6)
    assert row["difference"] < -5
    assert losses_by_layer(shared_net, IMAGES)["difference"].abs().max() < 1e-4


def test_lists_and_float64_images_are_accepted(shared_net):
    from_list = losses_by_layer(shared_net, IMAGES.tolist())
    from_float64 = losses_by_layer(shared_net, IMAGES.astype(np.float64))
    pd.testing.assert_frame_equal(from_list, from_float64)


def test_graph_tensors_left_by_fit_are_refused_and_a_call_is_the_cure(shared_net):
    shared_net.compile(optimizer=tf_keras.optimizers.SGD(0.0), loss="mse")
    shared_net.fit(IMAGES, np.zeros((7, 3), np.float32), epochs=1, batch_size=7, verbose=0)
    with pytest.raises(ValueError, match=r"graph tensors.*Call the network once on a batch"):
        losses_by_layer(shared_net)
    assert losses_by_layer(shared_net, IMAGES[:1])["difference"].abs().max() < 1e-4


def test_a_functional_model_that_was_never_called_is_refused():
    with pytest.raises(ValueError, match="Call the network once on a batch"):
        losses_by_layer(functional())


@pytest.mark.parametrize("make", [sequential, Subclassed, lambda: plain_network([3])])
def test_empty_losses_are_refused_with_the_cure(make):
    with pytest.raises(ValueError, match=r"losses is empty.*call the network.*images\[:1\]"):
        losses_by_layer(make())


def test_a_called_network_without_any_prior_is_refused():
    with pytest.raises(ValueError, match="no layer has both a prior and a divergence"):
        losses_by_layer(flipout(3, 1, kernel_prior_fn=None), IMAGES)


@pytest.mark.parametrize("read", [losses_by_layer, bayesian_layers])
def test_a_keras_3_model_is_refused_with_the_cure(read):
    with pytest.raises(TypeError, match=r"Sequential is a Keras 3 model.*import tf_keras"):
        read(keras.Sequential([keras.layers.Dense(3)]))


@pytest.mark.parametrize("read", [losses_by_layer, bayesian_layers])
def test_what_is_no_network_is_refused(read):
    with pytest.raises(TypeError, match="but got list: pass the network itself"):
        read([1.0, 2.0])


def test_another_way_of_collecting_losses_is_noticed():
    class Hides(tf_keras.Sequential):
        @property
        def losses(self):
            return super().losses[:1]

    neural_net = Hides([flipout(4, 1), flipout(3, 2)])
    neural_net(IMAGES)
    with pytest.raises(RuntimeError, match="owners of 2 of the 1 losses"):
        loss_entries(neural_net)


def test_bayesian_layers_are_found_in_the_order_of_a_call_however_nested():
    neural_net = nested()
    neural_net(IMAGES)
    assert [x.name for x in bayesian_layers(neural_net)] == ["deep", "middle_layer", "outer"]
    assert bayesian_layers(plain_network([3])) == []


def test_bayesian_layers_of_an_unbuilt_network_are_refused_with_the_cure():
    with pytest.raises(ValueError, match=r"not built.*call it once on a batch"):
        bayesian_layers(nested())
