"""The compiled steps of a training run: many steps to one call, without Python in between."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from helpers.elbo import negative_log_likelihood
from helpers.fused_adam import apply_gradients
from helpers.noise import Algorithm, Draw, draw_noise
from helpers.replay import Traced, describe_draw, random_operations, replay, trace
from helpers.xla_substitutes import KEPT, SUBSTITUTES

# (images [steps, batch, …], labels [steps, batch], number of the first step)
# ↦ history [steps, 1 + entries]
Steps = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
# (images, labels, noise) ↦ terms [1 + entries] and one gradient for each trained variable
Gradients = Callable[..., list[tf.Tensor]]


class StepOptions(NamedTuple):
    """What a step does: the factor on the KL, the draws it averages, their seed, the compiler."""

    kl_weight: float
    num_draws: int = 1
    seed: int = 0
    jit_compile: bool = False


def compile_steps(
    neural_net: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer,
    batch: tuple[tf.TensorSpec, tf.TensorSpec],
    options: StepOptions,
) -> Steps:
    """Return a function that trains on many batches in one call.

    Parameters
    ----------
    neural_net, optimizer
        Of ``tf_keras``; the network has been called, the optimizer built.
    batch
        Shape and type of a batch of images and of its labels.
    options
        What a step does.

    Returns
    -------
    callable
        Takes the images [steps, batch, …] and labels [steps, batch] of each step, and the number of
        the first step (int64, from 0). Returns the mean negative log-likelihood and the entries of
        ``losses`` before each step, in nats: [steps, 1 + entries], float64. After a step whose
        terms are not finite it ends, without the move of that step.
    """
    traced, variables = trace_step(neural_net, batch, options.kl_weight)
    draws = [describe_draw(operation) for operation in random_operations(traced)]
    noise_of = compile_noise(draws, options)
    gradients_of = _average(_compile(traced, batch, draws, options), noise_of, options.num_draws)

    def move(images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        terms, *gradients = gradients_of(images, labels, step)

        def apply() -> bool:
            apply_gradients(optimizer, gradients, variables)
            return True

        tf.cond(tf.reduce_all(tf.math.is_finite(terms)), apply, lambda: False)
        return terms

    return make_loop(move, batch)


def trace_step(
    neural_net: tf_keras.Model,
    batch: tuple[tf.TensorSpec, tf.TensorSpec],
    kl_weight: float,
    nll_weight: float = 1.0,
) -> tuple[Traced, list[tf.Variable]]:
    """Trace the plain step: the two terms of the loss, and its gradients.

    Returns
    -------
    traced
        (images, labels) ↦ the terms [1 + entries], nats, float64, and the gradients of
        ``nll_weight`` · NLL + ``kl_weight`` · KL.
    variables
        Those that have a gradient, in order.
    """
    variables: list[tf.Variable] = []

    def loss_and_gradients(images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            nll = negative_log_likelihood(neural_net(images, training=True), labels)
            kls = tf.stack(neural_net.losses)  # after the call, inside the tape
            loss = nll_weight * nll + kl_weight * tf.reduce_sum(kls)
        trainable = neural_net.trainable_variables
        gradients = tape.gradient(loss, trainable)
        pairs = [pair for pair in zip(gradients, trainable, strict=True) if pair[0] is not None]
        variables[:] = [variable for _, variable in pairs]
        terms = tf.concat([nll[None], kls], 0)
        return [tf.cast(terms, tf.float64), *(tf.convert_to_tensor(pair[0]) for pair in pairs)]

    return trace(loss_and_gradients, *batch), variables


def compile_noise(
    draws: list[Draw], options: StepOptions
) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """Return number of the draw ↦ its random tensors."""
    algorithm: Algorithm = "threefry" if options.jit_compile else "philox"
    seed = tf.constant(options.seed, tf.int64)
    return tf.function(
        lambda number: draw_noise(draws, seed, number, algorithm),
        jit_compile=options.jit_compile,
        autograph=False,
    ).get_concrete_function(tf.TensorSpec([], tf.int64))


def make_loop(
    move: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
    batch: tuple[tf.TensorSpec, tf.TensorSpec],
) -> Steps:
    """Return the loop in the graph around ``move``, (images, labels, number of step) ↦ terms."""

    def take(images: tf.Tensor, labels: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        num_steps = tf.shape(labels)[0]

        def body(index: tf.Tensor, _: tf.Tensor, history: tf.TensorArray) -> Any:
            terms = move(images[index], labels[index], first + tf.cast(index, tf.int64))
            finite = tf.reduce_all(tf.math.is_finite(terms))
            return index + 1, finite, history.write(index, terms)

        def goes_on(index: tf.Tensor, finite: tf.Tensor, _: Any) -> tf.Tensor:
            return tf.logical_and(index < num_steps, finite)

        start = (tf.constant(0), tf.constant(True), tf.TensorArray(tf.float64, num_steps))
        end, _, history = tf.while_loop(goes_on, body, start, parallel_iterations=1)
        return history.gather(tf.range(end))

    data = [tf.TensorSpec([None, *spec.shape], spec.dtype) for spec in batch]
    # A concrete function: of many, made one after the other, TensorFlow would warn.
    compiled = tf.function(take, autograph=False)
    return compiled.get_concrete_function(*data, tf.TensorSpec([], tf.int64))


def _compile(
    traced: Traced,
    batch: tuple[tf.TensorSpec, tf.TensorSpec],
    draws: list[Draw],
    options: StepOptions,
) -> Gradients:
    """Compile the traced step for noise that comes from outside."""
    substitutes, kept = (SUBSTITUTES, KEPT) if options.jit_compile else ({}, ())
    noise_specs = [tf.TensorSpec(draw.shape, draw.dtype) for draw in draws]
    compiled = tf.function(
        lambda images, labels, *noise: replay(traced, [images, labels], noise, substitutes, kept),
        jit_compile=options.jit_compile,
        autograph=False,
    ).get_concrete_function(*batch, *noise_specs)
    return lambda *inputs: compiled(*inputs)[: len(traced.outputs)]


def _average(
    gradients_of: Gradients, noise_of: Callable[[tf.Tensor], list[tf.Tensor]], num_draws: int
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], list[tf.Tensor]]:
    """Return (images, labels, number of the step) ↦ means over the draws of that step."""

    def average(images: tf.Tensor, labels: tf.Tensor, step: tf.Tensor) -> Any:
        def add(draw: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            more = gradients_of(images, labels, *noise_of(step * num_draws + draw))
            return draw + 1, *(total + term for total, term in zip(sums, more, strict=True))

        start = gradients_of(images, labels, *noise_of(step * num_draws))
        if num_draws == 1:
            return start
        first = tf.constant(1, tf.int64)
        _, *sums = tf.while_loop(lambda draw, *_: draw < num_draws, add, (first, *start))
        return [total / num_draws for total in sums]

    return average
