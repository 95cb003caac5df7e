"""Many steps to one call: worked out by hand, unbiased, whole or not at all, in any portions."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from step_by_hand import gaussian_kl, softplus, step_by_hand, weights_of

import helpers.training.steps
from helpers.draws.noise import draw_all, draw_one
from helpers.draws.replay import describe_draw, random_operations
from helpers.model.inputs import Examples
from helpers.networks.dense import bayesian_network
from helpers.training.negative_elbo import understand_network
from helpers.training.steps import StepOptions, compile_steps, trace_step

RNG = np.random.default_rng(1)
IMAGES = RNG.normal(size=(17, 5)).astype(np.float32)
LABELS = RNG.integers(0, 3, 17).astype(np.int32)
KL_WEIGHT, RATE = 0.05, 0.3
SGD = tf_keras.optimizers.SGD
WAYS = pytest.mark.parametrize("jit_compile", [False, True], ids=["plain", "XLA"])
KINDS = ("DenseFlipout", "DenseReparameterization", "DenseLocalReparameterization")


def compiled(neural_net, optimizer, options, images=IMAGES, labels=LABELS, batch_size=7):
    """(rows, number of the first step) ↦ history, as an array."""
    images_spec = tf.TensorSpec([batch_size, *images.shape[1:]], tf.float32)
    batch = Examples(images_spec, tf.TensorSpec([batch_size], tf.int32))
    optimizer.build(neural_net.trainable_variables)
    objective = understand_network(neural_net, Examples(images, labels)).negative_elbo(KL_WEIGHT)
    steps = compile_steps(trace_step(neural_net, batch, objective), optimizer, options)

    def history(rows, first=0):
        rows = np.asarray(rows, int)
        data = tf.constant(images[rows]), tf.constant(labels[rows])
        return steps(*data, tf.constant(first, tf.int64)).numpy()

    return history


def network(kind="DenseFlipout"):
    # Behind a ReLU, DenseLocalReparameterization has no gradient where a whole row is 0.
    widths = [3] if kind == "DenseLocalReparameterization" else [4, 3]
    neural_net = bayesian_network(widths, seed=2, layer_class=getattr(tfp.layers, kind))
    neural_net(IMAGES[:1])
    return neural_net


def rows_of(num_steps, batch_size=7):
    rng = np.random.default_rng(5)
    return np.stack([rng.permutation(17)[:batch_size] for _ in range(num_steps)]).astype(np.int32)


def noise_of_step(neural_net, options, number):
    """The noise that draw `number` of a run has, as arrays."""
    batch = Examples(tf.TensorSpec([7, 5]), tf.TensorSpec([7], tf.int32))
    objective = understand_network(neural_net, Examples(IMAGES, LABELS)).negative_elbo(0.0)
    traced = trace_step(neural_net, batch, objective).traced
    draws = [describe_draw(it) for it in random_operations(traced)]
    seed, number = tf.constant(8, tf.int64), tf.constant(number, tf.int64)
    if options.jit_compile:
        drawn = tf.function(lambda: draw_all(draws, seed, number), jit_compile=True)()
    else:
        first = number * len(draws)
        drawn = [draw_one(draw, seed, first + place) for place, draw in enumerate(draws)]
    return [draw.numpy() for draw in drawn]


@pytest.mark.sampled(2)
@WAYS
@pytest.mark.parametrize(("kind", "num_draws"), [*((kind, 1) for kind in KINDS), (KINDS[0], 2)])
def test_steps_equal_those_worked_out_by_hand(kind, num_draws, jit_compile):
    neural_net, rows = network(kind), rows_of(2)
    options = StepOptions(num_draws, seed=8, jit_compile=jit_compile)
    weights, wanted = weights_of(neural_net), []
    for step, row in enumerate(rows, start=4):
        parts = [
            step_by_hand(
                [kind] * len(neural_net.layers),
                weights,
                noise_of_step(neural_net, options, step * num_draws + draw),
                IMAGES[row],
                LABELS[row],
                KL_WEIGHT,
            )
            for draw in range(num_draws)
        ]
        wanted.append(np.mean([terms for terms, _ in parts], axis=0))
        gradients = [np.mean(same, axis=0) for same in zip(*(g for _, g in parts), strict=True)]
        weights = [w - RATE * g for w, g in zip(weights, gradients, strict=True)]
    history = compiled(neural_net, SGD(RATE), options)(rows, first=4)
    assert history.dtype == np.float64
    np.testing.assert_allclose(history, wanted, rtol=1e-5)
    for found, weight in zip(weights_of(neural_net), weights, strict=True):
        np.testing.assert_allclose(found, weight, rtol=1e-4, atol=1e-5)


@WAYS
@pytest.mark.parametrize("num_draws", [1, 2])
def test_portions_of_any_size_give_the_same_bytes(num_draws, jit_compile):
    options = StepOptions(num_draws, seed=8, jit_compile=jit_compile)
    rows, results = rows_of(7), []
    neural_net, optimizer = network(), tf_keras.optimizers.Adam(0.05)
    start = neural_net.get_weights()
    steps = compiled(neural_net, optimizer, options)
    for size in (7, 1, 3):
        neural_net.set_weights(start)
        for variable in optimizer.variables():
            if "learning_rate" not in variable.name:
                variable.assign(tf.zeros_like(variable))
        history = [steps(rows[first : first + size], first) for first in range(0, 7, size)]
        values = [v.numpy().tobytes() for v in [*neural_net.variables, *optimizer.variables()]]
        results.append([np.concatenate(history).tobytes(), *values])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_for_batches_of_any_size_is_that_for_each_size(kind):
    histories = {}
    for traced_for in (7, 5, None):
        neural_net = network(kind)
        steps = compiled(neural_net, SGD(RATE), StepOptions(2, 8), batch_size=traced_for)
        sizes = (7, 5) if traced_for is None else (traced_for,)
        start = neural_net.get_weights()
        for size in sizes:
            neural_net.set_weights(start)
            histories[traced_for, size] = steps(rows_of(3, size), first=4)
    for size in (7, 5):
        np.testing.assert_allclose(histories[None, size], histories[size, size], rtol=1e-5)
    assert not np.allclose(histories[None, 7], histories[None, 5], rtol=1e-3)


@pytest.mark.parametrize(("kind", "kept"), [(KINDS[0], ()), (KINDS[1], ("Softplus",))])
def test_scales_are_kept_where_a_kernel_has_one_product(monkeypatch, kind, kept):
    replay, keeps = helpers.training.steps.replay, []

    def watched(*arguments):
        keeps.append(arguments[-1])
        return replay(*arguments)

    monkeypatch.setattr(helpers.training.steps, "replay", watched)
    compiled(network(kind), SGD(RATE), StepOptions(jit_compile=True))
    assert keeps == [kept]


def test_no_steps_give_no_rows():
    neural_net = network()
    history = compiled(neural_net, SGD(RATE), StepOptions())(np.empty((0, 7)))
    assert history.shape == (0, 3)


@WAYS
@pytest.mark.parametrize("optimizer", [SGD, tf_keras.optimizers.Adam], ids=["SGD", "Adam"])
def test_a_step_that_is_not_finite_is_the_last_and_moves_nothing(optimizer, jit_compile):
    images = np.vstack([IMAGES, np.full((1, 5), np.inf, np.float32)])
    rows = rows_of(5)
    rows[2, 3] = 17
    labels, weights, results = np.r_[LABELS, 0].astype(np.int32), [], []
    for taken in (rows[:2], rows):
        neural_net, used = network(), optimizer(0.05)
        options = StepOptions(seed=8, jit_compile=jit_compile)
        results.append(compiled(neural_net, used, options, images, labels)(taken))
        weights.append([v.numpy() for v in [*neural_net.variables, *used.variables()]])
    before, after = results
    assert len(after) == 3
    assert not np.isfinite(after[2]).all()
    np.testing.assert_array_equal(after[:2], before)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


class Recorder(tf_keras.optimizers.Optimizer):
    """Moves nothing: adds up gradients and their squares, in double precision."""

    def __init__(self):
        super().__init__(name="recorder", jit_compile=False)
        self._learning_rate = self._build_learning_rate(0.0)

    def build(self, variables):
        super().build(variables)
        if not getattr(self, "_built", False):
            self._built = True
            make = [tf.zeros(variable.shape, tf.float64) for variable in variables]
            self.sums = [tf.Variable(zeros) for zeros in make]
            self.squares = [tf.Variable(zeros) for zeros in make]

    def update_step(self, gradient, variable):
        index = self._index_dict[self._var_key(variable)]
        self.sums[index].assign_add(tf.cast(gradient, tf.float64))
        self.squares[index].assign_add(tf.cast(gradient, tf.float64) ** 2)

    def get_config(self):
        return {}


ONE_FEATURE = np.linspace(-2, 3, 7)[:, None].astype(np.float32)
TWO_CLASSES = np.array([0, 1, 0, 0, 1, 1, 1], np.int32)
NUM_STEPS = 4000


def one_layer(kind, **options):
    """One feature, two classes: the NLL depends on one Gaussian, the difference of the logits."""
    layer_class = getattr(tfp.layers, kind)
    neural_net = bayesian_network([2], seed=3, layer_class=layer_class, **options)
    neural_net(ONE_FEATURE[:1])
    for weight, value in zip(
        neural_net.trainable_weights, ([[0.3, -0.5]], [[0.2, -0.4]], [0.1, -0.2]), strict=True
    ):
        weight.assign(value)
    return neural_net


@functools.cache
def recorded(kind, num_draws=1, jit_compile=False, num_steps=NUM_STEPS, **layer_options):
    """Mean and variance of a step's gradient: for means, scales and biases, one after the other."""
    optimizer = Recorder()
    steps = compiled(
        one_layer(kind, **layer_options),
        optimizer,
        StepOptions(num_draws, seed=8, jit_compile=jit_compile),
        ONE_FEATURE,
        TWO_CLASSES,
    )
    steps(np.tile(np.arange(7), (num_steps, 1)))
    mean, square = (
        np.concatenate([np.ravel(v) for v in values]) / num_steps
        for values in (optimizer.sums, optimizer.squares)
    )
    return mean, (square - mean**2) * num_steps / (num_steps - 1)


def exact_gradient():
    """Of E[NLL] + KL_WEIGHT · KL, by Gauss-Hermite quadrature over the difference of the logits."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(101)
    masses = masses / masses.sum()
    x, sign = ONE_FEATURE.astype(np.float64), np.where(TWO_CLASSES == 1, -1.0, 1.0)

    def objective(values):
        means, rhos, biases = values[:2], values[2:4], values[4:]
        stddev = np.abs(x) * np.hypot(*softplus(rhos))
        difference = x * (means[0] - means[1]) + biases[0] - biases[1] + stddev * nodes
        nll = np.mean(softplus(-sign[:, None] * difference) @ masses)
        return nll + KL_WEIGHT * gaussian_kl(means, softplus(rhos))

    start = np.array([0.3, -0.5, 0.2, -0.4, 0.1, -0.2])
    moves = 1e-5 * np.eye(6)
    return np.array([(objective(start + m) - objective(start - m)) / 2e-5 for m in moves])


def errors_of(mean, variance, num_steps=NUM_STEPS):
    """How far a mean gradient lies from the exact one, in standard errors."""
    return np.abs(mean - exact_gradient()) / np.sqrt(variance / num_steps)


@WAYS
@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_of_many_gradients_is_the_exact_one(kind, jit_compile):
    assert errors_of(*recorded(kind, jit_compile=jit_compile)).max() < 4


BIASED = {
    "scales get no gradient": lambda q: q.mean() + tf.stop_gradient(q.sample() - q.mean()),
    "noise 5 % too large": lambda q: q.mean() + 1.05 * (q.sample() - q.mean()),
    "noise off its centre": lambda q: q.sample() + 0.05 * q.stddev(),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("draw", BIASED.values(), ids=BIASED)
def test_a_biased_estimator_would_be_seen(draw):
    kind = "DenseReparameterization"
    found = recorded(kind, jit_compile=True, num_steps=20_000, kernel_posterior_tensor_fn=draw)
    assert errors_of(*found, num_steps=20_000).max() > 4
    fair = recorded(kind, jit_compile=True, num_steps=20_000)
    assert errors_of(*fair, num_steps=20_000).max() < 4


@WAYS
def test_four_draws_average_and_have_a_quarter_of_the_variance(jit_compile):
    one, four = (
        recorded("DenseFlipout", num_draws, jit_compile=jit_compile) for num_draws in (1, 4)
    )
    assert errors_of(*four).max() < 4
    np.testing.assert_allclose(one[1] / four[1], np.full(6, 4.0), rtol=0.25)


def test_draws_of_a_step_are_no_draws_of_its_neighbours():
    """Of S draws a step, the next step takes the next S: else 4 draws would not average."""
    batch = rows_of(1)
    nlls = []
    for num_draws in (1, 3):
        neural_net = network()
        options = StepOptions(num_draws, seed=8)
        steps = compiled(neural_net, SGD(0.0), options)
        nlls.append(steps(np.tile(batch, (6 // num_draws, 1)))[:, 0])
    assert len(np.unique(nlls[0])) == 6
    np.testing.assert_allclose(nlls[0].reshape(2, 3).mean(axis=1), nlls[1], rtol=1e-6)


@pytest.mark.parametrize("num_draws", [1, 3])
def test_averages_of_the_inputs_move_once_for_each_draw(num_draws):
    normalization = tf_keras.layers.BatchNormalization(momentum=0.9)
    neural_net = tf_keras.Sequential([normalization, *bayesian_network([3], seed=1).layers])
    neural_net(IMAGES[:1])
    steps = compiled(neural_net, SGD(0.0), StepOptions(num_draws))
    steps(np.tile(np.arange(7), (2, 1)))
    wanted = (1 - 0.9 ** (2 * num_draws)) * IMAGES[:7].mean(axis=0)
    np.testing.assert_allclose(normalization.moving_mean, wanted, rtol=1e-4, atol=1e-6)


def test_double_precision_trains_too():
    neural_net = tf_keras.Sequential([tfp.layers.DenseReparameterization(3, dtype=tf.float64)])
    neural_net(IMAGES[:1])
    for optimizer in (tf_keras.optimizers.Adam(0.05), SGD(0.05)):
        history = compiled(neural_net, optimizer, StepOptions())(rows_of(20))
        assert history[-1, 1] < history[0, 1]
