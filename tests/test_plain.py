"""The plain loop is the oracle of the fast trainer: under the same draws, the same steps."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from step_by_hand import gaussian_kl, nll_of, softplus
from tensorflow_probability.python.internal import samplers

from helpers.draws.noise import Draw, draw_all, draw_one
from helpers.networks.dense import bayesian_network
from helpers.training import train_by_elbo
from helpers.training.batches import BatchOrder
from helpers.training.plain import train_plainly

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(48, 6)).astype(np.float32)
LABELS = RNG.integers(0, 3, 48).astype(np.int32)
SIZES = {"num_epochs": 10, "batch_size": 8, "seed": 3}  # 6 steps an epoch


def draws_of_a_step(batch_size):
    """Two layers of Flipout: noise of the weights, signs of the inputs and of the outputs."""
    return [
        draw
        for inputs, units in ((6, 5), (5, 3))
        for draw in (
            Draw("normal", (inputs, units), tf.float32),
            Draw("integer", (batch_size, inputs), tf.int64),
            Draw("integer", (batch_size, units), tf.int64),
        )
    ]


def noise_of_the_trainer(order, jit_compile):
    """All noise of a training in its order: a function of the seed and the number alone."""
    seed = tf.constant(order.seed, tf.int64)
    numbers = [tf.constant(number, tf.int64) for number in range(order.num_steps)]
    sizes = [order.rows(number, 1).shape[1] for number in range(order.num_steps)]
    if jit_compile:
        draws = draws_of_a_step(*set(sizes))
        all_at_once = tf.function(lambda number: draw_all(draws, seed, number), jit_compile=True)
        return [noise for number in numbers for noise in all_at_once(number)]
    draws = [draw for size in sizes for draw in draws_of_a_step(size)]
    return [draw_one(draw, seed, tf.constant(i, tf.int64)) for i, draw in enumerate(draws)]


@pytest.fixture
def let_layers_draw(monkeypatch):
    """Return a function that lets TFP's layers take given noise, one tensor after the other.

    Nothing is compiled meanwhile, so that each step of the plain loop asks for its draws.
    """

    def let(noise):
        waiting = iter(noise)

        def take_instead_of(draw):
            def take(shape, **how):
                if tf.is_symbolic_tensor(shape):  # Keras looks at the layers of a new batch first
                    return draw(shape, **how)
                return tf.reshape(next(waiting), shape)

            return take

        for name in ("normal", "stateless_uniform"):
            random = samplers.tf.random
            monkeypatch.setattr(random, name, take_instead_of(getattr(random, name)))
        tf.config.run_functions_eagerly(True)
        return waiting

    yield let
    tf.config.run_functions_eagerly(False)


def network():
    neural_net = bayesian_network([5, 3], seed=2)
    neural_net(IMAGES[:1])
    return neural_net


def adam():
    return tf_keras.optimizers.Adam(0.02)


@pytest.mark.parametrize(("num_examples", "jit_compile"), [(45, False), (48, True)])
def test_the_fast_trainer_takes_the_steps_of_the_plain_loop(
    let_layers_draw, num_examples, jit_compile
):
    images, labels = IMAGES[:num_examples], LABELS[:num_examples]
    plain_net, fast_net = network(), network()
    fast = train_by_elbo(
        fast_net, images, labels, optimizer=adam(), jit_compile=jit_compile, **SIZES
    )
    order = BatchOrder(num_examples, SIZES["batch_size"], SIZES["num_epochs"], SIZES["seed"])
    left = let_layers_draw(noise_of_the_trainer(order, jit_compile))
    plain = train_plainly(plain_net, images, labels, optimizer=adam(), **SIZES)
    assert next(left, None) is None
    assert len(plain) == len(fast) == 60
    columns = list(plain)
    np.testing.assert_allclose(fast[columns], plain[columns], rtol=1e-5)
    for one, other in zip(fast_net.get_weights(), plain_net.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert plain["loss"].iloc[-6:].mean() < plain["loss"].iloc[:6].mean()


def test_the_first_row_is_that_of_numpy():
    """A network that always takes its means has no noise: mean NLL, KL, and loss = NLL + KL / N."""
    neural_net = bayesian_network(
        [5, 3],
        seed=2,
        layer_class=tfp.layers.DenseReparameterization,
        kernel_posterior_tensor_fn=lambda q: q.mean(),
    )
    neural_net(IMAGES[:1])
    weights = [v.numpy().astype(np.float64) for v in neural_net.trainable_variables]
    (mean, rho, bias), (mean_2, rho_2, bias_2) = weights[:3], weights[3:]
    history = train_plainly(neural_net, IMAGES, LABELS, optimizer=adam(), **SIZES)
    batch = BatchOrder(len(IMAGES), 8, 10, 3).rows(0, 1)[0]
    hidden = np.maximum(IMAGES[batch] @ mean + bias, 0)
    nll = nll_of(hidden @ mean_2 + bias_2, LABELS[batch])
    kl = gaussian_kl(mean, softplus(rho)) + gaussian_kl(mean_2, softplus(rho_2))
    wanted = [nll, kl, nll + kl / 48]
    np.testing.assert_allclose(history.iloc[0], wanted, rtol=1e-5)
    assert len(history) == 60
