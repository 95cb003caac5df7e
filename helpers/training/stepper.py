"""The stepper: takes the steps of a training, fast, and knows nothing of folders and bars.

:func:`~helpers.training.train.train_by_elbo` is a loop around it that saves, watches and shows; the
benchmark times it. What makes a step fast is in :mod:`~helpers.training.steps` and below.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..draws.replay import has_loop, unrepeatable_operations
from ..model.checks import check_keras_version, check_optimizer
from .batches import BatchOrder
from .data import batch_spec, check_training_data
from .devices import check_devices, compile_steps_for_devices
from .history import entry_names
from .steps import Step, StepOptions, Steps, trace_step

Array = npt.NDArray[np.float64]

# XLA's compilation pays when training updates so many weights in all: weights × steps × draws.
UPDATES_THAT_PAY = 3e8
SECONDS_PER_CALL = 0.5  # so often whoever takes steps may look around
BYTES_PER_CALL = 2**25  # of the images for the steps of one call
# What Python raises where a network takes the size of its batch, None, for a number.
ASKED_FOR_SIZE = (AssertionError, AttributeError, TypeError, ValueError)


class Stepper:
    """Takes any steps of a training; each is a function of the seed and its number alone.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model from images [batch, …] to logits [batch, classes].
    images, labels
        Training images [examples, …] and class numbers [examples].
    batch_size, num_epochs, seed
        Give the order of the batches; the seed is that of the draws, too.
    optimizer
        Of ``tf_keras``.
    kl_weight
        Factor on the KL beside the mean negative log-likelihood; ``None`` means 1/N.
    num_draws
        S, the draws of the weights that each step averages.
    jit_compile
        Whether XLA compiles the step; ``None`` means: where it pays.

    Attributes
    ----------
    order : BatchOrder
        Which examples each step sees.
    entries : list of str
        A name for each entry of ``losses``, as the first step makes them.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says of its data and its options.
    """

    def __init__(
        self,
        neural_net: tf_keras.Model,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        batch_size: int,
        num_epochs: int,
        optimizer: tf_keras.optimizers.Optimizer,
        seed: int = 0,
        kl_weight: float | None = None,
        num_draws: int = 1,
        jit_compile: bool | None = None,
    ) -> None:
        check_keras_version(neural_net)
        check_optimizer(optimizer)
        self.neural_net, self.optimizer = neural_net, optimizer
        with neural_net.distribute_strategy.scope():
            self.images, self.labels = check_training_data(neural_net, images, labels, batch_size)
        self.order = BatchOrder(len(self.images), batch_size, num_epochs, seed)
        self.kl_weight = 1.0 / len(self.images) if kl_weight is None else float(kl_weight)
        self.step = self._trace()
        self.entries = entry_names(neural_net)  # of the trace: the first call may make more
        if jit_compile is None:
            jit_compile = self._pays_to_compile(self.order.num_steps * num_draws)
        self.options = StepOptions(num_draws, seed, jit_compile)
        check_devices(neural_net, self.order.batch_sizes, self.options)
        self._compiled: dict[tuple[int | None, bool], Steps] = {}
        self._most = 1  # steps in the next call

    @property
    def unrepeatable(self) -> list[str]:
        """The operations of a step whose draws no checkpoint could bring back."""
        return unrepeatable_operations(self.step.traced)

    def take(self, first: int, most: int) -> Array:
        """Take up to ``most`` steps from number ``first`` (from 0) on.

        Returns the terms of the loss before each step, in nats: the mean negative log-likelihood,
        then each entry of ``losses`` [steps, 1 + entries]. There are fewer rows than ``most`` where
        an epoch ends, before a batch of another size, where their images would not fit into the
        memory of a call, and after a step whose terms are not finite, which moves nothing.
        """
        images, labels = self._copy_batches(first, most)
        steps = self._steps_of(labels.shape[1])
        rows: Array = steps(images, labels, tf.constant(first, tf.int64)).numpy()
        return rows

    def run(self, first: int, end: int) -> Iterator[Array]:
        """Take the steps from number ``first`` up to ``end``; yield the rows of each call.

        A call takes about half a second, so that whoever iterates can look around in between.
        """
        while first < end:
            start = time.perf_counter()
            rows = self.take(first, min(self._most, end - first))
            self._most = steps_per_call(time.perf_counter() - start, len(rows))
            first += len(rows)
            yield rows

    def _trace(self) -> Step:
        """Return the step, traced for batches of any size; of one if the network asks for it."""
        data, weight = (self.images, self.labels), self.kl_weight
        try:
            return trace_step(self.neural_net, batch_spec(*data, None), weight)
        except ASKED_FOR_SIZE:  # any other mistake shows again with the size
            pass
        return trace_step(self.neural_net, batch_spec(*data, self.order.batch_size), weight)

    def _pays_to_compile(self, num_steps: int) -> bool:
        """Return whether XLA compiles, for so many steps and draws.

        Not for draws that cannot come from outside, nor for loops, whose gradients XLA may refuse.
        """
        if has_loop(self.step.traced) or self.unrepeatable:
            return False
        return pays_to_compile(self.neural_net, num_steps)

    def _copy_batches(self, first: int, most: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Return images and labels [steps, batch, …] of up to ``most`` steps from ``first`` on.

        Only these are copied, not all images: memory is dearer than the copying.
        """
        limit = max(1, BYTES_PER_CALL // self.images[: self.order.batch_size].nbytes)
        rows = self.order.rows(first, min(most, limit))
        return tf.constant(self.images[rows]), tf.constant(self.labels[rows])

    def _steps_of(self, size: int) -> Steps:
        """Return the steps for batches of this size, compiled when they are first asked for."""
        is_alone = self.neural_net.distribute_strategy.num_replicas_in_sync == 1
        # One small batch an epoch does not win back a compilation by XLA.
        jit_compile = self.options.jit_compile and size == self.order.batch_size
        takes_any = self.step.batch[0].shape[0] is None and is_alone and not jit_compile
        key = (None if takes_any else size, jit_compile)
        if key not in self._compiled:
            self._compiled[key] = self._compile(*key)
        return self._compiled[key]

    def _compile(self, size: int | None, jit_compile: bool) -> Steps:
        batch, net = batch_spec(self.images, self.labels, size), self.neural_net
        same = self.step.batch == batch
        step = self.step if same else trace_step(net, batch, self.kl_weight)
        options = self.options._replace(jit_compile=jit_compile)
        return compile_steps_for_devices(net, step, self.kl_weight, self.optimizer, options)


def pays_to_compile(neural_net: tf_keras.Model, num_steps: int) -> bool:
    """Whether XLA wins back the seconds of its compilation within so many steps and draws.

    Never on several devices, nor where a CPU convolves: there XLA is the slower one.
    """
    if neural_net.distribute_strategy.num_replicas_in_sync > 1:
        return False
    convolves = any(len(variable.shape) > 2 for variable in neural_net.trainable_variables)
    if convolves and not tf.config.list_physical_devices("GPU"):
        return False
    return neural_net.count_params() * num_steps >= UPDATES_THAT_PAY


def steps_per_call(seconds: float, num_steps: int) -> int:
    """Return how many steps to take in the next call, from the time of the last one."""
    return max(1, int(num_steps * SECONDS_PER_CALL / max(seconds, 1e-6)))
