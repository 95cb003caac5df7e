"""Leaving everything as it was: variables, losses, random generators, settings."""

import contextlib
import logging
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.python.eager import context as eager_context
from tensorflow.python.ops import stateful_random_ops
from tf_keras.src import backend

from .reachable import reachable

Undo = Callable[[], None]


@contextlib.contextmanager
def untouched(*roots: Any) -> Iterator[None]:
    """Put back, at the end of the block, whatever the block changes in what the roots refer to.

    Variables (weights, optimizer, metrics), the attributes of layers (``losses`` among them) and
    the states of Python's, NumPy's, TensorFlow's and Keras' random generators.
    """
    found = list(reachable(*roots))
    undo = [_variables(found), *(_layer(x) for x in found if isinstance(x, tf_keras.layers.Layer))]
    undo += [*_generators(), _eager_functions()]
    try:
        with quiet():
            yield
    finally:
        for put_back in reversed(undo):
            put_back()


@contextlib.contextmanager
def state_kept(network: Any) -> Iterator[None]:
    """Put back what a call of a network moves by itself: moving averages, counters, states."""
    if not network.built:  # it has nothing yet to put back
        yield
        return
    trained = {id(variable) for variable in network.trainable_variables}
    put_back = snapshot(v for v in variables_of(network) if id(v) not in trained)
    try:
        yield
    finally:
        put_back()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings of the libraries off stderr."""
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def use_seed(seed: int, *, repeatable: bool = False) -> None:
    """Seed TensorFlow's global generator, far from the seeds that readers use.

    ``tf.random.set_seed`` would also restart the reader's own random operations; so does
    ``repeatable``, without which a second use of the same seed goes on where the first one ended.
    """
    context = eager_context.context()
    context._seed = 987_654_000 + seed
    context._rng = random.Random(context._seed)
    if repeatable:
        context.clear_kernel_cache()


def snapshot(variables: Iterable[tf.Variable]) -> Undo:
    """Return a function that gives the variables their present values again."""
    saved = [(variable, tf.identity(variable.read_value())) for variable in variables]

    def put_back() -> None:
        """Assign the saved values."""
        for variable, value in saved:
            variable.assign(value)

    return put_back


def variables_of(network: Any) -> list[tf.Variable]:
    """Return a network's variables, without the tables of words that look-up layers add to them."""
    return [variable for variable in network.variables if isinstance(variable, tf.Variable)]


def read(variable: Any) -> Any:
    """Return the present value of a variable as an array, one that is kept on several devices too.

    Under ``MirroredStrategy`` a variable is a set of copies, which is no number by itself.
    """
    return np.asarray(tf.convert_to_tensor(variable.read_value()))


def _variables(found: list[Any]) -> Undo:
    variables = [x for x in found if isinstance(x, tf.Variable)]
    if (generator := stateful_random_ops.global_generator) is not None:
        variables.append(generator.state)
    kept = {id(v): v for v in variables if hasattr(v, "read_value") and hasattr(v, "assign")}
    return snapshot(v for v in kept.values() if v.dtype not in (tf.resource, tf.variant))


def _layer(layer: Any) -> Undo:
    """Save the attributes of a layer and its lists of losses."""
    attributes = dict(vars(layer))
    lists = [(v, list(v)) for v in attributes.values() if type(v) is list]
    entries = list(layer._eager_losses)

    def put_back() -> None:
        """Give the layer its saved attributes, and its lists their saved contents."""
        vars(layer).clear()
        vars(layer).update(attributes)
        for original, content in lists:
            original[:] = content
        layer._thread_local._eager_losses = entries

    return put_back


def _generators() -> list[Undo]:
    """Save the states of the global random generators."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (the reader's own)
    context = eager_context.context()
    seed, internal = context._seed, getattr(context, "_rng", None)
    state = internal.getstate() if internal is not None else None
    keras = getattr(backend._SEED_GENERATOR, "generator", None)
    keras_state = keras.getstate() if keras is not None else None

    def tensorflow() -> None:
        """Set the states of TensorFlow's global generator, and of Keras' own, as they were."""
        context._seed, context._rng = seed, internal
        if internal is not None:
            internal.setstate(state)
        if keras is not None:
            keras.setstate(keras_state)

    undo_numpy = lambda: np.random.set_state(numpy)  # noqa: E731, NPY002
    return [lambda: random.setstate(python), undo_numpy, tensorflow]


def _eager_functions() -> Undo:
    before = tf.config.functions_run_eagerly()
    return lambda: tf.config.run_functions_eagerly(before)
