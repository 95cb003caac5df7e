"""Whether training moves a prior."""

from typing import Any

import numpy as np
import tensorflow as tf

from ...model.likelihood import flatten_heads
from ...model.loss_entries import ADDED, loss_entries
from ...model.untouched import use_seed
from ...model.weight_posteriors import Posterior


def is_trained_prior(posterior: Posterior) -> bool:
    """Whether the prior of some weights changes with a trainable variable."""
    variables = posterior.variables
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        prior = posterior.prior()
        if prior is None:
            return False
        shape = prior.batch_shape.concatenate(prior.event_shape)
        total = tf.reduce_sum(prior.log_prob(tf.fill(shape, tf.cast(0.3, prior.dtype))))
    gradients = tape.gradient(total, variables)
    pairs = zip(variables, gradients, strict=True)
    return any(v.trainable and g is not None for v, g in pairs)


def moves_entry_alone(network: Any, inputs: Any, layer: Any, known: set[int]) -> bool:
    """Whether a trained variable of a layer moves what the layer adds, and no output at all.

    In a layer of a reader's own, which keeps no distributions, that is a parameter of its prior.

    Parameters
    ----------
    network, inputs
        What to call.
    layer
        The reader's.
    known
        ``id`` of variables that are something else: the weight of a KL.
    """
    own = [v for v in layer.trainable_variables if id(v) not in known]
    use_seed(1, repeatable=True)
    with tf.GradientTape(persistent=True) as tape:
        for variable in own:
            tape.watch(variable)
        leaves = flatten_heads(network(inputs))
        outputs = tf.add_n([tf.reduce_sum(tf.square(tf.cast(leaf, tf.float32))) for leaf in leaves])
        added = [
            tf.reduce_sum(it.value)
            for it in loss_entries(network)
            if it.layer is layer and it.part == ADDED
        ]
        entry = tf.add_n(added) if added else tf.constant(0.0)
    of_outputs, of_entry = (tape.gradient(it, own) for it in (outputs, entry))
    pairs = zip(of_entry, of_outputs, strict=True)
    return any(
        output is None and entry is not None and np.any(np.asarray(tf.convert_to_tensor(entry)))
        for entry, output in pairs
    )
