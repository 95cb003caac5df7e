"""Reading the comparison of methods: intervals by SciPy, differences by hand, broken files."""

import json

import numpy as np
import pytest
import scipy.stats

from helpers.page.uncertainty_results import (
    RESULTS,
    compare_with,
    interval_table,
    read_uncertainty,
    values_by_seed,
)
from helpers.prediction.seed_intervals import t_interval

DENSITY = {
    "plain": [-0.30, -0.20, -0.25],
    "good": [-0.21, -0.10, -0.14],
    "same": [-0.4, -0.1, -0.2],
}
UNSEEN = "unseen classes, total, auroc"


def comparison():
    """Return a record of three methods and three seeds."""
    rows = []
    for name, densities in DENSITY.items():
        for seed, density in enumerate(densities):
            where = {"seed": seed, "method": name}
            loss = {"loss": [2.0 + seed, 1.0, 0.5 + 0.1 * seed]}
            own = {"log_predictive_density": density, "noise, total, auroc": 0.5 + 0.1 * seed}
            rows.append({**where, "task": "all", **own, "notes": loss})
            if name != "same":
                rows.append({**where, "task": "without two", UNSEEN: 0.8, **own})
    return {
        "format": 1,
        "command": "python -m benchmarks.uncertainty",
        "date": "2026-01-02",
        "commit": "abc",
        "seeds": [0, 1, 2],
        "effort": {"draws": 7},
        "points": [0.25, 0.75, 1.0],
        "environments": {"book": {"packages": {"numpy": "2.1.3"}}},
        "methods": {name: name.upper() for name in [*DENSITY, "absent"]},
        "complete": True,
        "amended": [
            {"command": "python -m benchmarks.uncertainty --only good", "date": "2026-01-03"}
        ],
        "measurements": rows,
        "widths": [
            {"seed": s, "width": w, "bayesian": 3 + s, "plain": w} for s in range(3) for w in (5, 9)
        ],
    }


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "uncertainty.json"
    path.write_text(json.dumps(comparison()))
    return read_uncertainty(path)


def test_an_interval_is_that_of_scipy():
    values = np.array([0.3, -0.1, 0.25, 0.7])
    found = t_interval(values, level=0.9)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert found == pytest.approx((values.mean(), expected.low, expected.high))
    with pytest.raises(ValueError, match="two seeds"):
        t_interval([1.0])


def test_measures_of_unseen_classes_come_from_their_own_trainings(results):
    assert list(values_by_seed(results, UNSEEN)) == ["plain", "good"]
    table = values_by_seed(results, "log_predictive_density")
    assert {name: list(table[name]) for name in table} == DENSITY
    with pytest.raises(ValueError, match="'speed' was not measured"):
        values_by_seed(results, "speed")


def test_how_the_file_came_about_is_kept(results):
    assert results.amended == ("python -m benchmarks.uncertainty --only good",)
    assert (results.date, results.seeds, results.points) == (
        "2026-01-02",
        (0, 1, 2),
        (0.25, 0.75, 1),
    )
    assert results.versions == {"numpy": "2.1.3"}


def test_tables_hold_the_interval_of_each_method(results):
    table = interval_table(results, "log_predictive_density")
    for name, densities in DENSITY.items():
        assert tuple(table.loc[name]) == pytest.approx(t_interval(densities))


def test_differences_are_taken_seed_by_seed_and_judged(results):
    compared = compare_with(results, "log_predictive_density", "plain")
    expected = t_interval(np.subtract(DENSITY["good"], DENSITY["plain"]))
    assert tuple(compared.loc["good", ["mean", "low", "high"]]) == pytest.approx(expected)
    assert list(compared["verdict"]) == ["higher", "undecided"]
    back = compare_with(results, "log_predictive_density", "good", ["plain"])
    assert back.loc["plain", "verdict"] == "lower"
    with pytest.raises(ValueError, match="'same' has no"):
        compare_with(results, UNSEEN, "same")


def test_a_file_that_is_of_another_kind_or_broken_off_is_refused(tmp_path):
    path = tmp_path / "results.json"
    for change, says in (({"format": 2}, "does not hold"), ({"complete": False}, "broken off")):
        path.write_text(json.dumps({**comparison(), **change}))
        with pytest.raises(ValueError, match=says):
            read_uncertainty(path)


def test_the_results_of_the_book_are_whole():
    found = read_uncertainty(RESULTS)
    assert len(found.seeds) >= 5
    assert set(found.measurements["method"]) == set(found.methods)
    assert all(" /" not in command for command in (found.command, *found.amended))
