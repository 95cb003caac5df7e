"""The check-up's view of the data term: what it is, what stands beside what, and its cures."""

import re

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from data_zoo import HEALTHY, INPUTS, LABELS, SICK, USUAL, N, classifier, segmentation, steps

from helpers.checkup import checkup


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


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong(name):
    report = examine(HEALTHY[name]())
    assert found(report) == set(), str(report)
    assert {"likelihood", "kl-weight"} <= {finding.kind for finding in report.confirmed}, report


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
