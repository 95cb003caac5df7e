"""Adam as one operation: the numbers of Keras' Adam, and Keras' way for everything else."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import helpers.training.fused_adam
from helpers.training.fused_adam import apply_gradients, is_plain_adam

OPTIMIZERS = tf_keras.optimizers
RNG = np.random.default_rng(5)
STARTS = [RNG.normal(size=shape) for shape in ((5, 3), (3,), ())]
# 20 steps: gradients of all sizes, zeros among them.
GRADIENTS = [[10.0 ** RNG.integers(-6, 4) * RNG.normal(size=s.shape) for s in STARTS]] * 2
GRADIENTS += [[RNG.normal(size=s.shape) * (RNG.random(s.shape) < 0.7) for s in STARTS]] * 18


def moved(optimizer, apply, compiled=False, dtype=tf.float32):
    """All variables after the steps: the trained ones, then the optimizer's."""
    variables = [tf.Variable(start, dtype=dtype) for start in STARTS]
    optimizer.build(variables)

    def step(*gradients):
        apply(optimizer, gradients, variables)

    step = tf.function(step) if compiled else step
    for gradients in GRADIENTS:
        step(*(tf.constant(gradient, dtype) for gradient in gradients))
    return [variable.numpy() for variable in [*variables, *optimizer.variables()]]


def keras_way(optimizer, gradients, variables):
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def numpy_adam(learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """The variables after the steps, by the formulas of the paper in float64."""
    values = [start.astype(np.float64) for start in STARTS]
    m, v = ([np.zeros_like(value) for value in values] for _ in range(2))
    for t, gradients in enumerate(GRADIENTS, start=1):
        rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        for i, gradient in enumerate(gradients):
            m[i] = beta_1 * m[i] + (1 - beta_1) * gradient
            v[i] = beta_2 * v[i] + (1 - beta_2) * gradient**2
            values[i] = values[i] - rate * m[i] / (np.sqrt(v[i]) + epsilon)
    return values


PLAIN = {
    "as it is": {},
    "other settings": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "weight decay off": {"weight_decay": None},
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("settings", PLAIN.values(), ids=PLAIN)
def test_twenty_steps_equal_those_of_keras_in_every_variable(settings, compiled):
    found, wanted = (
        moved(OPTIMIZERS.Adam(0.03, **settings), apply, compiled)
        for apply in (apply_gradients, keras_way)
    )
    assert found[len(STARTS)] == wanted[len(STARTS)] == 20  # iterations
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", PLAIN.values(), ids=PLAIN)
def test_twenty_steps_equal_the_formulas_of_the_paper(settings):
    found = moved(OPTIMIZERS.Adam(0.03, **settings), apply_gradients)[: len(STARTS)]
    numbers = {name: value for name, value in settings.items() if value is not None}
    for one, other in zip(found, numpy_adam(0.03, **numbers), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_double_precision_is_kept():
    found = moved(OPTIMIZERS.Adam(0.03), apply_gradients, dtype=tf.float64)[: len(STARTS)]
    for one, other in zip(found, numpy_adam(0.03), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_keras_goes_on_from_where_it_stopped_and_the_other_way_round():
    def in_turns(optimizer, gradients, variables):
        ways = (apply_gradients, keras_way)
        ways[int(optimizer.iterations) % 2](optimizer, gradients, variables)

    found, wanted = (moved(OPTIMIZERS.Adam(0.03), apply) for apply in (in_turns, keras_way))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_learning_rate_that_is_changed_counts_from_the_next_step_on():
    optimizer, variable = OPTIMIZERS.Adam(0.5), tf.Variable([1.0, 2.0])
    optimizer.build([variable])
    step = tf.function(lambda: apply_gradients(optimizer, [tf.ones(2)], [variable]))
    step()
    np.testing.assert_allclose(variable, [0.5, 1.5], rtol=1e-4)  # Adam's steps are of this size
    optimizer.learning_rate = 0.25
    step()
    np.testing.assert_allclose(variable, [0.25, 1.25], rtol=1e-4)


def test_variables_without_a_gradient_stay_and_the_others_keep_their_own_momentum():
    results = []
    for apply in (apply_gradients, keras_way):
        optimizer, variables = OPTIMIZERS.Adam(0.03), [tf.Variable(start) for start in STARTS]
        optimizer.build(variables)
        for _ in range(3):
            apply(optimizer, [tf.ones([3], tf.float64)], variables[1:2])
        results.append([v.numpy() for v in [*variables, *optimizer.variables()]])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


class MyAdam(OPTIMIZERS.Adam):
    """A subclass may do anything."""


SCHEDULE = OPTIMIZERS.schedules.ExponentialDecay(0.03, decay_steps=3, decay_rate=0.5)
OTHERS = {
    "AdamW": lambda: OPTIMIZERS.AdamW(0.03, weight_decay=0.1),
    "weight decay": lambda: OPTIMIZERS.Adam(0.03, weight_decay=0.1),
    "clipnorm": lambda: OPTIMIZERS.Adam(0.03, clipnorm=0.1),
    "clipvalue": lambda: OPTIMIZERS.Adam(0.03, clipvalue=0.1),
    "global clipnorm": lambda: OPTIMIZERS.Adam(0.03, global_clipnorm=0.1),
    "schedule": lambda: OPTIMIZERS.Adam(SCHEDULE),
    "AMSGrad": lambda: OPTIMIZERS.Adam(0.03, amsgrad=True),
    "moving average": lambda: OPTIMIZERS.Adam(0.03, use_ema=True, ema_overwrite_frequency=2),
    "adaptive epsilon": lambda: OPTIMIZERS.Adam(0.03, epsilon=0.1, adaptive_epsilon=True),
    "Nadam": lambda: OPTIMIZERS.Nadam(0.03),
    "SGD": lambda: OPTIMIZERS.SGD(0.03, momentum=0.9),
    "subclass": lambda: MyAdam(0.03),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_everything_else_goes_the_way_of_keras(make):
    assert not is_plain_adam(make())
    found, wanted = (moved(make(), apply) for apply in (apply_gradients, keras_way))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_the_old_optimizers_go_their_own_way(name):
    results = []
    for apply in (apply_gradients, keras_way):
        optimizer = getattr(OPTIMIZERS.legacy, name)(0.03)
        variables = [tf.Variable(start, dtype=tf.float32) for start in STARTS]
        for gradients in GRADIENTS[:4]:
            apply(optimizer, [tf.constant(g, tf.float32) for g in gradients], variables)
        results.append([v.numpy() for v in [*variables, *optimizer.variables()]])
    assert not is_plain_adam(getattr(OPTIMIZERS.legacy, name)())
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", ["clipnorm", "AMSGrad", "moving average", "adaptive epsilon"])
def test_the_short_way_would_be_wrong_for_the_others(case, monkeypatch):
    """What the tests above would see if such an optimizer were taken for plain Adam."""
    wanted = moved(OTHERS[case](), keras_way)
    monkeypatch.setattr(helpers.training.fused_adam, "is_plain_adam", lambda _: True)
    found = moved(OTHERS[case](), apply_gradients)
    pairs = zip(found[: len(STARTS)], wanted, strict=False)
    assert not all(np.allclose(one, other, rtol=1e-3) for one, other in pairs)


def test_an_optimizer_of_other_variables_is_refused_with_the_words_of_keras():
    optimizer = OPTIMIZERS.Adam(0.03)
    optimizer.build([tf.Variable(1.0)])
    with pytest.raises(KeyError, match="optimizer cannot recognize variable"):
        apply_gradients(optimizer, [tf.constant(1.0)], [tf.Variable(2.0)])
