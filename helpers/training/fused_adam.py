"""Adam's update as one operation for each variable, instead of Keras' dozen.

``tf_keras.optimizers.legacy.Adam`` calls the same operation by itself, schedules included, and
needs nothing of this. It is here for the Adam that everybody writes, ``tf_keras.optimizers.Adam``:
with Keras' own update a step of the question's network takes a seventh to a quarter longer.

Introduced in chapters/19-step-cost.md, "The same Adam, and noise that any step can make again".
"""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras


def apply_gradients(
    optimizer: tf_keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
) -> None:
    """Move the variables by one step of the optimizer; plain Adam takes the short way.

    The short way computes the same numbers on the optimizer's own variables, so that Keras can go
    on from them, save them and show them. Every other optimizer goes Keras' way, and so does Adam
    where a variable has a constraint to be put on it after the step.

    References
    ----------
    Kingma and Ba (2015), *Adam*, section 2, in the form at its end.
    """
    is_short = is_plain_adam(optimizer) and not any(map(_is_constrained, variables))
    if not is_short or not knows(optimizer, variables):
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return
    for gradient, variable in zip(gradients, variables, strict=True):
        index = optimizer._index_dict[optimizer._var_key(variable)]
        step = tf.cast(optimizer.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[index].handle,
            v=optimizer._velocities[index].handle,
            beta1_power=optimizer.beta_1**step,
            beta2_power=optimizer.beta_2**step,
            lr=tf.cast(optimizer.learning_rate, variable.dtype),
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )
    optimizer.iterations.assign_add(1)


def is_plain_adam(optimizer: tf_keras.optimizers.Optimizer) -> bool:
    """Whether it is Adam with nothing added: no clipping, decay, average or schedule, say."""
    if type(optimizer) is not tf_keras.optimizers.Adam:
        return False
    extras = (
        *("clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "use_ema", "amsgrad"),
        "adaptive_epsilon",
    )
    schedule = tf_keras.optimizers.schedules.LearningRateSchedule
    return not any(getattr(optimizer, name, False) for name in extras) and not isinstance(
        optimizer._learning_rate, schedule
    )


def _is_constrained(variable: tf.Variable) -> bool:
    return getattr(variable, "constraint", None) is not None


def knows(optimizer: tf_keras.optimizers.Optimizer, variables: Sequence[tf.Variable]) -> bool:
    """Whether it is built, and for these variables."""
    known = getattr(optimizer, "_index_dict", {})
    return all(optimizer._var_key(variable) in known for variable in variables)
