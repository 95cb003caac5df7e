"""Keras' callbacks around the trainer: when they are called, what they hear, what they change."""

import keras
import numpy as np
import pandas as pd
import pytest
import tf_keras

from helpers.networks.dense import bayesian_network
from helpers.training import train_by_elbo

RNG = np.random.default_rng(1)
IMAGES, LABELS = RNG.normal(size=(17, 5)).astype(np.float32), RNG.integers(0, 3, 17)
Callback = tf_keras.callbacks.Callback


def train(*callbacks, **options):
    options = {"num_epochs": 3, "batch_size": 7, "progress": False, **options}
    neural_net = bayesian_network([4, 3], seed=2)
    return train_by_elbo(neural_net, IMAGES, LABELS, callbacks=callbacks, **options), neural_net


class Diary(Callback):
    """Writes down what it is told."""

    def __init__(self):
        super().__init__()
        self.lines, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.lines.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.lines.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.lines.append(f"end {epoch}")
        self.logs.append(dict(logs))

    def on_train_end(self, logs=None):
        self.lines.append("over")


class StepDiary(Diary):
    """Is called around each step, too."""

    def on_train_batch_begin(self, batch, logs=None):
        self.lines.append(f"step {batch}")

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


def test_they_hear_of_each_epoch_with_the_means_of_its_steps():
    diary = Diary()
    history, _ = train(diary)
    epochs = [line for epoch in range(3) for line in (f"epoch {epoch}", f"end {epoch}")]
    assert diary.lines == ["begin", *epochs, "over"]
    means = history.groupby("epoch").mean().drop(columns="step")
    pd.testing.assert_frame_equal(pd.DataFrame(diary.logs)[list(means)], means, check_names=False)


def test_those_that_ask_are_called_around_each_step():
    diary = StepDiary()
    history, _ = train(diary, num_epochs=1)
    steps = [f"step {index}" for index in range(3)]
    assert diary.lines == ["begin", "epoch 0", *steps, "end 0", "over"]
    np.testing.assert_array_equal([logs["loss"] for logs in diary.logs[:3]], history["loss"])


def test_the_history_is_the_same_with_callbacks_and_without():
    pd.testing.assert_frame_equal(train(StepDiary())[0], train()[0])


def test_early_stopping_stops_and_brings_back_the_best_weights():
    stopping = tf_keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=1, restore_best_weights=True
    )
    far_too_fast = tf_keras.optimizers.SGD(3.0)
    history, neural_net = train(
        stopping, num_epochs=40, validation_data=(IMAGES, LABELS), optimizer=far_too_fast
    )
    assert len(history) < 40 * 3
    best = stopping.best_epoch
    assert history["epoch"].iloc[-1] == best + 1
    again, _ = train(
        num_epochs=best + 1,
        validation_data=(IMAGES, LABELS),
        optimizer=tf_keras.optimizers.SGD(3.0),
    )
    pd.testing.assert_frame_equal(again, history[: len(again)])
    assert neural_net.optimizer is None


def test_a_rate_that_a_callback_sets_is_the_one_that_is_used():
    def halved(epoch, rate):
        return rate if epoch == 0 else 0.0

    scheduler = tf_keras.callbacks.LearningRateScheduler(halved)
    _, moved = train(scheduler, num_epochs=4)
    _, once = train(num_epochs=1)
    for one, other in zip(moved.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_csv_logger_writes_the_columns(tmp_path):
    train(tf_keras.callbacks.CSVLogger(tmp_path / "log.csv"), validation_data=(IMAGES, LABELS))
    columns = set(pd.read_csv(tmp_path / "log.csv"))
    assert {"epoch", "loss", "kl", "kl logits", "elbo", "penalty", "val_loss"} < columns
    assert {"val_negative_log_likelihood", "val_log_predictive_density"} < columns


@pytest.mark.parametrize("wrong", [keras.callbacks.CSVLogger("x"), tf_keras.callbacks.CSVLogger])
def test_what_is_no_callback_of_tf_keras_is_refused(wrong):
    with pytest.raises(TypeError, match=r"pass objects of tf_keras.callbacks"):
        train(wrong)


def test_beside_a_folder_they_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"what a callback remembers .* is in no checkpoint"):
        train(Diary(), folder=tmp_path)
