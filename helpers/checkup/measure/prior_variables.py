"""Whether training moves a prior."""

import tensorflow as tf

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
