"""Predictions by draws: shape, repeatability, and the exact predictive of a model of one weight."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from helpers.losses import losses_by_layer
from helpers.networks.dense import bayesian_network, plain_network
from helpers.prediction import predict_by_draws


def class_draws(*arguments, **options):
    """Return the probabilities [draws, examples, classes] of a network of logits."""
    return predict_by_draws(*arguments, likelihood=CLASSES, **options).draws


# One worker for the file: its fixtures are drawn once.
pytestmark = pytest.mark.xdist_group("prediction")

CLASSES = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
IMAGES = np.random.default_rng(2).normal(size=(7, 5)).astype(np.float32)
MEAN, STDDEV = 0.7, 1.5
INPUTS = np.array([[-3.0], [0.5], [1.0], [4.0]], np.float32)


@pytest.fixture(scope="module")
def neural_net():
    return bayesian_network([4, 3])


@pytest.fixture(scope="module")
def draws(neural_net):
    return class_draws(neural_net, IMAGES, num_draws=6, seed=1)


@pytest.fixture(scope="module")
def one_weight_draws():
    """600 draws of p(class 1 | x) = sigmoid(w x) with w from N(MEAN, STDDEV²)."""
    constant = tf_keras.initializers.Constant
    posterior_fn = tfp.layers.default_mean_field_normal_fn(
        loc_initializer=constant(MEAN),
        untransformed_scale_initializer=constant(np.log(np.expm1(STDDEV))),
    )
    layer = tfp.layers.DenseReparameterization(
        1, kernel_posterior_fn=posterior_fn, bias_posterior_fn=None
    )
    logits = tf_keras.layers.Lambda(lambda logit: tf.concat([tf.zeros_like(logit), logit], axis=1))
    return class_draws(tf_keras.Sequential([layer, logits]), INPUTS, num_draws=600, seed=3)


def test_gives_probabilities_per_draw_example_and_class(draws):
    assert draws.shape == (6, 7, 3)
    assert draws.dtype == np.float64
    assert draws.min() > 0
    np.testing.assert_allclose(draws.sum(axis=-1), np.ones((6, 7)), rtol=1e-12)


def test_every_draw_differs(draws):
    assert len({draw.tobytes() for draw in draws}) == 6


@pytest.mark.parametrize("num_draws", [4, 15])  # of one piece, and more
def test_the_seed_fixes_the_draws(num_draws):
    def predict(neural_net, seed):
        return class_draws(neural_net, IMAGES, num_draws, seed)

    neural_net = bayesian_network([4, 3])
    first = predict(neural_net, seed=1)  # the call that builds the network
    tf.random.set_seed(77)
    np.testing.assert_array_equal(predict(neural_net, seed=1), first)
    others = predict(neural_net, seed=2)
    assert not {draw.tobytes() for draw in first} & {other.tobytes() for other in others}


@pytest.mark.parametrize("num_draws", [4, 15])  # of one piece, and more
def test_losses_can_be_read_afterwards(num_draws):
    neural_net = bayesian_network([4, 3])
    class_draws(neural_net, IMAGES, num_draws)
    table = losses_by_layer(neural_net)
    assert table["difference"].abs().max() < 1e-4


def test_the_mean_over_draws_is_the_exact_predictive_of_a_model_of_one_weight(one_weight_draws):
    def integrand(weight, x):
        return scipy.special.expit(weight * x) * scipy.stats.norm.pdf(weight, MEAN, STDDEV)

    for index, x in enumerate(INPUTS[:, 0].astype(float)):
        exact, _ = scipy.integrate.quad(integrand, MEAN - 9 * STDDEV, MEAN + 9 * STDDEV, args=(x,))
        drawn = one_weight_draws[:, index, 1]
        error = scipy.stats.sem(drawn)
        assert abs(drawn.mean() - exact) < 4 * error
        if x == 4.0:  # averaging logits instead of probabilities would be told apart
            assert abs(scipy.special.expit(MEAN * x) - exact) > 10 * error


def test_the_weights_behind_the_draws_are_the_posterior_s(one_weight_draws):
    weights = scipy.special.logit(one_weight_draws[:, :, 1]) / INPUTS[:, 0]
    np.testing.assert_allclose(weights, weights[:, 1:2] * np.ones(4), rtol=1e-4, atol=1e-4)
    assert scipy.stats.kstest(weights[:, 1], "norm", (MEAN, STDDEV)).pvalue > 0.01


def test_a_plain_network_gives_its_softmax_at_every_draw():
    plain = plain_network([4, 3])
    expected = scipy.special.softmax(plain(IMAGES).numpy().astype(np.float64), axis=1)
    for draw in class_draws(plain, IMAGES, num_draws=3):
        np.testing.assert_allclose(draw, expected, rtol=1e-5)


def test_the_weights_stay_as_they_are(neural_net, draws):
    before = neural_net.get_weights()
    class_draws(neural_net, IMAGES, num_draws=2)
    for weight, start in zip(neural_net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, start)


@pytest.mark.parametrize("num_draws", [0, -2])
def test_no_draw_is_refused(neural_net, num_draws):
    with pytest.raises(ValueError, match=f"num_draws is {num_draws}: .* at least 1"):
        class_draws(neural_net, IMAGES, num_draws)


def test_images_with_nan_are_refused(neural_net):
    images = IMAGES.copy()
    images[[3, 5], 1] = np.nan
    with pytest.raises(ValueError, match=r"2 of 7 examples of inputs hold NaN.*first at index 3"):
        class_draws(neural_net, images, 2)


def test_a_single_image_without_its_axis_is_refused(neural_net):
    with pytest.raises(ValueError, match=r"A single example is inputs\[:1\], a single"):
        class_draws(neural_net, IMAGES[0], 2)


def test_a_keras_3_network_is_refused():
    with pytest.raises(TypeError, match="is a Keras 3 model"):
        class_draws(keras.Sequential([keras.layers.Dense(3)]), IMAGES, 2)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("layer", ["Flipout", "Reparameterization", "LocalReparameterization"])
def test_neither_the_bound_nor_more_draws_nor_the_compiler_change_a_draw(layer):
    neural_net = bayesian_network([6, 3], layer_class=getattr(tfp.layers, f"Dense{layer}"))
    images = np.random.default_rng(4).normal(size=(150, 5)).astype(np.float32)
    whole = class_draws(neural_net, images, 7, seed=1)
    assert len({draw.tobytes() for draw in whole}) == 7
    options = [{"max_memory": 8e4}, {"max_memory": 3e4}, {"jit_compile": True}]
    for changed in options:
        np.testing.assert_allclose(
            class_draws(neural_net, images, 7, seed=1, **changed), whole, rtol=2e-5, atol=1e-6
        )
    fewer = class_draws(neural_net, images, 2, seed=1)
    np.testing.assert_allclose(fewer, whole[:2], rtol=2e-5, atol=1e-6)


def test_images_of_several_pieces_share_the_weights_of_a_draw():
    neural_net = bayesian_network([3], layer_class=tfp.layers.DenseReparameterization)
    images = np.ones((90, 5), np.float32)
    draws = class_draws(neural_net, images, 3, max_memory=2e4)
    np.testing.assert_allclose(draws, np.repeat(draws[:, :1], 90, axis=1), rtol=1e-5)


def test_copies_of_an_image_in_several_pieces_have_signs_of_their_own():
    neural_net = bayesian_network([3])
    draws = class_draws(neural_net, np.ones((90, 5), np.float32), 3, max_memory=2e4)
    assert len({draws[0, index].tobytes() for index in range(90)}) > 10


class GammaScale(tf_keras.layers.Layer):
    """Draws in a way that cannot be taken from outside."""

    def call(self, inputs):
        return inputs * tf.random.gamma([], 3.0)


def test_draws_that_cannot_be_numbered_come_from_one_call_each():
    neural_net = tf_keras.Sequential([tf_keras.layers.Dense(3), GammaScale()])
    draws = class_draws(neural_net, IMAGES, 4, seed=2, max_memory=1)
    assert len({draw.tobytes() for draw in draws}) == 4
    # The softmax of another number of draws may round otherwise, in the last bit of a double.
    again, fewer = (class_draws(neural_net, IMAGES, number, seed=2) for number in (4, 2))
    np.testing.assert_allclose(again, draws, rtol=1e-12)
    np.testing.assert_allclose(fewer, draws[:2], rtol=1e-12)
    ratios = np.log(draws[..., 0] / draws[..., 1])  # one factor for a draw, none for an image
    np.testing.assert_allclose(
        ratios / ratios[:, :1], np.tile(ratios[0] / ratios[0, 0], (4, 1)), 1e-3
    )


@pytest.mark.parametrize(
    ("bound", "message"), [(0, "positive number of bytes"), (50, "too small|needs")]
)
def test_a_bound_that_holds_nothing_is_refused(neural_net, bound, message):
    with pytest.raises(ValueError, match=rf"max_memory is {bound}.*({message})"):
        class_draws(neural_net, IMAGES, 2, max_memory=bound)


def test_a_convolution_whose_draws_have_no_vectorised_form_logs_nothing(caplog, capfd):
    layer = tfp.layers.Convolution2DReparameterization(2, 2)
    images = np.ones((7, 3, 4, 1), np.float32)
    draws = class_draws(tf_keras.Sequential([layer]), images, num_draws=2)
    assert draws.shape == (2, 7, 2, 3, 2)
    assert "pfor" not in caplog.text + capfd.readouterr().err


def test_small_calls_log_nothing(neural_net, caplog, capfd):
    for num_draws in (1, 2, 3, 4, 5, 6):
        class_draws(neural_net, IMAGES, num_draws)
    assert "retracing" not in caplog.text + capfd.readouterr().err
