"""A callback for ``fit`` that logs both terms of the ELBO, in nats.

Introduced in chapters/14-life-of-losses.md, "NLL and KL apart, during `fit`".
"""

from __future__ import annotations

import textwrap
from typing import Any

import tensorflow as tf
import tf_keras
from tf_keras.src.engine import compile_utils

from ..checkup import checkup
from ..checkup.report import Finding
from ..model.checks import check_stateless, check_whole
from ..model.heads import WITHOUT_LOSS
from ..model.inputs import check_eager
from ..model.kept_logits import operations_noted
from ..model.keras_losses import ignores_classes
from ..model.likelihood import AnyLikelihood, flatten_heads
from ..model.network_call import check_callable
from ..model.outputs import find_likelihood
from ..model.time_distributed import runs_eagerly
from ..model.untouched import untouched
from .elbo import elbo
from .first_batch import again, by_replica, rows_of, take_steps
from .fit_sums import Counted, FitSums
from .kl_columns import KLColumns, kl_columns

MOST_ROWS = 64  # of the first batch, for the look at the network


class ElboMonitor(tf_keras.callbacks.Callback):
    """Log ``nll``, ``kl`` and ``elbo`` during ``fit``, and say at once what is wrong.

    ``fit`` reports one number, ``loss``, for two terms. With this callback its logs hold, for the
    progress bar, ``History``, ``CSVLogger``, TensorBoard and ``EarlyStopping``, at the end of each
    epoch:

    ======================  =======================================================================
    ``nll``                 negative log-likelihood, nats per example: summed over all that belongs
                            to an example (pixels, steps, columns, heads), whatever Keras averages
    ``kl``, ``kl_<layer>``  KL from posterior to prior of all weights, and of each layer's, in nats,
                            whatever it is divided by in ``losses``
    ``penalty``             regularisers and −log priors of weights that are one number, as they
                            stand in the loss; only if there are any
    ``elbo``                −N · nll − kl, in nats
    ``val_nll``             the nll of the validation data
    ======================  =======================================================================

    All are means over the examples of the epoch, as Keras' own ``loss``: measured in the training
    steps themselves, with their draws, while the weights move. ``val_nll`` is measured after the
    epoch, with one draw of the weights for each batch. Sample and class weights multiply an
    example's log-likelihood, and do not change N.

    What is not known is not logged, and the first batch says why in a line. A metric of your own
    with one of these names keeps it. Weights and random numbers are those of a ``fit`` without this
    callback, and afterwards the network is as ``fit`` leaves it. A network that ``fit`` has
    compiled before is compiled once more.

    Parameters
    ----------
    num_examples
        N, the number of *training* examples (without the validation split).
    likelihood
        What the compiled loss does not tell: a ``tf_keras`` loss, its name, a function (targets,
        outputs) ↦ negative log-likelihood of each example, or a function outputs ↦ distribution;
        one for each output if there are several.
    check
        Whether to run the check-up on the first batch, which takes some seconds once. Its alarms
        are printed in one line.

    Raises
    ------
    ValueError
        If ``num_examples`` is not a whole number of at least 1.
    """

    def __init__(self, num_examples: int, *, likelihood: Any = None, check: bool = True) -> None:
        super().__init__()
        self.num_examples = check_whole(
            "num_examples", num_examples, 1, "the number of training examples"
        )
        self.likelihood = likelihood
        self.check = check
        self._supports_tf_logs = True  # or Keras would wait for each step, to read its logs
        self._sums: FitSums | None = None
        self._first: _FirstStep | None = None
        self._is_validating = False
        self._has_counted = self._has_named_taken = False

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Wait for the first batch."""
        self._is_validating = self._has_counted = self._has_named_taken = False
        if getattr(self.model, "_cluster_coordinator", None) is not None:
            _say("nothing is logged under a parameter server, whose steps run elsewhere.")
            return
        check_eager()
        left = vars(self.model).get("train_function")
        if isinstance(left, _FirstStep | Counted):  # of a fit that was interrupted
            left.remove()
        self._first = _FirstStep(self)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Start the sums of an epoch."""
        if self._sums is not None:
            self._sums.start("train")

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Start the sums of a validation."""
        self._is_validating = True
        if self._sums is not None:
            self._sums.start("test")

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Go back to training."""
        self._is_validating = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """See that the columns are there, and that N is what an epoch shows."""
        if self._sums is None:
            return
        count, columns = self._columns()
        if logs is not None:
            logs.update({name: value for name, value in columns.items() if name not in logs})
        if self._sums.was_recorded and not self._has_counted:
            self._has_counted = True
            self._check_count(count)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Give the network back what it had."""
        if self._first is not None:
            self._first.remove()
        if self._sums is not None:
            self._sums.remove()

    def look(self, element: Any) -> None:
        """Look at the network on its first batch, and let its steps add up what they compute.

        Parameters
        ----------
        element
            Of the data: inputs, targets and weights, as ``fit`` passes them to a step.
        """
        try:
            check_stateless(self.model)
        except ValueError as error:
            _say(f"nothing is logged: {error}")
            return
        inputs, targets = rows_of(element, MOST_ROWS)
        rows = int(tf.nest.flatten(element)[0].shape[0])
        try:
            check_callable(self.model)
        except ValueError as error:
            _say(f"nothing is logged: {error}")
            if self.check:
                self._check_up(inputs, targets, rows, None)
            return
        _build(self.model, inputs)
        with untouched(self.model):
            with operations_noted(when=not runs_eagerly(self.model)):
                outputs = self.model(inputs)
            likelihood = self._find_likelihood(outputs, targets)
            columns = self._find_columns(inputs)
        if self.check:
            given = None if likelihood is None else self.likelihood  # one that fits
            self._check_up(inputs, targets, rows, given)
        if isinstance(self.model.compiled_loss, compile_utils.LossesContainer):
            self._sums = FitSums(self.model, likelihood, columns)
            self._sums.install(self._with_columns)
        else:
            _say("nothing is logged: the network has a compiled_loss that is not Keras' own.")

    def sums_of(self, network: Any) -> FitSums | None:
        """Return the sums of an earlier ``fit`` of this network, if it is as it was then."""
        known = self._sums
        self._sums = None
        return known if known is not None and known.fits(network) else None

    def use(self, sums: FitSums) -> None:
        """Go on with the compiled steps of an earlier ``fit``."""
        self._sums = sums
        sums.reinstall()
        sums.start("train")

    def _find_likelihood(self, outputs: Any, targets: Any) -> AnyLikelihood | None:
        loss = self.model.loss
        try:
            if targets is None or loss is None:
                raise ValueError(
                    "fit compares targets with outputs only if compile got a loss: pass "
                    "compile(loss=...) and targets."
                )
            if any(part is None for part in flatten_heads(loss)):
                raise ValueError(WITHOUT_LOSS)
            return find_likelihood(self.model, outputs, targets, self.likelihood)
        except Exception as error:  # noqa: BLE001 (it is said, and fit goes on)
            _say(f"nll and elbo are not logged: {_one_line(error)}")
        return None

    def _find_columns(self, inputs: Any) -> KLColumns | None:
        try:
            found = kl_columns(self.model, inputs)
        except Exception as error:  # noqa: BLE001 (it is said, and fit goes on)
            _say(f"kl and elbo are not logged: {_one_line(error)}")
            return None
        if found.problem:
            _say(f"kl and elbo are not logged: {found.problem}.")
        return found

    def _check_up(self, inputs: Any, targets: Any, batch_size: int, likelihood: Any) -> None:
        """Say in one line what the check-up finds wrong."""
        if tf.distribute.has_strategy():  # fit is in its scope, where Keras' metrics do not count
            _say(
                "the check-up does not run in a strategy's scope: before fit, outside of the scope,"
                f" call checkup(network, inputs, targets, num_examples={self.num_examples})."
            )
            return
        report = checkup(
            self.model,
            inputs,
            targets,
            num_examples=self.num_examples,
            batch_size=batch_size,
            likelihood=likelihood,
        )
        alarms = [alarm for alarm in report.alarms if not self._is_of_the_batch(alarm)]
        if report.ok or (report.alarms and not alarms and not report.unchecked):
            return
        named = ", ".join(dict.fromkeys(finding.kind for finding in alarms))
        says = f"alarms ({named})." if named else "did not check all that matters."
        told = [f"{it.message} {it.cure}" for it in [*alarms, *report.unknown]]
        _say(f"the check-up {says} {_one_line([*told, *report.unchecked][0])}")

    def _is_of_the_batch(self, alarm: Finding) -> bool:
        """Whether a count is off by as much as a batch may be, where a class number is ignored.

        How many places are known in all the data cannot be seen in the first batch of them.
        """
        if not (ignores_classes(self.model.loss) or ignores_classes(self.likelihood)):
            return False
        if alarm.kind != "kl-wrong-count" or not alarm.value or not alarm.expected:
            return False
        return 0.5 < alarm.value / alarm.expected < 2

    def _columns(self) -> tuple[int, dict[str, float]]:
        """Return the number of examples of the epoch so far, and the columns."""
        assert self._sums is not None
        count, means = self._sums.means("train")
        columns = {"nll": means.pop("nll")} if "nll" in means else {}
        plan = self._sums.columns
        if means and plan is not None and not plan.problem:
            columns["kl"] = sum(means[name] for name in plan.terms)
        columns |= means
        if "nll" in columns and "kl" in columns:
            columns["elbo"] = float(elbo(columns["nll"], columns["kl"], self.num_examples))
        return count, columns

    def _with_columns(self, logs: Any) -> Any:
        """Return the logs of an epoch or of a validation, with what its steps added up."""
        if self._sums is None or not isinstance(logs, dict):
            return logs
        if self._is_validating and self._sums.last == "test":
            return self._beside(logs, self._sums.means("test")[1])
        if not self._is_validating and self._sums.last == "train":
            return self._beside(logs, self._columns()[1])
        return logs  # of an evaluation that is not ours

    def _beside(self, logs: dict[str, Any], columns: dict[str, float]) -> dict[str, Any]:
        """Return Keras' logs with our columns, but for the names that a metric has already."""
        taken = [name for name in columns if name in logs]
        if taken and not self._has_named_taken:
            self._has_named_taken = True
            _say(
                f"{', '.join(taken)} in the logs is your own metric of that name, as compile "
                "got it. Give it another name to see that of this callback."
            )
        return {**columns, **logs}

    def check_first_step(self) -> None:
        """Say what the first step showed: whether the sums see it at all."""
        if self._sums is None:
            return
        if not self._sums.was_recorded:
            _say(
                "nothing is logged: fit's step does not compare targets with outputs by the "
                "compiled loss. In a train_step or compute_loss of your own call "
                "self.compiled_loss, or return nll and kl beside the loss."
            )
        elif self._sums.has_other_losses:
            _say(
                "kl and elbo are not logged: the network adds another number of losses when it "
                "trains than when it is called by itself."
            )

    def _check_count(self, count: int) -> None:
        if count != self.num_examples:
            _say(
                f"an epoch showed {count:,} examples, not num_examples={self.num_examples:,}. "
                "elbo takes N from num_examples; it counts the training examples, without those "
                "of a validation split. With steps_per_epoch an epoch shows a part of them."
            )


class _FirstStep:
    """Stands where ``fit`` looks for its step, until the first batch was looked at."""

    def __init__(self, monitor: ElboMonitor) -> None:
        self.monitor, self.network = monitor, monitor.model
        self.original = self.network.train_function
        self.network.train_function = self

    def remove(self) -> None:
        """Put the network's own step back."""
        if vars(self.network).get("train_function") is self:
            self.network.train_function = self.original

    def __call__(self, iterator: Any) -> Any:
        self.remove()
        network, strategy = self.network, self.network.distribute_strategy
        per_call = network._steps_per_execution  # a variable, of each device under a strategy
        num_steps = 1 if per_call is None else int(tf.convert_to_tensor(per_call))
        elements = take_steps(iterator, num_steps)
        known = self.monitor.sums_of(network)
        if known is not None:
            self.monitor.use(known)
        else:
            self.monitor.look(by_replica(elements[0], strategy)[0])
        logs = network.train_function(again(elements, iterator, strategy))
        self.monitor.check_first_step()
        return logs


def _build(network: Any, inputs: Any) -> None:
    """Create the weights of a network that was never called, in the way in which ``fit`` does.

    ``fit`` builds while it traces, so that initialisers draw what they draw without this callback.
    """
    if network.built:
        return
    if network.run_eagerly:
        network(inputs, training=True)
        return
    tf.function(lambda: network(inputs, training=True)).get_concrete_function()


def _one_line(text: object) -> str:
    """Return a text in one line; of a long one, with a whole tensor in it, its beginning."""
    return textwrap.shorten(str(text), 600, placeholder=" …")


def _say(text: str) -> None:
    print(f"ElboMonitor: {text}")  # noqa: T201 (whoever reads the progress bar reads it)
