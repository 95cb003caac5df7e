"""Where a posterior starts: made anew by the function that its layer keeps for that."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from tf_keras.src import backend

from ...model.weight_posteriors import Posterior, unwrap

tfd = tfp.distributions


class Start(NamedTuple):
    """A posterior as its layer would make it.

    Notes
    -----
    stddev
        Median of the standard deviations.
    nats_per_weight
        KL from a prior that is new as well, NaN without a closed form.
    """

    stddev: float
    nats_per_weight: float


def start_of(posterior: Posterior) -> Start | None:
    """Return where a posterior starts, None if its layer does not keep how it was made."""
    with _same_names():
        try:
            made = _made_anew(posterior)
        except Exception:  # noqa: BLE001 (a function of the reader's that works only once)
            return None
    if made is None:
        return None
    q, p = made
    try:
        stddev = float(np.median(np.asarray(q.stddev())))
    except NotImplementedError:
        return None
    try:
        nats = float(tf.reduce_sum(tfd.kl_divergence(q, p))) / posterior.num_weights
    except Exception:  # noqa: BLE001 (no prior, or no closed form)
        nats = float("nan")
    return Start(stddev, nats)


def _made_anew(posterior: Posterior) -> tuple[Any, Any] | None:
    layer = posterior.layer
    if isinstance(layer, tfp.layers.DenseVariational):
        size = layer.input_spec.axes[-1]
        probe = tf.zeros([1, size])
        arguments = size * layer.units, layer.units if layer.use_bias else 0, layer.dtype
        makers = layer._make_posterior_fn, layer._make_prior_fn
        q, p = (unwrap(make(*arguments)(probe)) for make in makers)
        return q, p
    make = getattr(layer, f"{posterior.part}_posterior_fn", None)
    make_prior = getattr(layer, f"{posterior.part}_prior_fn", None)
    if make is None or posterior.make is None:
        return None
    distribution = posterior.make()
    shape = distribution.batch_shape.concatenate(distribution.event_shape).as_list()
    name = f"{posterior.part}_posterior"
    q = make(distribution.dtype, shape, name, False, _add_variable)
    p = make_prior and make_prior(distribution.dtype, shape, "prior", False, _add_variable)
    return q, p


def _add_variable(
    name: str,
    shape: Any,
    dtype: Any = None,
    initializer: Any = None,
    trainable: bool = True,
    **_: Any,
) -> tf.Variable:
    """Return a variable that belongs to no layer, as ``Layer.add_weight`` would make it."""
    make = tf_keras.initializers.get(initializer or "glorot_uniform")
    return tf.Variable(make(shape, dtype=dtype), name=name, trainable=trainable)


@contextlib.contextmanager
def _same_names() -> Iterator[None]:
    """Keep the numbers that Keras gives to new layers without a name."""
    names = backend.get_default_graph_uid_map()
    before = dict(names)
    try:
        yield
    finally:
        names.clear()
        names.update(before)
