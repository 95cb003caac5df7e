"""The check-up's view of the data term: what it is, what stands beside what, and its cures."""

import re

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from data_zoo import (
    COLUMN,
    HEALTHY,
    INPUTS,
    LABELS,
    PIXELS,
    SICK,
    USUAL,
    N,
    classifier,
    flipout,
    minus_log_prob,
    mlp,
    segmentation,
    standard_prior,
    steps,
    tutorial_posterior,
)
from sampling import THIRD

from helpers.checkup import checkup
from helpers.checkup.measure.batch import Batch, read_data
from helpers.checkup.measure.data_term import DataTerm, HeadTerm
from helpers.checkup.measure.written_density import integrals, is_density

pytestmark = THIRD

tfd = tfp.distributions


def examine(patient):
    return checkup(
        patient.network,
        patient.inputs,
        patient.targets,
        num_examples=patient.num_examples,
        loss=patient.loss,
        batch_size=patient.batch_size,
    )


def found(report):
    """What is wrong, unknown or worth a look, the usual notes aside."""
    return report.kinds() - USUAL


def of_kind(report, kind):
    (finding,) = [finding for finding in report.findings if finding.kind == kind]
    return finding


# What a healthy network may be told: that an epoch says nothing yet.
NOTES = {"tutorial_after_an_epoch": {"collapsed-onto-prior"}}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong(name):
    report = examine(HEALTHY[name]())
    assert not report.alarms, str(report)
    assert found(report) <= NOTES.get(name, set()), str(report)
    assert {"likelihood", "kl-weight"} <= {finding.kind for finding in report.confirmed}, report


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", SICK)
def test_trap_is_named_and_its_cure_heals(name):
    """Every cure, followed word for word, leads to a report in which nothing is wrong."""
    case = SICK[name]
    report = examine(case.make())
    assert found(report) == case.kinds, str(report)
    told = " ".join(f.cure for f in report.findings if f.kind not in USUAL)
    assert case.cures
    for words, mend in case.cures.items():
        assert words in told, told
        after = examine(mend(told))
        assert found(after) == set(), f"{words}\n{after}"


def test_weights_beside_pixels_are_those_of_a_sum_over_pixels():
    """Of the document: KL/N is too heavy by the number of pixels, KL/(N · pixels) is right."""
    alarm = of_kind(examine(segmentation(N)), "likelihood-averaged")
    assert PIXELS[0].size == 30
    assert alarm.value == pytest.approx(1 / N, rel=1e-3)
    assert alarm.expected == pytest.approx(1 / (30 * N))
    right = of_kind(examine(segmentation(30 * N)), "kl-weight")
    assert right.verdict == "right"
    assert right.value == pytest.approx(1 / (30 * N))


def test_masked_steps_count_as_far_as_they_are_not_masked():
    """Rows hold 2 to 6 of 7 steps; Keras' mean is over those, so the factor is their average."""
    patient = steps(N, masked=True)
    wanted = np.mean([2 + row % 5 for row in range(N)])
    alarm = of_kind(examine(patient), "likelihood-averaged")
    assert alarm.expected == pytest.approx(1 / (N * wanted), rel=1e-3)


def test_dice_is_no_likelihood_and_no_weight_is_called_measured():
    report = examine(SICK["dice_loss"].make())
    assert not report.ok
    weight = of_kind(report, "kl-weight")
    assert weight.verdict == "unknown"
    assert "measured" not in str(report).split("kl-weight")[1].split("\n")[0]


def test_bounds_are_those_of_the_activation():
    alarm = next(f for f in examine(SICK["mean_within_tanh"].make()).alarms)
    assert alarm.value == pytest.approx(-1.0, abs=1e-6)
    noise = examine(SICK["noise_that_is_at_least_log_two"].make()).alarms
    assert noise[0].value == pytest.approx(np.log(2), rel=1e-5)


def test_wrong_sign_is_told_apart_from_broadcasting():
    def wrong_sign(y, rv):
        return rv.log_prob(y)

    network = mlp(tfp.layers.DenseFlipout(2), tfp.layers.IndependentNormal(1), loss=wrong_sign)
    kinds = {(f.kind, f.value) for f in checkup(network, INPUTS, COLUMN, N).alarms}
    assert ("no-likelihood", -1.0) in kinds


def test_a_start_at_zero_hides_no_wrong_likelihood():
    """Where all outputs are equal, a squared error is still told from a likelihood."""
    layer = tfp.layers.DenseVariational(1, tutorial_posterior, standard_prior, kl_weight=1 / N)
    network = tf_keras.Sequential([layer])
    network.compile(tf_keras.optimizers.Adam(0.005), lambda y, out: 3.0 * (y - out) ** 2)
    finding = of_kind(checkup(network, INPUTS, COLUMN, N), "likelihood-unknown")
    assert finding.value == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize(
    ("inputs", "targets", "error", "words"),
    [
        (scipy.sparse.eye(7).tocsr(), LABELS[:7], TypeError, "toarray()"),
        (tf.sparse.from_dense(np.eye(7)), LABELS[:7], TypeError, "tf.sparse.to_dense"),
        (tf.ragged.constant([[1.0], [2.0, 3.0]]), LABELS[:2], TypeError, "unequal length"),
        ([[1.0], [2.0, 3.0]], LABELS[:2], ValueError, "unequal length"),
        ([INPUTS, INPUTS[:4]], LABELS, ValueError, "the same number"),
        (INPUTS, LABELS[:5], ValueError, "the same number"),
        (iter([INPUTS]), None, TypeError, "from_generator"),
        (tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)), None, ValueError, "batch("),
        (
            tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)).batch(7).repeat(),
            None,
            ValueError,
            "never ends",
        ),
        (
            tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)).batch(7).filter(lambda *_: True),
            None,
            ValueError,
            "pass num_examples=N",
        ),
        (tf.data.Dataset.from_tensor_slices(INPUTS).batch(7), LABELS, ValueError, "leave targets"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(inputs, targets, error, words):
    with pytest.raises(error, match=re.escape(words)):
        checkup(classifier(), inputs, targets)


def test_eager_execution_switched_off_is_refused():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Eager execution is off"):
        checkup(classifier(), INPUTS, LABELS)


def test_examples_of_a_stream_are_counted():
    data = tf.data.Dataset.from_tensor_slices((INPUTS, LABELS)).batch(35)
    read = read_data(data, None, None, None)
    assert (read.num_rows, read.batch_size, read.batch.size) == (N, 35, 35)
    assert read_data(INPUTS, LABELS, None, 7).batch.size == 7


def test_rows_with_gaps_are_left_out_where_others_are_left():
    holes = np.where(np.arange(N)[:, None] % 2, np.nan, INPUTS)
    read = read_data(holes, LABELS, None, None)
    assert np.isfinite(read.batch.inputs.numpy()).all()
    assert "105 of 210" in read.not_finite


def test_targets_of_one_leaf_are_moved_alone():
    batch = Batch(INPUTS[:3], (tf.constant([1, 2, 3]), tf.constant([4, 5, 6])))
    moved = batch.with_targets_at([2, 1, 0], 1)
    assert [x.numpy().tolist() for x in moved.targets] == [[1, 2, 3], [6, 5, 4]]


@pytest.mark.parametrize("kind", [bool, np.int64, np.float64])
def test_yes_and_no_may_be_of_any_type(kind):
    loss = tf_keras.losses.BinaryCrossentropy(from_logits=True)
    report = checkup(mlp(flipout(1), loss=loss), INPUTS, (COLUMN > 0).astype(kind), N)
    assert report.ok, str(report)


def test_one_row_tells_no_likelihood_and_asks_for_more():
    report = checkup(mlp(flipout(3)), INPUTS[:1], LABELS[:1], N)
    finding = of_kind(report, "likelihood-unknown")
    assert "One row" in finding.message
    assert "more rows" in finding.cure
    assert checkup(mlp(flipout(3)), INPUTS[:9], LABELS[:9], N).ok


def term(slope, predictions, growth=1.0, rows=64):
    head = HeadTerm(name="x", role="likelihood", slope=slope, predictions=predictions)
    return DataTerm(growth, rows, (head,))


def test_a_mean_over_predictions_is_told_from_a_sum():
    assert term(1 / 7, 7.0).averaged_over == 7
    assert term(1.0, 7.0).averaged_over == 1
    assert term(64 / 7, 7.0, growth=2.0).averaged_over == 7
    assert not DataTerm(1.0).is_identified


def density(nll):
    """The integrals of a term written in NumPy, for two examples."""
    targets = np.random.default_rng(1).normal(size=(20, 1))
    batch = Batch(tf.constant(np.linspace(0, 3, 20)[:, None]), tf.constant(targets))

    def evaluate(one):
        y = tf.constant(one.targets)
        with tf.GradientTape() as tape:
            tape.watch(y)
            value = tf.reduce_mean(nll(y, one.inputs))
        return float(value), tape.gradient(value, y)

    return integrals(evaluate, batch, is_sum=False)


def test_a_density_is_told_by_its_integral():
    def gaussian(y, x):
        sigma = 0.3 + x
        return 0.5 * ((y - x) / sigma) ** 2 + tf.math.log(sigma)

    logs = [one.log_integral for one in density(gaussian)]
    assert logs == pytest.approx([0.5 * np.log(2 * np.pi)] * 2, abs=1e-3)
    assert is_density(density(gaussian) + density(gaussian))
    assert not is_density(density(lambda y, x: (0.3 + x) * gaussian(y, x)) * 2)
    assert not is_density(density(lambda y, x: 0.5 * (y - x) ** 2) * 2)  # a noise of 1, fixed


def test_the_zoo_shows_minus_log_prob():
    """The loss of the zoo is the one that the cures name."""
    rv = tfd.Normal(0.0, 1.0)
    assert float(minus_log_prob(0.5, rv)) == pytest.approx(0.5 * np.log(2 * np.pi) + 0.125)
