"""Keras' callbacks outside of ``fit``: called between epochs, and around each step if asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import tf_keras


class Callbacks:
    """Calls the callbacks of a training, and hears when one of them wants it to stop.

    Parameters
    ----------
    callbacks
        Of ``tf_keras``.
    neural_net
        What they see as ``self.model``.
    num_epochs, steps_per_epoch
        What they see in ``self.params``.

    Raises
    ------
    TypeError
        If one is no callback of ``tf_keras``.
    """

    def __init__(
        self,
        callbacks: Sequence[tf_keras.callbacks.Callback],
        neural_net: tf_keras.Model,
        *,
        num_epochs: int,
        steps_per_epoch: int,
    ) -> None:
        for callback in callbacks:
            if not isinstance(callback, tf_keras.callbacks.Callback):
                raise TypeError(
                    f"callbacks holds a {type(callback).__name__}: pass objects of "
                    "tf_keras.callbacks, not of keras.callbacks, nor classes."
                )
        self._neural_net, self._steps = neural_net, steps_per_epoch
        self._all = tf_keras.callbacks.CallbackList(
            list(callbacks), model=neural_net, epochs=num_epochs, steps=steps_per_epoch, verbose=0
        )
        self.any = bool(callbacks)

    @property
    def watch_steps(self) -> bool:
        """Whether one of them acts before or after each step: then steps are taken one by one."""
        return any(callback._implements_train_batch_hooks() for callback in self._all.callbacks)

    @property
    def want_to_stop(self) -> bool:
        """Whether one of them set ``model.stop_training``."""
        return self.any and bool(self._neural_net.stop_training)

    @contextlib.contextmanager
    def around_training(self, optimizer: Any) -> Iterator[None]:
        """Call ``on_train_begin`` and ``on_train_end``; ``model.optimizer`` is set meanwhile."""
        if not self.any:
            yield
            return
        before = getattr(self._neural_net, "optimizer", None)
        self._neural_net.optimizer = optimizer
        self._neural_net.stop_training = False
        try:
            self._all.on_train_begin()
            yield
            self._all.on_train_end()
        finally:
            self._neural_net.optimizer = before

    def before(self, step: int) -> None:
        """Call what comes before step number ``step``, from 0."""
        if not self.any:
            return
        epoch, index = divmod(step, self._steps)
        if index == 0:
            self._all.on_epoch_begin(epoch)
        if self.watch_steps:
            self._all.on_train_batch_begin(index)

    def after(self, epoch: pd.DataFrame, done: int) -> None:
        """Call what comes after a step.

        Parameters
        ----------
        epoch
            The history of its epoch so far, a row for each step.
        done
            How many steps were taken in all.
        """
        if self.watch_steps:
            self._all.on_train_batch_end((done - 1) % self._steps, _numbers(epoch.iloc[-1]))
        if done % self._steps == 0:
            logs = _numbers(epoch.mean()) | _numbers(epoch.iloc[-1].filter(like="val_"))
            if "val_negative_log_likelihood" in logs:
                rest = logs["loss"] - logs["negative_log_likelihood"]
                logs["val_loss"] = logs["val_negative_log_likelihood"] + rest
            self._all.on_epoch_end(done // self._steps - 1, logs)


def _numbers(row: pd.Series) -> dict[str, float]:
    """Return the columns of a row that callbacks are told, by their names."""
    return {name: float(x) for name, x in row.items() if name not in ("step", "epoch") and x == x}
