"""Logs of all kinds of programs are read, and the KL is taken out of them."""

import numpy as np
import pytest

from helpers.published.logs import read_training_log, rounding
from helpers.published.printed_kl import growth_with_step, kl_beside_data_term, undo_warm_up

KERAS_2 = """
Start training the model...
Epoch 1/500
5/5 [==============================] - 2s 239ms/step - loss: 46.2377 - mse: 46.2250 - val_loss: 49.0
Epoch 2/500
5/5 [==============================] - 0s 8ms/step - loss: 52.9262 - mse: 52.9000 - val_loss: 46.8
"""
KERAS_3 = (
    "Epoch 3/9\n\x1b[1m5/5\x1b[0m \x1b[32m━━━━\x1b[0m \x1b[1m0s\x1b[0m 9ms/step - loss: 4.25"
    "\nEpoch 4/9\n5/5 ━━━━ 0s 9ms/step - loss: 4.125 - mse: 4.0"
)
EXAMPLE = """
 >>> Step: 1100 Loss: 48.428 Accuracy: 0.295 KL: 46.632
 ... Held-out nats: -2.318
 ... Validation Accuracy: 0.376
Step: 1200 Loss: 52.387 Accuracy: 0.302 KL: 50.807
"""


def test_progress_lines_of_both_generations_of_keras():
    log = read_training_log(KERAS_2)
    assert list(log.columns) == ["epoch", "loss", "mse", "val_loss"]
    np.testing.assert_array_equal(log["loss"], [46.2377, 52.9262])
    assert (rounding(log, "loss"), rounding(log, "val_loss")) == (0.5e-4, 0.05)
    new = read_training_log(KERAS_3)
    np.testing.assert_array_equal(new["epoch"], [3, 4])
    np.testing.assert_array_equal(new["loss"], [4.25, 4.125])
    assert np.isnan(new["mse"][0])


def test_of_a_bar_that_was_redrawn_the_last_numbers_count():
    log = read_training_log("Epoch 1/2\n1/5 [=>..] - ETA: 4s - loss: 9.9\r5/5 [===] - loss: 4.2\n")
    assert log["loss"].to_list() == [4.2]


def test_lines_of_names_and_numbers_in_any_form():
    log = read_training_log(EXAMPLE)
    assert log["held_out_nats"].to_list()[0] == -2.318
    assert log["kl"].to_list() == [46.632, 50.807]
    plain = read_training_log(
        "Epoch 0. Loss: 2626.5, Test_acc 0.9455\nEpoch 1. Loss: 2.6e3, Test_acc .96"
    )
    assert plain.to_dict("list") == {
        "epoch": [0.0, 1.0],
        "loss": [2626.5, 2600.0],
        "test_acc": [0.9455, 0.96],
    }
    signs = read_training_log(
        "[1/9] train loss=3.2 kl = 1,234.5 nll=-0.3\n[2/9] train loss=3 kl = nan"
    )
    assert signs["train_loss"].to_list() == [3.2, 3.0]
    assert signs["kl"][0] == 1234.5
    assert np.isnan(signs["kl"][1])


def test_tables_and_json_lines():
    table = read_training_log("epoch, loss, note\n1, 2.50, first\n2, 1e-3, second\n")
    assert table.to_dict("list") == {"epoch": [1.0, 2.0], "loss": [2.5, 1e-3]}
    assert rounding(table, "loss") == 0.5e-3
    assert read_training_log("epoch,loss\n1,46.5\n2,40")["loss"].to_list() == [46.5, 40.0]
    lines = read_training_log('{"epoch": 1, "val loss": 2.5}\n{"epoch": 2, "val loss": 2.25}')
    assert lines["val_loss"].to_list() == [2.5, 2.25]


@pytest.mark.parametrize("text", ["", "Start training the model...", "3 4 5"])
def test_a_text_without_named_numbers_is_refused(text):
    with pytest.raises(ValueError, match="no named number"):
        read_training_log(text)


def test_the_rest_of_a_loss_beside_its_data_term():
    log = read_training_log("epoch,loss,rmse,nll\n1, 5.500, 2.0, 1.0\n2, 9.300, 3.0, 2.0")
    squares = kl_beside_data_term(log, data_term="rmse")
    np.testing.assert_allclose(squares["kl"], [1.5, 0.3])
    np.testing.assert_allclose(squares["rounding"], [5e-4 + 4 * 0.05, 5e-4 + 6 * 0.05])
    sums = kl_beside_data_term(log, data_term="nll", power=1, factor=3)
    np.testing.assert_allclose(sums["kl"], [2.5, 3.3])
    with pytest.raises(ValueError, match="no mse; it has epoch, loss"):
        kl_beside_data_term(log, data_term="mse")


@pytest.mark.parametrize("power", [0, 1, 2])
def test_growth_finds_the_power_and_what_is_left(power):
    step = np.array([100.0, 200, 400, 700, 1100])
    kl = 800 * (1 - 1e-5 * step)
    growth = growth_with_step(step, kl * step**power)
    assert abs(growth.exponent - power) < 0.01
    assert growth.drift == pytest.approx(kl[-1] / kl[0] - 1)
    assert power == 0 or growth.explained > 0.99


def test_a_warm_up_ends():
    kl = undo_warm_up([100, 200, 400], [2.0, 4.0, 4.0], warm_up_steps=200)
    np.testing.assert_allclose(kl, [4.0, 4.0, 4.0])
    for wrong in ([0, 1, 2], [-1, 1, 2]):
        with pytest.raises(ValueError, match="step must be above 0"):
            undo_warm_up(wrong, [1.0, 1.0, 1.0], 200)
    with pytest.raises(ValueError, match="warm_up_steps is 0"):
        undo_warm_up([1, 2, 3], [1.0, 1.0, 1.0], 0)
    with pytest.raises(ValueError, match="2 steps and 2 values"):
        growth_with_step([1, 2], [1.0, 1.0])


def test_steps_within_epochs_and_counters_at_the_end_of_a_line():
    steps = read_training_log("Epoch 1\nStep 10 loss: 3\nStep 20 loss: 2\nEpoch 2\nStep 30 loss: 1")
    assert steps["loss"].to_list() == [3.0, 2.0, 1.0]
    assert steps["epoch"].to_list()[::2] == [1.0, 2.0]
    last = read_training_log("loss 3.0 epoch 1\nloss 2.0 epoch 2")
    assert last.to_dict("list") == {"loss": [3.0, 2.0], "epoch": [1.0, 2.0]}
    one_line = read_training_log("epoch 1 loss 3 epoch 2 loss 2")
    assert one_line["loss"].to_list() == [3.0, 2.0]


def test_decimal_commas_are_refused():
    with pytest.raises(ValueError, match="replace the commas in numbers by points"):
        read_training_log("step 1 loss 2,5\nstep 2 loss 2,4")
