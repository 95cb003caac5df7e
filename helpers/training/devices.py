"""The steps of a training on several devices, with the result of one device."""

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ..draws.replay import Traced, describe_draw, random_operations, replay
from ..model.untouched import variables_of
from .negative_elbo import NegativeElbo
from .steps import (
    Step,
    StepOptions,
    Steps,
    compile_steps,
    make_loop,
    noise_in_step,
    trace_step,
)


def compile_steps_for_devices(
    neural_net: tf_keras.Model,
    step: Step,
    objective: NegativeElbo,
    optimizer: tf_keras.optimizers.Optimizer,
    options: StepOptions,
) -> Steps:
    """Return :func:`~helpers.training.steps.compile_steps` for the devices of the network.

    Under a strategy with R > 1 replicas, each takes its part of every batch. A replica's mean over
    b of B examples counts b/B, and its KL, which is the KL of the whole network, 1/R: so the sum
    over the replicas holds the KL once. The noise is drawn for the whole batch, the same on every
    replica, and each takes the part that belongs to its examples.

    Raises
    ------
    ValueError
        If the batch has fewer examples than there are replicas, several draws a step or XLA are
        asked for on several devices, or a layer takes statistics over the batch.
    """
    strategy = neural_net.distribute_strategy
    if strategy.num_replicas_in_sync == 1:
        return compile_steps(step, optimizer, options)
    batch_size, num_replicas = step.batch.leaves()[0].shape[0], strategy.num_replicas_in_sync
    check_devices(neural_net, [batch_size], options)

    def on_replica(leaves: Sequence[tf.Tensor], noise: Sequence[tf.Tensor]) -> Any:
        """Return a replica's share of the terms [1 + terms], in nats, and of the gradients."""
        replica = _replica_number()
        start, end = (batch_size * (replica + more) // num_replicas for more in (0, 1))
        part = step.batch.like(
            [tf.TensorSpec([end - start, *x.shape[1:]], x.dtype) for x in step.batch.leaves()]
        )
        share = (end - start) / batch_size
        with warnings.catch_warnings():  # TFP fears for draws that are replaced here
            warnings.filterwarnings("ignore", message="Using stateful random seeds in replicated")
            mine = trace_step(neural_net, part, objective, share, 1 / num_replicas).traced
        noise = take_part(noise, mine, start, end)
        terms, *gradients = replay(mine, [leaf[start:end] for leaf in leaves], noise)
        return tf.concat([share * terms[:1], terms[1:] / num_replicas], 0), gradients

    def move(*leaves_and_number: tf.Tensor) -> tf.Tensor:
        """Return the terms [1 + terms] of the whole batch, in nats, before the move it makes."""
        *leaves, number = leaves_and_number
        noise = _noise_of_batch(step.traced, options.seed, number)
        of_replicas, gradients = strategy.run(on_replica, (leaves, noise))
        terms = strategy.reduce(tf.distribute.ReduceOp.SUM, of_replicas, axis=None)
        _apply_if_finite(strategy, optimizer, step.variables, (terms, gradients))
        return terms

    return make_loop(move, step.batch)


def _apply_if_finite(
    strategy: tf.distribute.Strategy,
    optimizer: tf_keras.optimizers.Optimizer,
    variables: Sequence[tf.Variable],
    results: tuple[tf.Tensor, Any],
) -> None:
    """Move the variables on all replicas, unless a term of the loss is not finite."""
    terms, gradients = results

    def on_replica(gradients: Any) -> None:
        """Move the variables of a replica by the sum of all replicas' gradients."""
        optimizer.apply_gradients(zip(gradients, variables, strict=True))  # sums over replicas

    def on_all() -> bool:
        """Move the variables on every replica; return True, that a step was made."""
        strategy.run(on_replica, (gradients,))
        return True

    tf.cond(tf.reduce_all(tf.math.is_finite(terms)), on_all, lambda: False)


def _noise_of_batch(traced: Traced, seed: int, number: tf.Tensor) -> list[tf.Tensor]:
    """Return the noise of a step on the whole batch, as a single device draws it."""
    draw = noise_in_step(traced, seed, number)
    return [draw(*it) for it in enumerate(map(describe_draw, random_operations(traced)))]


def take_part(noise: Sequence[tf.Tensor], traced: Traced, start: int, end: int) -> list[tf.Tensor]:
    """Return the noise of the examples from ``start`` to ``end`` of a batch.

    Parameters
    ----------
    noise
        Of the whole batch.
    traced
        The step, traced for end − start examples: an axis of its draws that is shorter than that of
        ``noise`` counts examples (signs of Flipout), or several rows for each of them, one example
        after the other, and is cut; noise of the weights is kept.
    start, end
        Which examples.
    """
    parts = []
    for whole, operation in zip(noise, random_operations(traced), strict=True):
        cut = []
        for full, mine in zip(whole.shape, describe_draw(operation).shape, strict=True):
            each = 1 if full == mine else mine // (end - start)
            cut.append(slice(None) if full == mine else slice(each * start, each * end))
        parts.append(whole[tuple(cut)])
    return parts


def check_devices(
    neural_net: tf_keras.Model, batch_sizes: Collection[int], options: StepOptions
) -> None:
    """Raise if batches of these sizes cannot be trained on the network's devices.

    Raises
    ------
    ValueError
        As :func:`compile_steps_for_devices` says.
    """
    num_replicas = neural_net.distribute_strategy.num_replicas_in_sync
    if num_replicas == 1:
        return
    if min(batch_sizes) < num_replicas:
        raise ValueError(
            f"A batch of {min(batch_sizes)} cannot be split over {num_replicas} replicas: choose a "
            "batch size so that the last batch of an epoch, too, has an example for each."
        )
    if options.num_draws > 1 or options.jit_compile:
        raise ValueError(
            "On several devices each step takes one draw, without XLA: pass num_draws=1 and "
            "jit_compile=False."
        )
    of_parts = tf.VariableSynchronization.ON_READ  # what each replica keeps of its own
    names = [it.name for it in variables_of(neural_net) if it.synchronization == of_parts]
    if names:
        raise ValueError(
            f"{names[0]} is a statistic that each device takes over its own part of a batch, as "
            "batch normalisation does, so that the result is not that of one device: train on one "
            "device, or use tf_keras.layers.LayerNormalization."
        )


def _replica_number() -> int:
    return int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
