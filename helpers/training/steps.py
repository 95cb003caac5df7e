"""The compiled steps of a training run: many steps to one call, without Python in between.

Introduced in chapters/19-step-cost.md, "Operations in a training step".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras
from tensorflow.python.framework.errors import InaccessibleTensorError

from ..draws.noise import Draw, draw_all, draw_one, is_coin
from ..draws.replay import Traced, describe_draw, random_operations, replay, trace
from ..draws.xla_lowering import check_xla_takes
from ..draws.xla_substitutes import KEPT, SUBSTITUTES
from ..model.inputs import Examples
from .fused_adam import apply_gradients
from .negative_elbo import NegativeElbo

# (*leaves of the data [steps, batch, …], number of the first step) ↦ history [steps, 1 + terms]
Steps = Callable[..., tf.Tensor]
# (*leaves, number of the draw) ↦ terms [1 + terms], one gradient for each trained variable
Gradients = Callable[..., list[tf.Tensor]]


IN_A_LOOP = (
    "A layer adds to losses within a loop of TensorFlow, outside of which a step cannot read it; "
    "fit cannot either. Give an RNN unroll=True, and its Input the number of time steps; a layer "
    "of your own calls its parts in a loop of Python."
)


class Step(NamedTuple):
    """The plain step, traced: its loss and gradients, and the variables that have a gradient.

    ``batch`` holds shape and type of inputs, targets and weights; the first axis is ``None`` for
    any size.
    """

    traced: Traced
    variables: list[tf.Variable]
    batch: Examples


class StepOptions(NamedTuple):
    """What is done with a step: the draws it averages, their seed, the compiler."""

    num_draws: int = 1
    seed: int = 0
    jit_compile: bool = False


def compile_steps(
    step: Step, optimizer: tf_keras.optimizers.Optimizer, options: StepOptions
) -> Steps:
    """Return a function that trains on many batches in one call.

    Parameters
    ----------
    step
        From :func:`trace_step`; for XLA, of a batch whose size is known.
    optimizer
        Of ``tf_keras``, built.
    options
        What is done with the step.

    Returns
    -------
    callable
        Takes the leaves of the data [steps, batch, …] of each step, and the number of the first
        step (int64, from 0). Returns the mean negative log-likelihood (nats) and the terms of
        ``losses`` before each step: [steps, 1 + terms], float64. After a step whose terms are not
        finite it ends, without the move of that step.
    """
    compiled = (_compile_by_xla if options.jit_compile else _compile)(step, options.seed)
    gradients_of = _average(compiled, options.num_draws)

    def move(*leaves_and_number: tf.Tensor) -> tf.Tensor:
        """Return the terms [1 + terms] before the move, which is made if they are finite."""
        terms, *gradients = gradients_of(*leaves_and_number)

        def apply() -> bool:
            """Move the variables; return True, that a step was made."""
            apply_gradients(optimizer, gradients, step.variables)
            return True

        tf.cond(tf.reduce_all(tf.math.is_finite(terms)), apply, lambda: False)
        return terms

    return make_loop(move, step.batch)


def trace_step(
    neural_net: tf_keras.Model,
    batch: Examples,
    objective: NegativeElbo,
    share: float = 1.0,
    kl_share: float = 1.0,
) -> Step:
    """Trace the plain step: the terms of the loss, and its gradients.

    Parameters
    ----------
    neural_net
        Of ``tf_keras``; it has been called.
    batch
        Shape and type of inputs, targets and weights; the first axis may be None, for any size.
    objective
        What is minimised.
    share, kl_share
        What mean negative log-likelihood and ``losses`` count, on several devices.

    Returns
    -------
    Step
        Leaves of the batch ↦ the terms [1 + terms], float64, and the gradients of the loss, for
        each variable that has one.

    Raises
    ------
    ValueError
        If a layer adds to ``losses`` within a loop of TensorFlow.
    """
    variables: list[tf.Variable] = []

    def loss_and_gradients(*leaves: tf.Tensor) -> list[tf.Tensor]:
        """Return the terms [1 + terms], float64, and each gradient that there is."""
        with tf.GradientTape() as tape:
            examples = batch.like(list(leaves))
            terms, loss = objective.of_batch(neural_net, examples, share, kl_share)
        trainable = neural_net.trainable_variables
        gradients = tape.gradient(loss, trainable)
        pairs = [pair for pair in zip(gradients, trainable, strict=True) if pair[0] is not None]
        variables[:] = [variable for _, variable in pairs]
        return [tf.cast(terms, tf.float64), *(tf.convert_to_tensor(pair[0]) for pair in pairs)]

    try:
        traced = trace(loss_and_gradients, *batch.leaves())
    except InaccessibleTensorError as error:
        raise ValueError(IN_A_LOOP) from error
    return Step(traced, variables, batch)


def noise_in_step(traced: Traced, seed: int, number: tf.Tensor) -> Callable[[int, Draw], tf.Tensor]:
    """Return (place among the random operations of a step, what it draws) ↦ the tensor.

    For :func:`~helpers.draws.replay.replay`; ``number`` is that of the draw of the weights. No two
    draws of a training have the same number of their own.
    """
    first = number * len(random_operations(traced))
    return lambda place, draw: draw_one(draw, tf.constant(seed, tf.int64), first + place)


def make_loop(move: Callable[..., tf.Tensor], batch: Examples) -> Steps:
    """Return the loop in the graph around ``move``, (leaves, number of step) ↦ terms."""

    def take(*leaves_and_first: tf.Tensor) -> tf.Tensor:
        """Return the terms before each step [steps, 1 + terms], up to the first not finite."""
        *leaves, first = leaves_and_first
        num_steps = tf.shape(leaves[0])[0]

        def body(index: tf.Tensor, _: tf.Tensor, history: tf.TensorArray) -> Any:
            """Take a step; return the next index, whether the terms are finite, and the history."""
            rows = [leaf[index] for leaf in leaves]
            terms = move(*rows, first + tf.cast(index, tf.int64))
            finite = tf.reduce_all(tf.math.is_finite(terms))
            return index + 1, finite, history.write(index, terms)

        def goes_on(index: tf.Tensor, finite: tf.Tensor, _: Any) -> tf.Tensor:
            """Return whether a step is left and the last one's terms were finite."""
            return tf.logical_and(index < num_steps, finite)

        start = (tf.constant(0), tf.constant(True), tf.TensorArray(tf.float64, num_steps))
        end, _, history = tf.while_loop(goes_on, body, start, parallel_iterations=1)
        return history.gather(tf.range(end))

    data = [tf.TensorSpec([None, *spec.shape], spec.dtype) for spec in batch.leaves()]
    # A concrete function: of many, made one after the other, TensorFlow would warn.
    compiled = tf.function(take, autograph=False)
    return compiled.get_concrete_function(*data, tf.TensorSpec([], tf.int64))


def _compile(step: Step, seed: int) -> Gradients:
    """Compile the traced step by TensorFlow, which draws the noise where it is needed."""

    def gradients_of(*leaves_and_number: tf.Tensor) -> list[tf.Tensor]:
        """Return the terms and gradients for the draw of this number."""
        *leaves, number = leaves_and_number
        return replay(step.traced, leaves, noise_in_step(step.traced, seed, number))

    compiled = tf.function(gradients_of, autograph=False)
    return compiled.get_concrete_function(*step.batch.leaves(), tf.TensorSpec([], tf.int64))


def _compile_by_xla(step: Step, seed: int) -> Gradients:
    """Compile the traced step by XLA, and a program of its own that draws the noise before it.

    Raises
    ------
    XlaRefusalError
        If XLA does not take the step.
    """
    traced = step.traced
    draws = [describe_draw(operation) for operation in random_operations(traced)]
    key = tf.constant(seed, tf.int64)
    noise_of = tf.function(
        lambda number: draw_all(draws, key, number), jit_compile=True, autograph=False
    ).get_concrete_function(tf.TensorSpec([], tf.int64))
    specs = [tf.TensorSpec(draw.shape, draw.dtype) for draw in draws]
    keep = () if any(map(is_coin, draws)) else KEPT  # Flipout, with its signs, gains nothing
    leaves = step.batch.leaves()
    function = tf.function(
        lambda *all_in: replay(
            traced, all_in[: len(leaves)], all_in[len(leaves) :], SUBSTITUTES, keep
        ),
        jit_compile=True,
        autograph=False,
    )
    check_xla_takes(function, [*leaves, *specs])
    compiled = function.get_concrete_function(*leaves, *specs)

    def gradients_of(*leaves_and_number: tf.Tensor) -> Any:
        """Return the terms and gradients for the draw of this number."""
        *leaves, number = leaves_and_number
        return compiled(*leaves, *noise_of(number))[: len(traced.outputs)]

    return gradients_of


def _average(gradients_of: Gradients, num_draws: int) -> Gradients:
    """Return (*leaves, number of the step) ↦ means over the draws of that step."""

    def average(*leaves_and_step: tf.Tensor) -> Any:
        """Return the terms and gradients of a step, each a mean over its draws."""
        *leaves, step = leaves_and_step

        def add(draw: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            """Return the next draw's number, and the sums with this draw's terms and gradients."""
            more = gradients_of(*leaves, step * num_draws + draw)
            return draw + 1, *(total + term for total, term in zip(sums, more, strict=True))

        start = gradients_of(*leaves, step * num_draws)
        if num_draws == 1:
            return start
        first = tf.constant(1, tf.int64)
        _, *sums = tf.while_loop(lambda draw, *_: draw < num_draws, add, (first, *start))
        return [total / num_draws for total in sums]

    return average
