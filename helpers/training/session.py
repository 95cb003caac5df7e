"""One training from its first step to its last: validation, callbacks, saving, interruption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tf_keras
import tqdm.auto

from ..model.untouched import variables_of
from ..saving.autosave import Saving
from ..saving.same_run import describe_run, training_variables
from .callbacks import Callbacks
from .guard import check_finite, check_not_diverging
from .history import history_table
from .interrupt import deferred_interrupt
from .read_data import read_validation_data
from .stepper import Stepper
from .validation import Validation

Array = npt.NDArray[np.float64]


class Session:
    """One training: its steps, and what happens between them.

    Parameters
    ----------
    stepper
        Takes the steps.
    validation_data
        Measured at the end of each epoch; ``None`` for none.
    callbacks
        Of ``tf_keras``.
    saving
        Where it is saved, if anywhere.

    Raises
    ------
    TypeError, ValueError
        As :func:`~helpers.training.train.train_by_elbo` says.
    """

    def __init__(
        self,
        stepper: Stepper,
        validation_data: Any,
        callbacks: Sequence[tf_keras.callbacks.Callback],
        saving: Saving,
    ) -> None:
        self.stepper, self.saving, self.workers = stepper, saving, stepper.workers
        order = stepper.order
        self.validation: Validation | None = None
        if validation_data is not None:
            batches = read_validation_data(stepper.neural_net, validation_data, stepper.data)
            self.validation = Validation(stepper.neural_net, stepper.objective, batches, order.seed)
        saving.check_repeatable(stepper.unrepeatable)
        saving.check_order(is_known=stepper.batches.is_repeatable)
        self.callbacks = Callbacks(
            callbacks,
            stepper.neural_net,
            num_epochs=order.num_epochs,
            steps_per_epoch=order.steps_per_epoch,
        )

    def run(self, progress: bool) -> Array:
        """Take the steps that are still to be taken; return the history [steps, columns]."""
        with self.workers.watched(self.saving.advice):
            return self._run(progress and self.workers.is_chief)

    def _run(self, progress: bool) -> Array:
        rows, num_steps = self._restore(), self.stepper.order.num_steps
        # Without `disable` the bar shows in notebooks too, and TQDM_DISABLE=1 switches it off.
        options = {} if progress else {"disable": True}
        bar = tqdm.auto.tqdm(total=num_steps, initial=len(rows), unit="step", **options)
        one_by_one = self.workers.any(self.callbacks.watch_steps)
        around = self.callbacks.around_training(self.stepper.optimizer)
        with bar, around, deferred_interrupt() as is_stopped:
            while len(rows) < num_steps:
                before = len(rows)
                rows = self._take(rows, 1 if one_by_one else None)
                if self.workers.of_chief(self.saving.is_due()):
                    self._save(rows)
                bar.update(len(rows) - before)
                bar.set_postfix(nll=f"{rows[-1, 0]:.3f}", kl=f"{self._kl(rows[-1]):.0f}")
                if self.workers.any(is_stopped() or self.callbacks.want_to_stop):
                    break
            self._save(rows)
            if len(rows):
                self._finalize()
        if len(rows) < num_steps and self.workers.is_chief:
            bar.write(f"Stopped after {len(rows)} steps; the history so far is returned.")
        return rows

    def _finalize(self) -> None:
        """Let the optimizer set the weights to its averages, as ``fit`` does (``use_ema=True``).

        What was saved before are the weights that training goes on from.
        """
        stepper = self.stepper
        finalize = getattr(stepper.optimizer, "finalize_variable_values", None)
        if finalize is not None:
            with stepper.neural_net.distribute_strategy.scope():
                finalize(stepper.step.variables)

    def table(self, rows: Array) -> pd.DataFrame:
        """Return the history [steps, columns] as a table."""
        stepper = self.stepper
        return history_table(rows, stepper.terms, stepper.order, stepper.num_examples)

    def _take(self, rows: Array, most: int | None) -> Array:
        """Take some steps, and what belongs after them."""
        stepper = self.stepper
        self.callbacks.before(len(rows))
        new = stepper.take_some(len(rows), most)
        so_far = np.concatenate([rows[:, : new.shape[1]], new])
        self.workers.check_same({"the data of these steps": stepper.batches.position()})
        if not np.isfinite(new).all():
            stepper.batches.check_taken()
        check_finite(so_far, stepper.terms.names, stepper.neural_net)
        check_not_diverging(so_far, stepper.terms.weights)
        rows = np.concatenate([rows, self._with_validation(new, len(so_far))])
        if self.callbacks.any:
            steps = stepper.order.steps_per_epoch
            epoch_start = (len(rows) - 1) // steps * steps
            self.callbacks.after(self.table(rows[epoch_start:]), len(rows))
        return rows

    def _with_validation(self, new: Array, done: int) -> Array:
        """Return the new rows with the columns of validation, filled in at the end of an epoch."""
        if self.validation is None:
            return new
        columns = np.full((len(new), 2), np.nan)
        epoch, index = divmod(done, self.stepper.order.steps_per_epoch)
        if index == 0:
            columns[-1] = self.validation.measure(epoch - 1)
        return np.concatenate([new, columns], axis=1)

    def _kl(self, row: Array) -> float:
        is_kl = np.array(self.stepper.terms.is_kl)
        return float(row[1 : 1 + len(is_kl)][is_kl].sum())

    def _save(self, rows: Array) -> None:
        """Save, if there is a folder, when all workers have the same weights."""
        self.workers.check_same_values(variables_of(self.stepper.neural_net))
        with self.workers.together():
            self.saving.save(rows, self._place)

    def _place(self) -> dict[str, Any]:
        """Return what tells when resuming that data and network are still the same."""
        return {"data": self.stepper.batches.position(), "terms": self.stepper.trial.terms()}

    def _restore(self) -> Array:
        """Set network and optimizer as they were saved; return the history so far.

        What is asked for, and what was saved, must be the same on all workers.
        """
        stepper = self.stepper
        neural_net, optimizer, order = stepper.neural_net, stepper.optimizer, stepper.order
        with neural_net.distribute_strategy.scope():
            variables = training_variables(neural_net, optimizer)

        def describe() -> dict[str, Any]:
            """Return what must be the same for a training to go on, by name."""
            data = stepper.batches.fingerprint()
            if self.validation is not None:
                data["validation_data"] = self.validation.batches.fingerprint()["inputs"]
            return describe_run(
                neural_net,
                optimizer,
                data,
                likelihood=stepper.likelihood.description,
                batch_size=order.batch_size,
                kl_weight=stepper.terms.kl_weight,
                **stepper.options._asdict(),
            )

        num_columns = 1 + len(stepper.terms.names) + (2 if self.validation is not None else 0)
        with self.workers.together():
            rows = self.saving.restore(variables, describe, num_columns, order.num_steps)
            if len(rows):
                stepper.batches.go_to(len(rows), self.saving.place.get("data", {}))
                stepper.trial.check(self.saving.place.get("terms"))
        if self.workers.number > 1:
            facts = {"the step to go on from": len(rows), "num_epochs": order.num_epochs}
            self.workers.check_same(facts | _by_words(describe()))
            self.workers.check_same_values(variables)
        return rows


def _by_words(run: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): fact for name, fact in run.items()}
