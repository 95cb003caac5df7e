"""Sums over the examples of an epoch, taken inside the steps of ``fit``.

The steps compute likelihood and ``losses`` anyway; here they are added up as they pass, so that
nothing is evaluated twice and no random number is drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tf_keras.src.engine import compile_utils

from ..model.likelihood import AnyLikelihood, HeadsLikelihood, flatten_heads
from .kl_columns import KLColumns

Mode = Literal["train", "test"]
Record = Callable[[Any, Any, Any], None]

CHANGED = (
    *("compiled_loss", "train_function", "train_tf_function", "test_function"),
    "_validate_and_get_metrics_result",
)


class FitSums:
    """What the steps of ``fit`` added up since the last start, for training and for validation.

    Parameters
    ----------
    network
        A compiled and built network; call it within the scope of its strategy.
    likelihood
        Of its outputs, or ``None`` where it is not known.
    columns
        Of its ``losses``, or ``None`` where they could not be read.
    """

    def __init__(
        self, network: Any, likelihood: AnyLikelihood | None, columns: KLColumns | None
    ) -> None:
        self.network = network
        self.likelihood = likelihood
        self.columns = columns
        self.mode: Mode | None = None
        self.last: Mode | None = None
        self.was_recorded = self.has_other_losses = False
        self._history = network.history
        width = 2 + (len(columns.names) if columns else 0)
        self._sums = {"train": _zeros(width), "test": _zeros(2)}
        self._before: dict[str, Any] = {}
        self._ours: dict[str, Any] = {}

    def start(self, mode: Mode) -> None:
        """Set the sums to 0."""
        sums = self._sums[mode]
        sums.assign(tf.zeros_like(sums))
        self._history = self.network.history

    def is_of_this_fit(self, mode: Mode) -> bool:
        """Whether a step belongs to the fit that was begun, and not to a later one.

        A fit that is interrupted between two steps ends without a word to its callbacks. The next
        one has another ``history``, as an evaluation by some callback has, and counts its steps
        from 0.
        """
        is_same = self.network.history is self._history
        if not is_same and mode == "train" and int(self.network._train_counter) > 0:
            self._history = self.network.history
            return True
        return is_same

    def means(self, mode: Mode) -> tuple[int, dict[str, float]]:
        """Return the number of examples, and the mean over them of each column.

        ``nll`` is in nats per example; a KL or penalty is the mean over the steps, each with the
        weight of its examples, as Keras' own ``loss`` is.
        """
        count, *totals = _read(self._sums[mode])
        means = [total / count if count else float("nan") for total in totals]
        names = ["nll", *(self.columns.names if self.columns and mode == "train" else [])]
        found = dict(zip(names, means, strict=True))
        if self.likelihood is None:
            del found["nll"]
        if self.has_other_losses:
            found = {name: mean for name, mean in found.items() if name == "nll"}
        return round(count), found if self.was_recorded else {}

    def install(self, add_to_logs: Callable[[Any], Any]) -> None:
        """Let the network's steps add up, and its logs pass through a function.

        Parameters
        ----------
        add_to_logs
            From the logs of an epoch, or of a validation, to those with further columns.
        """
        own = vars(self.network)
        self._before = {name: own[name] for name in CHANGED if name in own}
        self.network.compiled_loss = _RecordingLosses(self.network.compiled_loss, self._record)
        makers = (self.network.make_train_function, self.network.make_test_function)
        modes: tuple[Mode, Mode] = ("train", "test")
        for mode, make in zip(modes, makers, strict=True):
            setattr(self.network, f"{mode}_function", Counted(self, mode, make(force=True)))
        name = "_validate_and_get_metrics_result"
        original = getattr(self.network, name)
        own[name] = lambda logs: add_to_logs(original(logs))
        self._ours = {name: own[name] for name in CHANGED if name in own}

    def reinstall(self) -> None:
        """Install once more what was taken away, with the steps that are compiled already."""
        vars(self.network).update(self._ours)

    def fits(self, network: Any) -> bool:
        """Whether the network is as it was before, so that the compiled steps still hold."""
        own = vars(network)
        names = ("compiled_loss", "train_function")
        return network is self.network and all(own.get(n) is self._before.get(n) for n in names)

    def remove(self) -> None:
        """Give the network back what it had, as far as nobody has changed it since."""
        own = vars(self.network)
        for name, ours in self._ours.items():
            if own.get(name) is not ours:
                continue
            if name in self._before:
                own[name] = self._before[name]
            else:
                del own[name]

    @contextlib.contextmanager
    def during(self, mode: Mode) -> Iterator[None]:
        """Let the steps inside the block count for training, or for validation."""
        self.mode = self.last = mode
        try:
            yield
        except (StopIteration, tf.errors.OutOfRangeError):
            raise
        except BaseException:  # fit ends here, and will not call on_train_end
            self.remove()
            raise
        finally:
            self.mode = None

    @tf.autograph.experimental.do_not_convert
    def _record(self, targets: Any, outputs: Any, weights: Any) -> None:
        """Add up one batch; called inside the step, as the loss is."""
        known = [leaf for leaf in flatten_heads(targets) if leaf is not None]
        if self.mode is None or not known:
            return
        self.was_recorded = True
        rows = tf.cast(tf.shape(known[0])[0], tf.float64)
        added = [rows, self._nll(targets, outputs, weights)]
        if self.columns and self.mode == "train":
            added += [rows * value for value in self._values_of(self.columns, known[0])]
        self._sums[self.mode].assign_add(tf.stack(added))

    def _values_of(self, columns: KLColumns, targets: Any) -> list[tf.Tensor]:
        """Return what the columns are in this step; zeros if the step adds other losses."""
        losses = self.network.losses
        if len(losses) == columns.num_entries:
            return columns.values(losses, tf.shape(targets)[0])
        self.has_other_losses = True
        return [tf.constant(0.0, tf.float64)] * len(columns.names)

    def _nll(self, targets: Any, outputs: Any, weights: Any) -> tf.Tensor:
        """Return the negative log-likelihood of a batch: nats, summed over its examples."""
        if self.likelihood is None:
            return tf.constant(0.0, tf.float64)
        found = self.likelihood
        heads = found.flat if isinstance(found, HeadsLikelihood) else [found]
        parts = zip(
            heads,
            flatten_heads(targets),
            flatten_heads(outputs),
            flatten_heads(weights),
            strict=True,
        )
        nats = [head.of_examples(y, output, w) for head, y, output, w in parts]
        return tf.add_n([tf.reduce_sum(tf.cast(x, tf.float64)) for x in nats])


class _RecordingLosses(compile_utils.LossesContainer):
    """The compiled loss, of which each call is recorded; it shares the state of the original."""

    __slots__ = ("record",)

    def __init__(self, original: compile_utils.LossesContainer, record: Record) -> None:
        self.__dict__ = original.__dict__  # type: ignore[misc]  # the base class has one
        self.record = record

    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        regularization_losses: Any = None,
    ) -> Any:
        loss = compile_utils.LossesContainer.__call__(
            self, y_true, y_pred, sample_weight, regularization_losses
        )
        targets = self._conform_to_outputs(y_pred, y_true)
        self.record(targets, y_pred, self._conform_to_outputs(y_pred, sample_weight))
        return loss


class Counted:
    """A step of ``fit`` or of ``evaluate`` that says which of the two it is."""

    def __init__(self, sums: FitSums, mode: Mode, function: Callable[[Any], Any]) -> None:
        self.sums, self.mode, self.function = sums, mode, function

    def remove(self) -> None:
        """Give the network back what it had before."""
        self.sums.remove()

    def __call__(self, iterator: Any) -> Any:
        """Take the steps of a call, and count them unless they are of another fit."""
        network = self.sums.network
        is_ours = self.sums.is_of_this_fit(self.mode)
        if self.mode == "train" and not is_ours:
            self.remove()
            network.train_function = network.make_train_function()
            return network.train_function(iterator)
        with self.sums.during(self.mode):  # a step that is traced without it would never count
            logs = self.function(iterator)
        if not is_ours:
            self.sums.last = None  # an evaluation whose logs are left alone
        return logs


def _zeros(width: int) -> tf.Variable:
    """Return a variable that replicas add to, each on its own; read, it is their sum."""
    return tf.Variable(
        tf.zeros([width], tf.float64),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def _read(variable: tf.Variable) -> npt.NDArray[np.float64]:
    return np.asarray(tf.convert_to_tensor(variable))
