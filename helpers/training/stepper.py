"""The stepper: takes the steps of a training, fast, and knows nothing of folders and bars.

:func:`~helpers.training.train.train_by_elbo` is a loop around it that saves, watches and shows; the
benchmark times it. What makes a step fast is in :mod:`~helpers.training.steps` and below.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ..draws.replay import has_loop, unrepeatable_operations
from ..draws.xla_lowering import XlaRefusalError
from ..model.checks import check_keras_version, check_optimizer, check_whole
from ..model.likelihood import AnyLikelihood
from .devices import check_devices, compile_steps_for_devices
from .fused_adam import knows
from .loss_terms import LossTerms
from .read_data import DataOptions, read_training_data
from .steps import Step, StepOptions, Steps, trace_step
from .trial import Trial
from .workers import Workers

Array = npt.NDArray[np.float64]

# XLA's compilation pays when training updates so many weights in all: weights × steps × draws.
UPDATES_THAT_PAY = 3e8
SECONDS_PER_CALL = 0.5  # so often whoever takes steps may look around
# What Python raises where a network takes the size of its batch, None, for a number.
ASKED_FOR_SIZE = (AssertionError, AttributeError, TypeError, ValueError)


class Stepper:
    """Takes any steps of a training; each is a function of the seed and its number alone.

    Parameters
    ----------
    neural_net
        A ``tf_keras`` model.
    inputs, targets
        Data of any form, as :func:`~helpers.training.train.train_by_elbo` takes them.
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
    options
        How the data are to be read.

    Attributes
    ----------
    batches, order
        The data, and which of them each step sees.
    num_examples : int
        The number N of training examples.
    objective : NegativeElbo
        What is minimised.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says of its data and its options.
    """

    def __init__(
        self,
        neural_net: tf_keras.Model,
        inputs: Any,
        targets: Any = None,
        *,
        batch_size: int | None,
        num_epochs: int,
        optimizer: tf_keras.optimizers.Optimizer,
        seed: int = 0,
        kl_weight: float | None = None,
        num_draws: int = 1,
        jit_compile: bool | None = None,
        options: DataOptions | None = None,
    ) -> None:
        check_keras_version(neural_net)
        check_optimizer(optimizer)
        self.neural_net, self.optimizer = neural_net, optimizer
        self.workers = Workers(neural_net.distribute_strategy)
        data = read_training_data(
            neural_net,
            inputs,
            targets,
            options or DataOptions(),
            batch_size=batch_size,
            num_epochs=num_epochs,
            seed=seed,
            kl_weight=kl_weight,
        )
        self.data, self.batches, self.order = data, data.batches, data.batches.order
        self.num_examples, self.objective = data.num_examples, data.objective
        self.step = self._trace()
        _check_optimizer_is_free(optimizer, self.step.variables)
        num_draws = check_whole("num_draws", num_draws, 1, "how often to draw the weights a step")
        may_choose = jit_compile is None
        if jit_compile is None:
            jit_compile = self._pays_to_compile(self.order.num_steps * num_draws)
        self.options = StepOptions(num_draws, seed, jit_compile)
        check_devices(neural_net, self.order.batch_sizes, self.options)
        self._check_workers()
        self._compiled: dict[Any, Steps] = {}
        self._try_xla(may_choose)
        self._most = 1  # steps in the next call
        self.trial = Trial(neural_net, self.objective, data.few)

    @property
    def terms(self) -> LossTerms:
        """What is made of the entries of ``losses``."""
        return self.objective.terms

    @property
    def likelihood(self) -> AnyLikelihood:
        """Of what the network puts out."""
        return self.objective.likelihood

    @property
    def unrepeatable(self) -> list[str]:
        """The operations of a step whose draws no checkpoint could bring back."""
        return unrepeatable_operations(self.step.traced)

    def take(self, first: int, most: int) -> Array:
        """Take up to ``most`` steps from number ``first`` (from 0) on.

        Returns the terms of the loss before each step: the mean negative log-likelihood (nats),
        then each term of ``losses`` [steps, 1 + terms]. There are fewer rows than ``most`` where an
        epoch ends, before a batch of another size, where their data would not fit into the memory
        of a call, and after a step whose terms are not finite, which moves nothing.
        """
        leaves = self.batches.take(first, most)
        steps = self._steps_of(tuple(tuple(leaf.shape)[1:] for leaf in leaves))
        rows: Array = steps(*leaves, tf.constant(first, tf.int64)).numpy()
        return rows

    def take_some(self, first: int, most: int | None = None) -> Array:
        """Take some steps from number ``first`` on, at most to the end of the training.

        A call takes about half a second, so that whoever calls can look around in between.
        """
        left = self.order.num_steps - first
        start = time.perf_counter()
        rows = self.take(first, min(self._most if most is None else most, left))
        mine = steps_per_call(time.perf_counter() - start, len(rows))
        self._most = self.workers.of_chief(mine)  # they must take the same steps in a call
        return rows

    def run(self, first: int, end: int) -> Iterator[Array]:
        """Take the steps from number ``first`` up to ``end``; yield the rows of each call."""
        while first < end:
            rows = self.take_some(first, min(self._most, end - first))
            first += len(rows)
            yield rows

    def _check_workers(self) -> None:
        """Raise if several workers could not see the same batches or draw the same noise.

        Raises
        ------
        ValueError
            As it says.
        """
        if self.workers.number == 1:
            return
        if not self.batches.is_repeatable:
            raise ValueError(
                "The dataset is shuffled without a seed, so that each worker would see batches of "
                "its own. Give every shuffle one: dataset.shuffle(1000, seed=1)."
            )
        if self.unrepeatable:
            raise ValueError(
                f"The operation {self.unrepeatable[0]} draws from a state of TensorFlow, which is "
                "another one on each worker. Train on one machine, or draw by tf.random.normal or "
                "tf.random.uniform, outside of loops."
            )

    def _trace(self) -> Step:
        """Return the step, traced for batches of any size; of one if the network asks for it."""
        try:
            return trace_step(self.neural_net, self.batches.spec(None), self.objective)
        except ASKED_FOR_SIZE:  # any other mistake shows again with the size
            pass
        batch = self.batches.spec(self.order.batch_size)
        return trace_step(self.neural_net, batch, self.objective)

    def _try_xla(self, may_choose: bool) -> None:
        """Let XLA compile the step of a whole batch, if it is to; go without it if it may be.

        Raises
        ------
        XlaRefusalError
            If it is to, and does not.
        """
        shapes = tuple(tuple(x.shape) for x in self.batches.spec(self.order.batch_size).leaves())
        if not self.options.jit_compile or any(None in shape for shape in shapes):
            return
        try:
            self._steps_of(shapes)
        except XlaRefusalError:
            if not may_choose:
                raise
            self.options = self.options._replace(jit_compile=False)

    def _pays_to_compile(self, num_steps: int) -> bool:
        """Return whether XLA compiles, for so many steps and draws.

        Not for draws that cannot come from outside, nor for loops, whose gradients XLA may refuse,
        nor for words or lengths that change from batch to batch.
        """
        leaves = self.step.batch.leaves()
        varies = any(None in tuple(x.shape)[1:] or x.dtype == tf.string for x in leaves)
        if varies or has_loop(self.step.traced) or self.unrepeatable:
            return False
        return pays_to_compile(self.neural_net, num_steps)

    def _steps_of(self, shapes: tuple[tuple[int, ...], ...]) -> Steps:
        """Return the steps for batches of these shapes, compiled when they are first asked for."""
        is_alone = self.neural_net.distribute_strategy.num_replicas_in_sync == 1
        size = shapes[0][0]
        # One small batch an epoch does not win back a compilation by XLA.
        jit_compile = self.options.jit_compile and size == self.order.batch_size
        takes_any = self.step.batch.leaves()[0].shape[0] is None and is_alone and not jit_compile
        key = (None if takes_any else shapes, jit_compile)
        if key not in self._compiled:
            self._compiled[key] = self._compile(None if takes_any else size, jit_compile)
        return self._compiled[key]

    def _compile(self, size: int | None, jit_compile: bool) -> Steps:
        batch, net = self.batches.spec(size), self.neural_net
        same = self.step.batch == batch
        step = self.step if same else trace_step(net, batch, self.objective)
        options = self.options._replace(jit_compile=jit_compile)
        return compile_steps_for_devices(net, step, self.objective, self.optimizer, options)


def _check_optimizer_is_free(optimizer: Any, variables: list[tf.Variable]) -> None:
    """Raise if an optimizer is built for other variables than those that are trained.

    Raises
    ------
    ValueError
        If it is.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if getattr(inner, "_index_dict", None) and not knows(inner, variables):
        raise ValueError(
            "The optimizer has moved other variables than those of this training: of another "
            "network, or before a layer was frozen or set free. Make a new one for each network, "
            "optimizer=tf_keras.optimizers.Adam(0.01)."
        )


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
