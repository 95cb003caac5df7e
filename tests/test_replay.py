"""A step put together again: the plain step under the same draws, for any layer that is in it."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from step_by_hand import gaussian_kl, nll_of, softplus, step_by_hand, weights_of
from tensorflow_probability.python.internal import samplers

from helpers.draws.replay import (
    describe_draw,
    random_operations,
    replay,
    trace,
    unrepeatable_operations,
)
from helpers.model.inputs import Examples
from helpers.networks.dense import bayesian_network
from helpers.networks.posteriors import gaussian_posterior
from helpers.training import train_by_elbo
from helpers.training.elbo import negative_log_likelihood
from helpers.training.negative_elbo import understand_network
from helpers.training.steps import trace_step

tfd = tfp.distributions
RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(7, 5)).astype(np.float32)
PICTURES = RNG.normal(size=(7, 4, 4, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, 7).astype(np.int32)
KL_WEIGHT = 0.3
WAYS = pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "XLA"])


def traced_step(neural_net, images=IMAGES, kl_weight=KL_WEIGHT):
    """The plain step of a network, traced for seven images: the trace, and its variables."""
    kind = tf.string if images.dtype.kind in "OUS" else images.dtype
    batch = Examples(tf.TensorSpec(images.shape, kind), tf.TensorSpec([7], tf.int32))
    understood = understand_network(neural_net, Examples(images, LABELS))
    step = trace_step(neural_net, batch, understood.negative_elbo(kl_weight))
    return step.traced, step.variables


def noise_for(traced, seed=3):
    """NumPy's draws for what a trace asks for."""
    rng, noise = np.random.default_rng(seed), []
    for draw in map(describe_draw, random_operations(traced)):
        make = {
            "normal": lambda draw: rng.normal(size=draw.shape),
            "uniform": lambda draw: rng.random(draw.shape),
            "integer": lambda draw: rng.integers(draw.low, draw.high, draw.shape),
        }[draw.kind]
        noise.append(np.asarray(make(draw)).astype(draw.dtype.as_numpy_dtype))
    return noise


def compiled(traced, jit_compile=False):
    """(inputs, noise) ↦ outputs of the replayed trace, as arrays."""

    @tf.function(jit_compile=jit_compile)
    def again(inputs, noise):
        return replay(traced, inputs, noise)

    def outputs(inputs, noise):
        inputs, noise = ([tf.constant(array) for array in arrays] for arrays in (inputs, noise))
        return [output.numpy() for output in again(inputs, noise)]

    return outputs


def conv_network():
    return tf_keras.Sequential(
        [
            tfp.layers.Convolution2DFlipout(
                2, 3, activation="relu", kernel_posterior_fn=gaussian_posterior(1), name="conv"
            ),
            tf_keras.layers.Flatten(),
            tfp.layers.DenseFlipout(3, kernel_posterior_fn=gaussian_posterior(2), name="logits"),
        ]
    )


def dense_network(name):
    return bayesian_network([4, 3], seed=2, layer_class=getattr(tfp.layers, name))


DENSE = ("DenseFlipout", "DenseReparameterization", "DenseLocalReparameterization")
NETWORKS = {name: (lambda name=name: dense_network(name), IMAGES, [name] * 2) for name in DENSE}
NETWORKS["Convolution2DFlipout"] = (
    conv_network,
    PICTURES,
    ["Convolution2DFlipout", "DenseFlipout"],
)


def stepped(name, jit_compile=False):
    """Network, noise, terms and gradients of one replayed step."""
    make, images, _ = NETWORKS[name]
    neural_net = make()
    neural_net(images[:1])
    # The same ones whatever ran before: with others, local reparameterization can meet NaN.
    rng = np.random.default_rng(0)
    for weight in neural_net.trainable_weights:  # scales and biases that matter
        if "scale" in weight.name or "bias" in weight.name:
            weight.assign(rng.normal(size=weight.shape))
    traced, variables = traced_step(neural_net, images)
    assert [v.ref() for v in variables] == [v.ref() for v in neural_net.trainable_variables]
    assert unrepeatable_operations(traced) == []
    noise = noise_for(traced)
    terms, *gradients = compiled(traced, jit_compile)([images, LABELS], noise)
    return neural_net, noise, terms, gradients


@pytest.mark.sampled(2)
@WAYS
@pytest.mark.parametrize("name", NETWORKS)
def test_terms_and_gradients_equal_those_of_float64_under_the_same_noise(name, jit_compile):
    _, images, kinds = NETWORKS[name]
    neural_net, noise, terms, gradients = stepped(name, jit_compile)
    weights = weights_of(neural_net)
    wanted, wanted_gradients = step_by_hand(kinds, weights, noise, images, LABELS, KL_WEIGHT)
    np.testing.assert_allclose(terms, wanted, rtol=1e-5)
    for found, gradient in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=2e-6)


def give_to_samplers(monkeypatch, noise):
    """Let TFP's eager layers draw this noise, in this order; return what is left of it."""
    left = list(noise)

    def taken(shape, dtype):
        value = left.pop(0)
        assert value.shape == tuple(np.ravel(shape))
        return tf.cast(value, dtype)

    def normal(shape, mean=0.0, stddev=1.0, dtype=tf.float32, **_):
        return mean + stddev * taken(shape, dtype)

    def uniform(shape, minval=0, maxval=None, dtype=tf.float32, **_):
        assert (minval, maxval) == (0, 2)
        return taken(shape, dtype)

    monkeypatch.setattr(samplers, "normal", normal)
    monkeypatch.setattr(samplers, "uniform", uniform)
    return left


def plain_step(neural_net, images):
    """TFP's step as everybody writes it, eagerly."""
    with tf.GradientTape() as tape:
        nll = negative_log_likelihood(neural_net(images, training=True), LABELS)
        loss = nll + KL_WEIGHT * sum(neural_net.losses)
    terms = [float(nll), *map(float, neural_net.losses)]
    return terms, tape.gradient(loss, neural_net.trainable_variables)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_equals_the_plain_eager_step_of_tfp_under_the_same_draws(name, monkeypatch):
    neural_net, noise, terms, gradients = stepped(name)
    left = give_to_samplers(monkeypatch, noise)
    plain_terms, plain_gradients = plain_step(neural_net, NETWORKS[name][1])
    assert left == []
    np.testing.assert_allclose(terms, plain_terms, rtol=1e-6)
    for found, gradient in zip(gradients, plain_gradients, strict=True):
        np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-6)


def test_other_noise_would_be_seen(monkeypatch):
    neural_net, noise, terms, _ = stepped("DenseFlipout")
    give_to_samplers(monkeypatch, [noise[0], 1 - noise[1], *noise[2:]])  # the signs turned round
    assert plain_step(neural_net, IMAGES)[0][0] != pytest.approx(terms[0], rel=1e-3)


def kernel_of_dense_variational(exact):
    """TFP's DenseVariational 5 → 3 with N(μ, σ²) and N(0, 1), its KL exact or by the draw."""

    def posterior(kernel_size, bias_size=0, dtype=None):
        size = kernel_size + bias_size
        split = tfd.Independent, tfd.Normal
        return tf_keras.Sequential(
            [
                tfp.layers.VariableLayer(2 * size, initializer="random_uniform"),
                tfp.layers.DistributionLambda(
                    lambda t: split[0](split[1](t[..., :size], tf.nn.softplus(t[..., size:])), 1)
                ),
            ]
        )

    def prior(kernel_size, bias_size=0, dtype=None):
        size = kernel_size + bias_size
        standard = tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), 1)
        return tf_keras.Sequential([tfp.layers.DistributionLambda(lambda _: standard)])

    return tf_keras.Sequential([tfp.layers.DenseVariational(3, posterior, prior, 1.0, exact)])


@WAYS
@pytest.mark.parametrize("exact", [True, False], ids=["exact KL", "KL of the draw"])
def test_dense_variational_equals_float64_under_the_same_noise(exact, jit_compile):
    neural_net = kernel_of_dense_variational(exact)
    neural_net(IMAGES[:1])
    traced, _ = traced_step(neural_net)
    (noise,) = noise_for(traced)
    terms, _ = compiled(traced, jit_compile)([IMAGES, LABELS], [noise])
    mean, rho = np.split(weights_of(neural_net)[0], 2)
    noise = noise[0]
    stddev = softplus(rho)
    w = mean + stddev * noise
    logits = IMAGES.astype(np.float64) @ w[:15].reshape(5, 3) + w[15:]
    kl = gaussian_kl(mean, stddev) if exact else np.sum(w**2 - noise**2) / 2 - np.log(stddev).sum()
    np.testing.assert_allclose(terms, [nll_of(logits, LABELS), kl], rtol=1e-5)


def replayed(function, *inputs, jit_compile=False, seed=3):
    """Draws (their noise) and outputs of any traced function."""
    traced = trace(function, *(tf.TensorSpec(x.shape, x.dtype) for x in inputs))
    noise = noise_for(traced, seed)
    return noise, compiled(traced, jit_compile)(inputs, noise)


@WAYS
def test_dropout_keeps_what_the_uniform_draw_says(jit_compile):
    layer = tf_keras.layers.Dropout(0.4)
    (noise,), (output,) = replayed(
        lambda x: layer(x, training=True), IMAGES, jit_compile=jit_compile
    )
    np.testing.assert_allclose(output, np.where(noise >= 0.4, IMAGES / 0.6, 0), rtol=1e-6)


@WAYS
def test_batch_normalization_moves_its_averages_once(jit_compile):
    layer = tf_keras.layers.BatchNormalization(momentum=0.9)
    layer.build(IMAGES.shape)
    _, (output,) = replayed(lambda x: layer(x, training=True), IMAGES, jit_compile=jit_compile)
    mean, variance = IMAGES.mean(axis=0), IMAGES.var(axis=0)
    np.testing.assert_allclose(output, (IMAGES - mean) / np.sqrt(variance + 1e-3), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * variance, rtol=1e-4)


@WAYS
def test_state_that_is_written_and_read_again_is_read_as_it_was_written(jit_compile):
    counter = tf.Variable(2.0)

    def function(x):
        before = counter.read_value()
        counter.assign_add(10.0)
        return before, counter.read_value() + 0 * tf.reduce_sum(x)

    _, outputs = replayed(function, IMAGES, jit_compile=jit_compile)
    assert (*outputs, float(counter)) == (2.0, 12.0, 12.0)


@WAYS
def test_branches_and_loops_of_the_graph_are_kept(jit_compile):
    def function(x):
        total = tf.reduce_sum(x) + tf.random.normal([])
        turned = tf.cond(total > 0, lambda: x, lambda: -x)
        return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, 2 * y), [0, turned])[1]

    for image in (IMAGES, -IMAGES):
        (noise,), (output,) = replayed(function, image, jit_compile=jit_compile)
        sign = 1 if image.sum() + noise > 0 else -1
        np.testing.assert_allclose(output, 8 * sign * image, rtol=1e-6)


@WAYS
def test_the_gradient_of_an_embedding_is_that_of_all_its_rows(jit_compile):
    neural_net = tf_keras.Sequential(
        [
            tf_keras.layers.Embedding(6, 4, input_length=2),
            tf_keras.layers.Flatten(),
            tfp.layers.DenseReparameterization(3, kernel_posterior_fn=gaussian_posterior(1)),
        ]
    )
    words = RNG.integers(0, 6, (7, 2)).astype(np.float32)
    neural_net(words[:1])
    traced, variables = traced_step(neural_net, words)
    (noise,) = noise_for(traced)
    _, *gradients = compiled(traced, jit_compile)([words, LABELS], [noise])
    weights = weights_of(neural_net)
    assert variables[0].shape == gradients[0].shape == (6, 4)

    def nll(table):
        x = table[0][words.astype(int)].reshape(7, 8)
        mean, rho, bias = weights[1:]
        return nll_of(x @ (mean + softplus(rho) * noise[0]) + bias, LABELS)

    table, wanted = weights[0], np.empty((6, 4))
    for place in np.ndindex(6, 4):
        move = np.zeros((6, 4))
        move[place] = 1e-5
        wanted[place] = (nll([table + move]) - nll([table - move])) / 2e-5
    np.testing.assert_allclose(gradients[0], wanted, rtol=1e-4, atol=1e-6)


@WAYS
def test_results_of_a_kind_come_after_the_outputs_where_they_are_asked_for(jit_compile):
    def function(x):
        tf.nn.softplus(2 * x)  # nothing needs it
        return [tf.reduce_sum(tf.nn.softplus(x) ** 2), x + 1]

    traced = trace(function, tf.TensorSpec(IMAGES.shape, IMAGES.dtype))
    again = tf.function(
        lambda x: replay(traced, [x], [], keep=("Softplus",)), jit_compile=jit_compile
    )
    squares, more, kept = again(tf.constant(IMAGES))
    wanted = np.logaddexp(0, IMAGES.astype(np.float64))
    np.testing.assert_allclose(kept, wanted, rtol=1e-6)
    np.testing.assert_allclose(squares, (wanted**2).sum(), rtol=1e-6)
    np.testing.assert_array_equal(more, IMAGES + 1)


def test_a_variable_without_a_gradient_is_left_out():
    class Idle(tf_keras.layers.Layer):
        def build(self, shape):
            self.idle = self.add_weight("idle", shape=[2])

        def call(self, x):
            return x

    neural_net = tf_keras.Sequential([Idle(), *dense_network("DenseFlipout").layers])
    neural_net(IMAGES[:1])
    _, variables = traced_step(neural_net)
    wanted = [v.name for v in neural_net.trainable_variables if "idle" not in v.name]
    assert [variable.name for variable in variables] == wanted
    assert len(wanted) == len(neural_net.trainable_variables) - 1


def test_draws_that_nothing_needs_are_not_asked_for():
    def function(x):
        tf.random.normal([1000])
        return x + tf.random.normal([5])

    (noise,), (output,) = replayed(function, IMAGES)
    np.testing.assert_allclose(output, IMAGES + noise, rtol=1e-6)


def test_each_draw_is_described_as_it_is():
    def function(x):
        return (
            tf.random.normal([7, 3]),
            tf.random.uniform(tf.shape(x)),
            tf.random.uniform([2], -4, 3, tf.int32),
            tf.random.normal([], dtype=tf.float64),
            tfp.random.rademacher([5]),
        )

    traced = trace(function, tf.TensorSpec([7, 5]))
    assert [tuple(describe_draw(it)) for it in random_operations(traced)] == [
        ("normal", (7, 3), tf.float32, 0, 2),
        ("uniform", (7, 5), tf.float32, 0, 2),
        ("integer", (2,), tf.int32, -4, 3),
        ("normal", (), tf.float64, 0, 2),
        ("integer", (5,), tf.int64, 0, 2),
    ]


def test_draws_of_a_constant_seed_stay_what_they_are():
    def function(x):
        return x + tf.random.stateless_normal([5], [1, 2]) + tf.random.normal([5])

    (noise,), (output,) = replayed(function, IMAGES)
    same = tf.random.stateless_normal([5], [1, 2])
    np.testing.assert_allclose(output, IMAGES + same + noise, rtol=1e-5, atol=1e-6)


def test_a_draw_that_is_not_taken_from_outside_is_seeded_from_there():
    """A gamma draw of TFP takes its seed from a draw of whole numbers, which comes from outside."""

    def function(x):
        return x + tfd.Sample(tfd.Normal(0.0, 1.0), 5).sample() * tfd.Gamma(2.0, 1.0).sample()

    traced = trace(function, tf.TensorSpec(IMAGES.shape))
    assert unrepeatable_operations(traced) == []
    again = compiled(traced)
    outputs = [again([IMAGES], noise_for(traced, seed))[0] for seed in (3, 3, 4)]
    assert outputs[0].tobytes() == outputs[1].tobytes()
    assert outputs[0].tobytes() != outputs[2].tobytes()


GENERATOR = tf.random.Generator.from_seed(1)


def test_a_generator_of_tensorflow_is_no_obstacle():
    def function(x):
        return x + GENERATOR.normal([5])

    (noise,), (output,) = replayed(function, IMAGES)
    np.testing.assert_allclose(output, IMAGES + noise, rtol=1e-6)
    assert unrepeatable_operations(trace(function, tf.TensorSpec([7, 5]))) == []


def drawn_in_a_loop(x):
    def body(i, y):
        return i + 1, y + tf.random.normal([5])

    return tf.while_loop(lambda i, _: i < 3, body, [0, x])[1]


def drawn_in_a_function_of_a_function(x):
    inner = tf.function(lambda y: y + tf.random.normal([5]))
    return tf.function(lambda y: tf.cond(tf.reduce_sum(y) > 0, lambda: inner(y), lambda: y))(x)


def drawn_in_one_of_many_cases(x):
    cases = [lambda: x, lambda: x + tf.random.normal([5])]
    return tf.switch_case(tf.cast(x[0, 0], tf.int32), cases)


UNREPEATABLE = {
    "gamma": (lambda x: x + tf.random.gamma([5], 2.0), "gamma"),
    "truncated": (lambda x: x + tf.random.truncated_normal([5]), "truncated_normal"),
    "categorical": (lambda x: tf.random.categorical(x, 1), "categorical"),
    "shuffle": (lambda x: tf.random.shuffle(x), "shuffle"),
    "loop": (drawn_in_a_loop, "while"),
    "function of a function": (drawn_in_a_function_of_a_function, "Call"),
    "case": (drawn_in_one_of_many_cases, "case"),
    "generator": (lambda x: x + GENERATOR.truncated_normal([5]), "RngReadAndSkip"),
}


@pytest.mark.parametrize("case", UNREPEATABLE)
def test_draws_that_cannot_come_from_outside_are_reported(case):
    function, name = UNREPEATABLE[case]
    (found,) = unrepeatable_operations(trace(function, tf.TensorSpec([7, 5])))
    assert name.lower() in found.lower()


def test_what_draws_nothing_is_not_reported():
    def function(x):
        loop = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, 2 * y), [0, x])
        seeded = tf.random.stateless_gamma([5], [1, 2], 2.0)
        return loop[1] + seeded + tf.random.normal([5])

    assert unrepeatable_operations(trace(function, tf.TensorSpec([7, 5]))) == []


def gamma_network():
    """A Bayesian layer after noise from a gamma distribution."""
    noise = tf_keras.layers.Lambda(lambda x: x * tf.random.gamma([5], 2.0), name="noisy")
    return tf_keras.Sequential([noise, *bayesian_network([3], seed=1).layers])


def test_such_a_network_trains_but_not_into_a_folder(tmp_path):
    options = {"num_epochs": 2, "batch_size": 4, "progress": False}
    assert len(train_by_elbo(gamma_network(), IMAGES, LABELS, **options)) == 4
    folder = tmp_path / "folder"
    message = r"noisy.*random_gamma.*resumed draw for draw.*without folder"
    with pytest.raises(ValueError, match=message):
        train_by_elbo(gamma_network(), IMAGES, LABELS, folder=folder, **options)
    assert not folder.exists()


def test_xla_is_not_chosen_for_such_a_network_however_long_the_training(monkeypatch):
    monkeypatch.setattr("helpers.training.stepper.UPDATES_THAT_PAY", 0.0)
    options = {"num_epochs": 1, "batch_size": 4, "progress": False}
    assert len(train_by_elbo(gamma_network(), IMAGES, LABELS, **options)) == 2


def test_a_function_may_draw_where_the_inputs_decide_the_shape():
    def noisy(x):
        rows = x + tf.random.normal(tf.shape(x))
        return (
            rows * tf.random.uniform([5])
            - tf.cast(tf.random.uniform([2, 5], 0, 9, tf.int32), x.dtype)[0]
        )

    traced, asked = trace(noisy, tf.TensorSpec([None, 5])), []

    def ones(place, draw):
        asked.append((place, draw.kind, draw.low, draw.high))
        return tf.cast(tf.fill(draw.shape, place + 1), draw.dtype)

    again = tf.function(lambda x: replay(traced, [x], ones)[0])
    for size in (7, 3):
        np.testing.assert_allclose(again(IMAGES[:size]), (IMAGES[:size] + 1) * 2 - 3, rtol=1e-6)
    assert asked[:3] == [(0, "normal", 0, 2), (1, "uniform", 0, 2), (2, "integer", 0, 9)]


@pytest.mark.parametrize("number", [0, 2])
def test_noise_for_fewer_or_more_draws_is_refused(number):
    traced = trace(lambda x: x + tf.random.normal([5]), tf.TensorSpec([7, 5]))
    with pytest.raises(ValueError, match=f"draws 1 times, but {number} were given"):
        compiled(traced)([IMAGES], [np.zeros(5, np.float32)] * number)


def test_a_draw_of_unknown_shape_or_range_is_told():
    by_size = trace(lambda x: x + tf.random.normal(tf.shape(x)), tf.TensorSpec([None, 5]))
    with pytest.raises(ValueError, match=r"random_normal.*not known before the call.*fixed shape"):
        describe_draw(random_operations(by_size)[0])
    by_range = trace(
        lambda x: tf.random.uniform([5], 0, tf.cast(x[0, 0], tf.int32), tf.int32),
        tf.TensorSpec([7, 5]),
    )
    with pytest.raises(ValueError, match=r"random_uniform.*range.*not known before the call"):
        describe_draw(random_operations(by_range)[0])


def test_bias_with_a_posterior_has_draws_of_its_own():
    prior = tfp.layers.default_multivariate_normal_fn
    options = {"bias_posterior_fn": gaussian_posterior(9), "bias_prior_fn": prior}
    neural_net = bayesian_network([3], layer_class=tfp.layers.DenseReparameterization, **options)
    neural_net(IMAGES[:1])
    traced, _ = traced_step(neural_net)
    kernel_noise, bias_noise = noise_for(traced)
    terms, *_ = compiled(traced)([IMAGES, LABELS], [kernel_noise, bias_noise])
    mean, rho, bias_mean, bias_rho = weights_of(neural_net)
    kernel = mean + softplus(rho) * kernel_noise[0]
    logits = IMAGES.astype(np.float64) @ kernel + bias_mean + softplus(bias_rho) * bias_noise[0]
    kls = gaussian_kl(mean, softplus(rho)), gaussian_kl(bias_mean, softplus(bias_rho))
    np.testing.assert_allclose(terms, [nll_of(logits, LABELS), *kls], rtol=1e-5)
